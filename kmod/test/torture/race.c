// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that allocate, share, map, send away, grow, fork, edit and hand
 * descriptors on, all over the same units, and die at any moment. Every byte
 * that is read tells what it must be.
 */
#include "torture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 6
#define RECORD_BYTES 256u
#define FLAT_MOST 160000u
#define TALK_MOST (512u << 10)
#define UNITS_MOST 16u
#define MAGIC 0x61676d656d726563ull
/* The group that half of them are in feels this as shortage. */
#define GROUP_HIGH "50331648"

/* What begins each record of a conversation, and each flat unit. */
struct head {
	uint64_t magic, seed;
	uint32_t bytes, check;
};

struct worker {
	int agent, mail_in, mail_out;
	uint64_t seed;
	char *data, *back;
};

/* Counted by all of them, in memory they share. */
enum { ALLOCS, READS, MAPS, APPENDS, EDITS, FORKS, SHARES, PASSED, SUSPENDS, BACKINGS, KILLS, COUNTS };
static const char *const names[COUNTS] = { "allocated", "read", "mapped", "appended", "edited", "forked", "shared", "passed on", "suspended", "backing changed", "killed" };
static uint64_t *counts;

static void count(int what)
{
	__atomic_fetch_add(&counts[what], 1, __ATOMIC_RELAXED);
}

static void fill(char *to, uint64_t seed, uint32_t bytes)
{
	struct head head = { MAGIC, seed, bytes, (uint32_t)(seed * 2654435761u) ^ bytes };

	memcpy(to, &head, sizeof(head));
	kit_text(seed, to + sizeof(head), bytes - sizeof(head));
}

/* The head says what must follow. */
static bool whole(const char *from, uint32_t bytes)
{
	static __thread char wanted[FLAT_MOST];
	struct head head;

	memcpy(&head, from, sizeof(head));
	if (head.magic != MAGIC || head.bytes != bytes || bytes > FLAT_MOST || bytes < sizeof(head))
		return false;
	fill(wanted, head.seed, bytes);
	return memcmp(wanted, from, bytes) == 0;
}

static uint32_t fill_records(struct worker *w, uint32_t most)
{
	uint32_t records = 1 + kit_random(&w->seed) % most;

	for (uint32_t i = 0; i < records; i++)
		fill(w->data + i * RECORD_BYTES, kit_random(&w->seed) % 500, RECORD_BYTES);
	return records * RECORD_BYTES;
}

static bool whole_records(const char *from, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += RECORD_BYTES) {
		if (bytes - at < RECORD_BYTES || !whole(from + at, RECORD_BYTES))
			return false;
	}
	return true;
}

/* Refused for want of room, or because somebody took it away. */
static bool expected(void)
{
	return errno == ENOENT || errno == ENOMEM || errno == EDQUOT || errno == EMFILE || errno == EINTR;
}

static void give(struct worker *w, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 1;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(w->mail_out, &message, MSG_DONTWAIT) == 1)
		count(PASSED);
}

