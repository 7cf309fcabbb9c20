// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that allocate, share, map, send away, grow, fork, edit and hand
 * descriptors on, all over the same units, and die at any moment. Every byte
 * that is read tells what it must be.
 */
#include "race.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 6
/* The group that half of them are in feels this as shortage. */
#define GROUP_HIGH "50331648"

static const char *const names[COUNTS] = { "allocated", "read", "mapped", "appended", "edited", "forked", "shared", "passed on", "suspended", "frozen", "backing changed", "killed" };
static uint64_t *counts;

void count(int what)
{
	__atomic_fetch_add(&counts[what], 1, __ATOMIC_RELAXED);
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

/* Half of the workers stand still where they are, for less or longer than it takes the module to notice. */
static void freeze_some(int device, uint64_t *seed)
{
	CHECK(torture_put("/cgroup/race/cgroup.freeze", "1"));
	for (int i = 0; i < 3; i++) {
		GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_NONE)));
		usleep(kit_random(seed) % 60000);
	}
	CHECK(torture_put("/cgroup/race/cgroup.freeze", "0"));
	count(FREEZES);
}

/* What the machine does to them meanwhile. */
static void disturb(int device, uint64_t *seed)
{
	char text[4096];
	int fd;

	switch (kit_random(seed) % 8) {
	case 7:
		freeze_some(device, seed);
		break;
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
