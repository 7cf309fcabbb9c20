/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-guard: the dead man's switch. One thread, one epoll, no memory
 * taken after start: it has to work when nothing else does. docs/guard.md.
 */
#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agents.h"
#include "base.h"
#include "bring.h"
#include "config.h"
#include "lock.h"
#include "runs.h"
#include "server.h"
#include "text.h"
#include "watch.h"
#include "words.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define FILES_WANTED 8192
#define STACK_TOUCHED (96 * 1024)
/* How often it looks at the machine: with an open run there is something to lose. */
#define LOOK_RUN_MS 250
#define LOOK_AGENTS_MS 1000
#define LOOK_PROCESSES_MS 2000
/* Nothing armed or held: it ends. With a helper connected that may be about to ask, later; at start it waits for one. */
#define END_ALONE_MS 1000
#define END_WITH_HELPER_MS 10000
#define END_AT_START_MS 5000

int epoll_fd = -1;
struct settings settings;
char boot_id[40];

static void complain(const char *problem, const char *about)
{
	char line[PATH_MAX + 256];
	struct out out = out_begin(line, sizeof(line));

	out_text(&out, "agentmem-guard: ");
	out_text(&out, problem);
	if (about[0] != '\0') {
		out_text(&out, ": ");
		out_text(&out, about);
	}
	out_text(&out, "\n");
	(void)!write(STDERR_FILENO, line, out.used);
}

/* The number alone: strerror would bring tables of a hundred kilobytes to lock. */
static void complain_errno(const char *problem)
{
	char number[32];
	struct out out = out_begin(number, sizeof(number));

	out_text(&out, "error ");
	out_number(&out, (uint64_t)errno);
	complain(problem, number);
}

static int usage(const char *problem, const char *about)
{
	complain(problem, about);
	complain("usage: agentmem-guard --role system|session --socket PATH --journal DIR --words FILE [--config FILE] [--recover-held]", "");
	return EXIT_USAGE;
}

static bool is_path(const char *path)
{
	return path != NULL && path[0] == '/' && strlen(path) < PATH_MAX - 64;
}

static int parse_options(int argc, char **argv)
{
	const char *role = "";

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--recover-held") == 0) {
			settings.recover_held = true;
			continue;
		}
		if (value == NULL)
			return usage("expected a value behind", argv[i]);
		if (strcmp(argv[i], "--role") == 0)
			role = value;
		else if (strcmp(argv[i], "--socket") == 0)
			settings.socket = value;
		else if (strcmp(argv[i], "--journal") == 0)
			settings.journal_dir = value;
		else if (strcmp(argv[i], "--words") == 0)
			settings.words = value;
		else if (strcmp(argv[i], "--config") == 0)
			settings.config = value;
		else
			return usage("unknown option", argv[i]);
		i++;
	}
	settings.system = strcmp(role, "system") == 0;
	if (!settings.system && strcmp(role, "session") != 0)
		return usage("expected the role system or session", role);
	if (!is_path(settings.journal_dir) || !is_path(settings.words) || (!settings.recover_held && !is_path(settings.socket)) || (settings.config != NULL && !is_path(settings.config)))
		return usage("expected absolute paths for --socket, --journal and --words", "");
	return EXIT_FINE;
}

/* Where it may not be locked it may be slow when it matters: said, and gone on. */
static void stay_in_memory(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "-1000", 5);
		close(fd);
	}
#ifndef GUARD_UNLOCKED /* sanitizers keep terabytes of shadow areas */
	{
		volatile char stack[STACK_TOUCHED];

		for (size_t i = 0; i < sizeof(stack); i += 1024)
			stack[i] = 0;
		if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 && settings.system)
			complain_errno("its memory could not be locked");
	}
#endif
}