static int take(int mail)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd = -1;

	if (recvmsg(mail, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -1;
	head = CMSG_FIRSTHDR(&message);
	if (head)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Maps what a descriptor is of and looks at all of it; closed before or after. */
static void look_at(struct worker *w, int fd)
{
	off_t bytes = lseek(fd, 0, SEEK_END);
	char *map;

	if (bytes <= 0) {
		close(fd);
		return;
	}
	map = mmap(NULL, (size_t)bytes, PROT_READ, kit_random(&w->seed) % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	if (kit_random(&w->seed) % 3 == 0)
		give(w, fd);
	if (kit_random(&w->seed) % 4 == 0)
		ioctl(w->agent, AGENTMEM_IOC_SHARE, &SIZED(share, .fd = fd));
	close(fd);
	if (kit_random(&w->seed) % 4 == 0)
		kit_state(w->agent, AGENTMEM_ABI_SUSPENDED);
	CHECK(whole(map, (uint32_t)bytes) || whole_records(map, (size_t)bytes));
	munmap(map, (size_t)bytes);
	count(MAPS);
}

static void add_unit(struct worker *w)
{
	bool talk = kit_random(&w->seed) % 2;
	uint32_t which = kit_random(&w->seed) % 24, bytes = (uint32_t)sizeof(struct head) + which * which * 270;

	if (talk)
		bytes = fill_records(w, 300);
	else
		fill(w->data, which, bytes);
	if (!kit_alloc(w->agent, talk ? AGENTMEM_ABI_CONVERSATION : 2 + which % 4, w->data, bytes))
		CHECK(expected());
	count(ALLOCS);
}

static void change(struct worker *w, const struct agentmem_abi_unit_line *unit)
{
	uint64_t records = unit->bytes / RECORD_BYTES;
	struct agentmem_abi_edit args = SIZED(edit, .unit = unit->unit, .data = (uintptr_t)w->data, .bytes = fill_records(w, 120));
	struct agentmem_abi_fork fork_args = SIZED(fork, .unit = unit->unit, .prefix_bytes = kit_random(&w->seed) % (records + 1) * RECORD_BYTES);

	switch (kit_random(&w->seed) % 4) {
	case 0:
		fork_args.flags = kit_random(&w->seed) % 2 ? AGENTMEM_ABI_WANT_FD : 0;
		if (ioctl(w->agent, AGENTMEM_IOC_FORK, &fork_args) < 0)
			CHECK(expected());
		else if (fork_args.fd >= 0)
			look_at(w, fork_args.fd);
		count(FORKS);
		break;
	case 1:
		args.offset = kit_random(&w->seed) % (records + 1) * RECORD_BYTES;
		args.old_bytes = kit_random(&w->seed) % 100 * RECORD_BYTES;
		/* ERANGE where somebody made it shorter. */
		if (ioctl(w->agent, AGENTMEM_IOC_EDIT, &args) < 0)
			CHECK(expected() || errno == ERANGE);
		count(EDITS);
		break;
	default:
		if (ioctl(w->agent, AGENTMEM_IOC_APPEND, &args) < 0)
			CHECK(expected());
		count(APPENDS);
	}
}

/* What is wrong, as far as one line takes it. */
static void tell(const char *what, const struct agentmem_abi_unit_line *unit, const char *from)
{
	struct head head;

	memcpy(&head, from, sizeof(head));
	kit_failed++;
	printf("# %s: unit %llu of kind %u and %llu bytes begins with magic %llx, seed %llu, bytes %u\n", what, unit->unit, unit->kind, unit->bytes, (unsigned long long)head.magic, (unsigned long long)head.seed, head.bytes);
	fflush(stdout);
}

/* What somebody edits between two blocks of one read is torn, once; never again and again. */
#define TORN_MOST 50

static void read_unit(struct worker *w, const struct agentmem_abi_unit_line *unit)
{
	bool talk = unit->kind == AGENTMEM_ABI_CONVERSATION;
	uint64_t offset = talk ? kit_random(&w->seed) % (unit->bytes / RECORD_BYTES + 1) * RECORD_BYTES : 0;
	size_t wanted = talk ? 40 * RECORD_BYTES : FLAT_MOST / RECORD_BYTES * RECORD_BYTES;
	bool good = false;

	for (int i = 0; i < TORN_MOST && !good; i++) {
		ssize_t got = kit_read(w->agent, unit->unit, offset, w->back, wanted);

		if (got < 0) {
			CHECK(expected());
			return;
		}
		good = whole_records(w->back, (size_t)got) || (!talk && whole(w->back, (uint32_t)got));
		if (!talk) {
			good = good && (uint64_t)got == (unit->bytes < wanted ? unit->bytes : wanted);
			break;
		}
	}
	if (!good)
		tell("read", unit, w->back);
	count(READS);
}

static void share(struct worker *w, uint64_t unit)
{
	struct agentmem_abi_agent_line lines[16];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)lines, .most = 16, .line_bytes = sizeof(lines[0]));

	GIVES(0, ioctl(w->agent, AGENTMEM_IOC_LIST_AGENTS, &args));
	if (!args.count)
		return;
	if (ioctl(w->agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = lines[kit_random(&w->seed) % args.count].agent, .fd = -1)) < 0)
		CHECK(expected());
	count(SHARES);
}

