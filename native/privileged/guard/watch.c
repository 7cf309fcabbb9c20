/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base.h"
#include "pressure.h"
#include "text.h"
#include "words.h"

#define SERVICES_HELD 32
/* A word about the same thing at most so often. */
#define AGAIN_MS 60000
/* A service that was restarted is found again. */
#define SCAN_MS 10000

static struct {
	bool armed;
	int meminfo;
	int vmstat;
	int pressure;
	int trigger; /* wakes us earlier than the next look; -1 where not permitted */
	int proc;
	uint64_t oom_kills;
	bool counts_kills;
	struct pressure before; /* the first open run */
	int64_t pressure_said_ms;
	int64_t memory_said_ms;
	int64_t scan_ms;
} watch = { .meminfo = -1, .vmstat = -1, .pressure = -1, .trigger = -1, .proc = -1 };

static struct service {
	pid_t pid;
	int pidfd; /* -1: free */
	char name[16];
} services[SERVICES_HELD];

void watch_begin(void)
{
	static const char trigger[] = "some 300000 2000000"; /* 0.3 s of stalls in 2 s: look at once */

	for (unsigned i = 0; i < SERVICES_HELD; i++)
		services[i].pidfd = -1;
	watch.meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	watch.vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	watch.pressure = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
	watch.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	watch.trigger = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (watch.trigger >= 0 && (write(watch.trigger, trigger, sizeof(trigger)) < 0 || !listen_to(watch.trigger, EPOLLPRI, FROM_PRESSURE, 0)))
		close_fd(&watch.trigger);
}

static bool read_kills(uint64_t *kills)
{
	return watch.vmstat >= 0 && read_again(watch.vmstat, scratch, sizeof(scratch)) > 0 && field_of(scratch, "oom_kill ", 10, kills);
}

/* The kernel keeps 15 bytes of a name. */
static bool is_watched(const char *name)
{
	for (unsigned i = 0; i < settings.service_count; i++)
		if (strcmp(settings.services[i], name) == 0)
			return true;
	return false;
}

static bool is_held(pid_t pid)
{
	for (unsigned i = 0; i < SERVICES_HELD; i++)
		if (services[i].pidfd >= 0 && services[i].pid == pid)
			return true;
	return false;
}

static bool read_name(pid_t pid, char *name, size_t size)
{
	char path[64];
	ssize_t length;

	proc_path(path, pid, "comm");
	length = read_at(AT_FDCWD, path, name, size);
	if (length <= 0)
		return false;
	name[strcspn(name, "\n")] = '\0';
	return true;
}

/*
 * The services of the machine and of this user, not what they start for each
 * login: the parent of such a one has the same name.
 */
static bool is_service(pid_t pid, const char *name)
{
	char path[64];
	char status[4096];
	char parent_name[64];
	uint64_t parent;
	uint64_t uid;

	proc_path(path, pid, "status");
	if (read_at(AT_FDCWD, path, status, sizeof(status)) <= 0 || !field_of(status, "PPid", 10, &parent) || !field_of(status, "Uid", 10, &uid))
		return false;
	if (uid >= 1000 && uid != geteuid())
		return false;
	/* A user's own systemd ends with the login. */
	if (strcmp(name, "systemd") == 0 && pid != 1)
		return false;
	return parent == 0 || !read_name((pid_t)parent, parent_name, sizeof(parent_name)) || strcmp(parent_name, name) != 0;
}

static void hold_service(pid_t pid, const char *name)
{
	uint64_t ticks;

	for (unsigned i = 0; i < SERVICES_HELD; i++) {
		struct service *service = &services[i];

		if (service->pidfd >= 0)
			continue;
		service->pidfd = process_ticks(pid, &ticks) ? process_open(pid, ticks) : -1;
		if (service->pidfd < 0)
			return;
		service->pid = pid;
		memset(service->name, 0, sizeof(service->name));
		memcpy(service->name, name, strnlen(name, sizeof(service->name) - 1));
		if (!listen_to(service->pidfd, EPOLLIN, FROM_SERVICE, i))
			close_fd(&service->pidfd);
		return;
	}
}

static void scan_services(void)
{
	static struct folder folder;
	const char *entry;

	folder.fd = watch.proc;
	folder.at = folder.got = 0;
	if (watch.proc < 0 || settings.service_count == 0 || lseek(watch.proc, 0, SEEK_SET) != 0)
		return;
	while ((entry = folder_next(&folder)) != NULL) {
		char name[64];
		uint64_t pid;

		if (!number_from_text(entry, INT_MAX, &pid) || is_held((pid_t)pid))
			continue;
		if (read_name((pid_t)pid, name, sizeof(name)) && is_watched(name) && is_service((pid_t)pid, name))
			hold_service((pid_t)pid, name);
	}
}