static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_WANTED)
		return;
	limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int listen_to_signals(void)
{
	sigset_t ending;
	int fd;

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigprocmask(SIG_BLOCK, &ending, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	fd = signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 && listen_to(fd, EPOLLIN, FROM_SIGNAL, 0) ? fd : -1;
}

static bool ending;

static void look(int64_t at_ms)
{
	bool memory = false;

	if (watch_look(at_ms, &memory))
		runs_undo(false, memory);
	runs_look();
}

static void handle(const struct epoll_event *event)
{
	unsigned index = (unsigned)event->data.u64;
	bool memory = false;

	switch ((enum source)(event->data.u64 >> 32)) {
	case FROM_LISTENER:
		server_listener_event();
		break;
	case FROM_SIGNAL:
		ending = true;
		break;
	case FROM_CLIENT:
		server_client_event(index);
		break;
	case FROM_TERMINAL:
		agents_terminal_event(index, event->events);
		break;
	case FROM_CGROUP:
		agents_cgroup_event(index);
		break;
	case FROM_SERVICE:
		/* Whatever ended it: while a run is open, its settings are the first suspect. */
		if (watch_service_event(index))
			runs_undo(false, false);
		break;
	case FROM_HOLDER:
		server_holder_event(index);
		break;
	case FROM_PRESSURE:
		if (watch_look(now_ms(), &memory))
			runs_undo(false, memory);
		break;
	}
}

/* When it may end: 0 while it has something to stand for. */
static int64_t end_at(int64_t idle_since_ms, bool had_client)
{
	if (server_has_helper())
		return idle_since_ms + END_WITH_HELPER_MS;
	return idle_since_ms + (had_client ? END_ALONE_MS : END_AT_START_MS);
}

static void serve(void)
{
	int64_t idle_since_ms = now_ms();
	int64_t look_ms = 0;
	int64_t processes_ms = 0;
	bool had_client = false;

	while (!ending) {
		struct epoll_event events[16];
		int64_t at_ms = now_ms();
		int64_t next_ms = server_step(at_ms);
		bool busy;
		int count;

		next_ms = sooner(next_ms, runs_step(at_ms));
		next_ms = sooner(next_ms, agents_step(at_ms));
		busy = agents_count() > 0 || runs_open() > 0;
		had_client = had_client || server_has_helper();
		if (busy) {
			idle_since_ms = at_ms;
			if (at_ms >= processes_ms) {
				if (agents_look(at_ms))
					runs_undo(false, true);
				processes_ms = at_ms + LOOK_PROCESSES_MS;
			}
			if (at_ms >= look_ms) {
				look(at_ms);
				look_ms = at_ms + (runs_open() > 0 ? LOOK_RUN_MS : LOOK_AGENTS_MS);
			}
			/* One that was just armed is looked after at once. */
			if (runs_open() > 0)
				look_ms = sooner(look_ms, at_ms + LOOK_RUN_MS);
			next_ms = sooner(next_ms, look_ms);
			/* What a look asked for is done before waiting. */
			next_ms = sooner(next_ms, runs_step(at_ms));
		} else {
			watch_disarm();
			if (at_ms >= end_at(idle_since_ms, had_client))
				break;
			next_ms = sooner(next_ms, end_at(idle_since_ms, had_client));
		}
		words_write();
		next_ms -= now_ms();
		count = epoll_wait(epoll_fd, events, 16, next_ms < 0 ? 0 : next_ms > 60000 ? 60000 : (int)next_ms);
		for (int i = 0; i < count; i++)
			handle(&events[i]);
	}
}

int main(int argc, char **argv)
{
	const char *problem;
	int status;

	if (argc == 4 && strcmp(argv[1], "--bring-back") == 0)
		return bring_main(argv[2], argv[3]);
	status = parse_options(argc, argv);
	if (status != EXIT_FINE)
		return status;
	umask(077);
	config_default();
	problem = settings.config == NULL ? NULL : config_read(settings.config);
	if (problem != NULL)
		complain(problem, settings.config);
	if (read_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", boot_id, sizeof(boot_id)) < 36) {
		complain_errno("the boot id cannot be read");
		return EXIT_FAILED;
	}
	boot_id[36] = '\0';
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	words_open(settings.words);
	if (settings.recover_held) {
		runs_recover_held();
		words_write();
		return EXIT_FINE;
	}
	allow_files();
	agents_begin();
	watch_begin();
	bring_begin();
	stay_in_memory();
	if (epoll_fd < 0 || listen_to_signals() < 0 || !server_begin(settings.socket)) {
		if (errno == EADDRINUSE)
			complain("another guard answers on this socket", settings.socket);
		else
			complain_errno(settings.socket);
		return EXIT_FAILED;
	}
	if (problem != NULL)
		leave_word("problem", problem, NULL, NULL, NOBODY);
	serve();
	/* Told to end, or nothing is left: nobody may stay frozen behind it. */
	agents_thaw_now("guard");
	words_write();
	server_end();
	lock_end();
	return EXIT_FINE;
}