/* Another process acts for the same agent for a moment. */
static void second(struct worker *w)
{
	struct agentmem_abi_agent_stat stat = SIZED(agent_stat);
	struct agentmem_abi_register args = SIZED(register);
	pid_t child;

	if (ioctl(w->agent, AGENTMEM_IOC_STAT_AGENT, &stat) < 0)
		return;
	memcpy(args.token, stat.token, sizeof(args.token));
	child = fork();
	if (child == 0) {
		int joined = kit_device();

		ioctl(joined, AGENTMEM_IOC_REGISTER, &args);
		fill(w->data, kit_random(&w->seed) % 500, RECORD_BYTES);
		kit_alloc(joined, AGENTMEM_ABI_OTHER, w->data, RECORD_BYTES);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void step(struct worker *w)
{
	struct agentmem_abi_unit_line lines[UNITS_MOST * 2];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)lines, .most = UNITS_MOST * 2, .line_bytes = sizeof(lines[0]));
	const struct agentmem_abi_unit_line *unit;
	int fd;

	GIVES(0, ioctl(w->agent, AGENTMEM_IOC_LIST_UNITS, &args));
	if (!args.count) {
		add_unit(w);
		return;
	}
	unit = &lines[kit_random(&w->seed) % args.count];
	if (args.count > UNITS_MOST || unit->bytes > TALK_MOST) {
		if (kit_free(w->agent, unit->unit) < 0)
			CHECK(expected());
		return;
	}
	switch (kit_random(&w->seed) % 16) {
	case 0: case 1: case 2:
		add_unit(w);
		break;
	case 3: case 4: case 5:
		read_unit(w, unit);
		break;
	case 6: case 7:
		fd = kit_open(w->agent, unit->unit);
		if (fd >= 0)
			look_at(w, fd);
		else
			CHECK(expected() || errno == EINVAL);
		break;
	case 8: case 9:
		if (unit->kind == AGENTMEM_ABI_CONVERSATION)
			change(w, unit);
		break;
	case 10:
		share(w, unit->unit);
		break;
	case 11:
		fd = take(w->mail_in);
		if (fd >= 0)
			look_at(w, fd);
		break;
	case 12:
		kit_state(w->agent, AGENTMEM_ABI_SUSPENDED);
		if (kit_random(&w->seed) % 2)
			kit_state(w->agent, AGENTMEM_ABI_ACTIVE);
		count(SUSPENDS);
		break;
	case 13:
		ioctl(w->agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = unit->unit));
		ioctl(w->agent, AGENTMEM_IOC_STAT_UNIT, &SIZED(unit_stat, .unit = unit->unit));
		ioctl(w->agent, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = kit_random(&w->seed) % 101));
		break;
	case 14:
		if (kit_free(w->agent, unit->unit) < 0)
			CHECK(expected());
		break;
	default:
		if (kit_random(&w->seed) % 8 == 0)
			second(w);
	}
}

static void *run_worker(void *context)
{
	struct worker *w = context;

	w->data = malloc(FLAT_MOST);
	w->back = malloc(FLAT_MOST);
	while (!kit_failed)
		step(w);
	return NULL;
}

/* Two threads with one descriptor, until killed: what ends by itself has found something. */
static pid_t start(int slot, uint64_t seed, const int mail[2], int device)
{
	pid_t child = fork();
	struct worker workers[2];
	pthread_t thread;

	if (child)
		return child;
	kit_failed = 0;
	close(device);
	if (slot % 2)
		CHECK(torture_put("/cgroup/race/cgroup.procs", "0"));
	if (slot >= WORKERS - 2 && (setgid(1000) < 0 || setuid(1000) < 0))
		_exit(3);
	workers[0] = (struct worker){ .agent = kit_agent(""), .mail_in = mail[1], .mail_out = mail[0], .seed = seed };
	workers[1] = workers[0];
	workers[1].seed = seed ^ 0x5555;
	pthread_create(&thread, NULL, run_worker, &workers[1]);
	run_worker(&workers[0]);
	fflush(stdout);
	_exit(1);
}

/* A file without a name, in memory here, or a device of such a one, in turns. */
#define BACKING_BYTES (24u << 20)