void watch_arm(void)
{
	if (watch.armed)
		return;
	watch.armed = true;
	watch.counts_kills = read_kills(&watch.oom_kills);
	watch.pressure_said_ms = watch.memory_said_ms = now_ms() - AGAIN_MS;
	scan_services();
	watch.scan_ms = now_ms() + SCAN_MS;
}

void watch_first_run(void)
{
	watch.before = (struct pressure){ 0 };
	if (watch.pressure >= 0 && read_again(watch.pressure, scratch, sizeof(scratch)) > 0)
		watch.before = pressure_before(scratch);
}

void watch_disarm(void)
{
	watch.armed = false;
	watch.before = (struct pressure){ 0 };
	for (unsigned i = 0; i < SERVICES_HELD; i++)
		close_fd(&services[i].pidfd);
}

static bool available_mib(uint64_t *mib)
{
	uint64_t kib;

	if (watch.meminfo < 0 || read_again(watch.meminfo, scratch, sizeof(scratch)) <= 0 || !field_of(scratch, "MemAvailable", 10, &kib))
		return false;
	*mib = kib / 1024;
	return true;
}

bool watch_memory_is_sane(void)
{
	uint64_t mib;

	/* Where it cannot be told, waiting helps nobody. */
	return !available_mib(&mib) || mib >= 2 * (uint64_t)settings.low_memory_mib;
}

static void say_pressure(const struct pressure *now)
{
	char line[160];
	struct out out = out_begin(line, sizeof(line));

	out_text(&out, "Programs wait for memory: some of them ");
	out_number(&out, now->some);
	out_text(&out, " % of the time in the last 10 seconds");
	if (watch.before.some > 0) {
		out_text(&out, ", before the run ");
		out_number(&out, watch.before.some);
		out_text(&out, " %");
	}
	out_text(&out, ".");
	leave_word("pressure", line, NULL, NULL, NOBODY);
}

static bool too_much(const struct pressure *now)
{
	return now->some > pressure_limit(settings.psi_some_percent, watch.before.some) || now->full > pressure_limit(settings.psi_full_percent, watch.before.full);
}

static void say_number(const char *what, const char *before, uint64_t number, const char *after)
{
	char line[160];
	struct out out = out_begin(line, sizeof(line));

	out_text(&out, before);
	out_number(&out, number);
	out_text(&out, after);
	leave_word(what, line, NULL, NULL, NOBODY);
}

/* Whether to say it: at the first look of a hard time, and then once a minute. */
static bool is_due(int64_t at_ms, int64_t *said_ms)
{
	if (at_ms - *said_ms < AGAIN_MS)
		return false;
	*said_ms = at_ms;
	return true;
}

bool watch_look(int64_t at_ms, bool *memory)
{
	bool hard = false;
	struct pressure now;
	uint64_t number;

	if (!watch.armed)
		return false;
	if (watch.counts_kills && read_kills(&number) && number > watch.oom_kills) {
		say_number("oom-kill", "The kernel ended ", number - watch.oom_kills, number - watch.oom_kills == 1 ? " process for lack of memory." : " processes for lack of memory.");
		watch.oom_kills = number;
		hard = true;
	}
	if (watch.pressure >= 0 && read_again(watch.pressure, scratch, sizeof(scratch)) > 0 && pressure_now(scratch, &now) && too_much(&now)) {
		hard = true;
		if (is_due(at_ms, &watch.pressure_said_ms))
			say_pressure(&now);
	}
	if (available_mib(&number) && number < settings.low_memory_mib) {
		hard = true;
		if (is_due(at_ms, &watch.memory_said_ms))
			say_number("low-memory", "Only ", number, " MiB of memory are available.");
	}
	if (at_ms >= watch.scan_ms) {
		watch.scan_ms = at_ms + SCAN_MS;
		scan_services();
	}
	*memory = hard;
	return hard;
}

bool watch_service_event(unsigned index)
{
	struct service *service = &services[index];
	char line[96];
	struct out out = out_begin(line, sizeof(line));

	if (service->pidfd < 0 || !process_ended(service->pidfd))
		return false;
	out_text(&out, "The service ");
	out_text(&out, service->name);
	out_text(&out, " (process ");
	out_number(&out, (uint64_t)service->pid);
	out_text(&out, ") ended.");
	close_fd(&service->pidfd);
	leave_word("service-ended", line, NULL, NULL, NOBODY);
	return true;
}