static void give_backing(int device)
{
	static unsigned given;
	int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), fd = file;

	CHECK(file >= 0 && ftruncate(file, BACKING_BYTES) == 0);
	if (given++ % 2 == 1) {
		fd = kit_loop(file, O_DIRECT);
		close(file);
	}
	GIVES(0, ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_GIVE, .fd = fd, .most_bytes = BACKING_BYTES)));
	close(fd);
}

/* Taken away under them, and given anew; where it is in use, or memory is short, it stays. */
static void change_backing(int device)
{
	if (ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_TAKE)) < 0)
		CHECK(errno == EBUSY || errno == ENOSPC);
	else
		give_backing(device);
	count(BACKINGS);
}

/* What the machine does to them meanwhile. */
static void disturb(int device, uint64_t *seed)
{
	char text[4096];
	int fd;

	switch (kit_random(seed) % 7) {
	case 6:
		change_backing(device);
		break;
	case 0:
		CHECK(torture_put("/proc/sys/vm/drop_caches", "2"));
		break;
	case 1:
		GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = kit_random(seed) % 3)));
		break;
	case 2:
		GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 1 + kit_random(seed) % 400, .cold_after_ms = 1 + kit_random(seed) % 1000, .hot_most_bytes = (1 + kit_random(seed) % 16) << 20, .warm_most_bytes = (1 + kit_random(seed) % 8) << 20)));
		break;
	case 3:
		fd = open("/proc/agent_stats", O_RDONLY);
		CHECK(fd >= 0);
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
		break;
	case 4:
		CHECK(syscall(SYS_delete_module, "agentmem", O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
		break;
	default:
		kit_all(device);
	}
}

static void end_worker(pid_t worker)
{
	int status = 0;

	kill(worker, SIGKILL);
	CHECK(waitpid(worker, &status, 0) == worker);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
		kit_failed++;
		printf("# a worker ended by itself: status %x\n", (unsigned)status);
	}
	count(KILLS);
}

void torture_race(unsigned seconds, uint64_t seed)
{
	int device = kit_device(), mail[2], fd;
	time_t begun = time(NULL), told = begun;
	pid_t workers[WORKERS];

	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, mail) == 0);
	CHECK(mkdir("/cgroup/race", 0755) == 0 && torture_put("/cgroup/race/memory.high", GROUP_HIGH));
	torture_settings(50, 8 << 20, 128 << 20);
	/* Calls at random before may have given one. */
	ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_TAKE));
	give_backing(device);
	for (int i = 0; i < WORKERS; i++)
		workers[i] = start(i, kit_random(&seed), mail, device);
	while (time(NULL) - begun < (time_t)seconds && !kit_failed) {
		int slot = (int)(kit_random(&seed) % WORKERS);

		usleep(50000 + kit_random(&seed) % 300000);
		disturb(device, &seed);
		if (kit_random(&seed) % 3 == 0) {
			end_worker(workers[slot]);
			workers[slot] = start(slot, kit_random(&seed), mail, device);
		}
		if (time(NULL) - told >= 60) {
			struct agentmem_abi_all_stat all = kit_all(device);

			told = time(NULL);
			printf("# %ld s: %llu units, %llu contents, %llu hot, %llu warm, %llu cold\n", (long)(told - begun), all.units, all.contents, all.hot_bytes, all.warm_bytes, all.cold_bytes);
			fflush(stdout);
		}
	}
	for (int i = 0; i < WORKERS; i++)
		end_worker(workers[i]);
	close(mail[0]);
	while ((fd = take(mail[1])) >= 0)
		close(fd);
	close(mail[1]);
	torture_nothing_left("after the race");
	GIVES(0, ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_TAKE)));
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_after_ms = 1u << 30, .warm_most_bytes = 1ull << 40)));
	close(device);
	printf("# race:");
	for (int i = 0; i < COUNTS; i++) {
		printf(" %s %llu%s", names[i], (unsigned long long)counts[i], i == COUNTS - 1 ? "\n" : ",");
		/* A race in which something never took place shows nothing of it. */
		CHECK(counts[i] > 0);
	}
	torture_settings(300000, 1ull << 40, 64ull << 30);
	for (int i = 0; i < 100 && rmdir("/cgroup/race") < 0; i++)
		usleep(20000);
}
