// SPDX-License-Identifier: GPL-2.0
/* Statistics, other users, callers who mean harm, and many at once. */
#include "kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void look_at_stats(void *context)
{
	char text[8192];
	struct agentmem_abi_all_stat stat;
	int device = kit_device();

	(void)context;
	kit_stats(text, sizeof(text));
	CHECK(strstr(text, "rooted") == NULL && strstr(text, "total agents 0 units 0 ") != NULL);
	stat = kit_all(device);
	CHECK(stat.agents == 0 && stat.bytes == 0 && stat.contents == 0 && stat.own_bytes == 0);
	GIVES(EPERM, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = 2)));
	GIVES(EPERM, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 1)));
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings)));
	close(device);
}

void test_stats(void)
{
	struct agentmem_abi_register args = SIZED(register, .name = "rooted agent\n", .domain = "a b");
	char text[8192], *line;
	int agent = kit_device();
	unsigned number, pid, uid, importance;
	char state[20], name[100], domain[100];
	unsigned long long units, bytes, shared, hot, warm, idle, cold = 1;

	GIVES(0, ioctl(agent, AGENTMEM_IOC_REGISTER, &args));
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, "0123456789", 10) != 0);
	CHECK(kit_stats(text, sizeof(text)) > 0);
	line = strchr(text, '\n');
	CHECK(line != NULL && sscanf(line, "%u %u %u %19s %u %llu %llu %llu %llu %llu %llu %99s %99s %llu", &number, &pid, &uid, state, &importance, &units, &bytes, &shared, &hot, &warm, &idle, name, domain, &cold) == 14);
	CHECK(number == args.agent && pid == (unsigned)getpid() && uid == 0 && strcmp(state, "active") == 0 && importance == 50);
	CHECK(units == 1 && bytes == 10 && shared == 0 && hot == 10 && warm == 0 && cold == 0);
	/* A name is one word, whatever is in it. */
	CHECK(strcmp(name, "rooted\\040agent\\012") == 0 && strcmp(domain, "a\\040b") == 0);
	CHECK(strstr(text, "total agents 1 units 1 bytes 10 contents 1 content_bytes 10 hot_bytes 4096 warm_bytes 0 cold_bytes 0") != NULL);
	CHECK(kit_as(1000, look_at_stats, NULL));
	close(agent);
}

/* A descriptor that is no agent sees what its user's agents hold, but no digests. */
static void look_only(uint64_t agent)
{
	static const uint8_t none[8];
	struct agentmem_abi_unit_line units[8];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)units, .most = 8, .line_bytes = sizeof(units[0]), .agent = agent);
	int device = kit_device();

	GIVES(0, ioctl(device, AGENTMEM_IOC_LIST_UNITS, &args));
	CHECK(args.count == 5 && units[4].bytes == 2 && units[0].agent == agent && memcmp(units[0].digest, none, sizeof(none)) == 0);
	args.agent = 0;
	GIVES(ENOENT, ioctl(device, AGENTMEM_IOC_LIST_UNITS, &args));
	close(device);
}

void test_list(void)
{
	struct agentmem_abi_unit_line units[8];
	struct agentmem_abi_agent_line agents[4];
	struct agentmem_abi_list args;
	int one = kit_agent(""), two = kit_agent("");
	uint64_t numbers[5];

	for (int i = 0; i < 5; i++)
		numbers[i] = kit_alloc(one, AGENTMEM_ABI_OTHER, &"abcdefgh"[i], 2);
	args = SIZED(list, .lines = (uintptr_t)units, .most = 3, .line_bytes = sizeof(units[0]));
	GIVES(0, ioctl(one, AGENTMEM_IOC_LIST_UNITS, &args));
	CHECK(args.count == 3 && units[0].unit == numbers[0] && units[2].unit == numbers[2] && units[1].bytes == 2);
	args.after = units[2].unit;
	args.most = 8;
	GIVES(0, ioctl(one, AGENTMEM_IOC_LIST_UNITS, &args));
	CHECK(args.count == 2 && units[1].unit == numbers[4] && units[1].sharers == 1);
	args.after = UINT64_MAX;
	GIVES(0, ioctl(one, AGENTMEM_IOC_LIST_UNITS, &args));
	CHECK(args.count == 0);
	args = SIZED(list, .lines = (uintptr_t)agents, .most = 4, .line_bytes = sizeof(agents[0]));
	GIVES(0, ioctl(two, AGENTMEM_IOC_LIST_AGENTS, &args));
	CHECK(args.count == 2 && agents[0].units == 5 && agents[1].units == 0 && agents[1].pid == (unsigned)getpid());
	CHECK(strcmp(agents[0].name, "selftest") == 0);
	CHECK(agents[0].bytes == 10 && agents[0].hot_bytes == 10 && agents[0].warm_bytes == 0 && agents[0].cold_bytes == 0);
	/* As the first header had it. */
	memset(agents, 0xee, sizeof(agents));
	args.line_bytes = 184;
	GIVES(0, ioctl(two, AGENTMEM_IOC_LIST_AGENTS, &args));
	CHECK(args.count == 2 && args.line_bytes == sizeof(agents[0]) && agents[0].units == 5 && agents[2].agent == 0xeeeeeeeeeeeeeeee);
	look_only(agents[0].agent);
	args.line_bytes = 10;
	GIVES(EINVAL, ioctl(two, AGENTMEM_IOC_LIST_AGENTS, &args));
	args = SIZED(list, .lines = 4096, .most = 4, .line_bytes = sizeof(agents[0]));
	GIVES(EFAULT, ioctl(two, AGENTMEM_IOC_LIST_AGENTS, &args));
	args.most = UINT32_MAX;
	args.lines = UINT64_MAX - 100;
	GIVES(EFAULT, ioctl(two, AGENTMEM_IOC_LIST_AGENTS, &args));
	close(one);
	close(two);
}

/* Memory that is taken away, or changes, while it is handed in. */
static void *flip(void *context)
{
	volatile uint32_t *word = context;

	for (int i = 0; i < 2000000; i++)
		word[i % 1024] = (uint32_t)i;
	return NULL;
}

void test_hostile(void)
{
	size_t bytes = 1 << 20;
	char *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *map;
	char *back = malloc(bytes);
	int agent = kit_agent("");
	uint64_t unit;
	pthread_t thread;
	int fd;

	/* Whatever is stored is called by its digest: reading twice gives the same. */
	pthread_create(&thread, NULL, flip, data);
	for (int i = 0; i < 30; i++) {
		alloc_args args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)data, .bytes = 8192);
		alloc_args again;

		GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
		CHECK(kit_read(agent, args.unit, 0, back, 8192) == 8192);
		again = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)back, .bytes = 8192);
		GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &again));
		CHECK(again.unit == args.unit);
		GIVES(0, kit_free(agent, args.unit));
		GIVES(0, kit_free(agent, args.unit));
	}
	pthread_join(thread, NULL);
	/* A unit handed in from its own mapping, and read into it. */
	kit_text(13, data, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
	fd = kit_open(agent, unit);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, map, bytes) == unit);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_read(agent, unit, 0, map, bytes) < 0 && errno == EFAULT);
	CHECK(memcmp(map, data, bytes) == 0);
	unit = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, map, bytes);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, kit_append(agent, unit, map, bytes));
	CHECK(kit_read(agent, unit, bytes, back, bytes) == (ssize_t)bytes && memcmp(back, data, bytes) == 0);
	munmap(map, bytes);
	/* Numbers at the edge. */
	CHECK(kit_read(agent, UINT64_MAX, 0, back, 1) < 0 && errno == ENOENT);
	GIVES(ENOENT, kit_free(agent, 0));
	GIVES(ENOENT, kit_free(agent, UINT64_MAX));
	CHECK(kit_read(agent, unit, 0, (void *)-1L, SIZE_MAX) < 0 && errno == EFAULT);
	/* The answer has nowhere to go: no descriptor is left behind. */
	{
		alloc_args *args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int next = dup(0);

		close(next);
		*args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .flags = AGENTMEM_ABI_WANT_FD, .data = (uintptr_t)data, .bytes = 100);
		mprotect(args, 4096, PROT_READ);
		GIVES(EFAULT, ioctl(agent, AGENTMEM_IOC_ALLOC, args));
		CHECK(dup(0) == next);
		close(next);
		munmap(args, 4096);
	}
	close(fd);
	close(agent);
	munmap(data, bytes);
	free(back);
}

/* Any number with any bytes: nothing is expected of it but that the machine stays whole. */
static void random_calls(void *context)
{
	uint64_t seed = *(uint64_t *)context;
	uint32_t words[64];
	char data[4096];
	int agents[3] = { kit_agent(""), kit_agent(""), kit_agent("x") };
	static const uint32_t sizes[] = { 144, 176, 16, 16, 72, 56, 40, 56, 32, 16, 32, 48, 16, 120, 72, 80, 48, 48, 16, 56 };

	for (int i = 0; i < 20000; i++) {
		uint32_t number = kit_random(&seed) % 20;
		int agent = agents[kit_random(&seed) % 3];

		for (int w = 0; w < 64; w++) {
			uint32_t draw = kit_random(&seed);

			words[w] = draw % 4 ? draw / 4 % 8 : draw;
		}
		words[0] = kit_random(&seed) % 8 ? sizes[number] : kit_random(&seed) % 300;
		words[1] = kit_random(&seed) % 4;
		/* Half of the time the parts that must be right are. */
		if (number == 4 && kit_random(&seed) % 2)
			*(alloc_args *)words = SIZED(alloc, .flags = words[1] & 2, .kind = 1 + kit_random(&seed) % 5, .data = (uintptr_t)data, .bytes = kit_random(&seed) % 4096);
		if (number == 5 && kit_random(&seed) % 2)
			*(struct agentmem_abi_edit *)words = SIZED(edit, .unit = words[2] % 64, .data = (uintptr_t)data, .bytes = kit_random(&seed) % 4096);
		if (number == 2 && words[2] == AGENTMEM_ABI_GONE)
			words[2] = AGENTMEM_ABI_IDLE;
		if (number == 17 || number == 16 || number == 11)
			memset(words + 4, 0, 8);
		if (ioctl(agent, AGENTMEM_ABI_IOC(number), words) == 0 && (number == 4 || number == 6 || number == 10)) {
			int fd = number == 4 ? (int)words[3] : number == 6 ? (int)words[8] : (int)words[6];

			if (fd > 2)
				close(fd);
		}
		if (i % 64 == 0)
			kit_noise(seed, data, sizeof(data));
	}
	for (int i = 0; i < 3; i++)
		close(agents[i]);
}

void test_random(void)
{
	/* Not as root: pressure and settings stay what they are. */
	for (uint64_t seed = 1; seed <= 3; seed++) {
		uint64_t given = seed * 77;

		CHECK(kit_as(1000, random_calls, &given));
	}
}

void test_death(void)
{
	char text[100000];
	int device = kit_device();
	pid_t child = fork();

	if (child == 0) {
		int agent = kit_agent("");

		kit_text(14, text, sizeof(text));
		kit_alloc(agent, AGENTMEM_ABI_OTHER, text, sizeof(text));
		kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, text, sizeof(text));
		for (;;)
			pause();
	}
	for (int i = 0; i < 500 && kit_all(device).units != 2; i++)
		usleep(10000);
	CHECK(kit_all(device).units == 2 && kit_all(device).agents == 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	for (int i = 0; i < 500 && kit_all(device).agents != 0; i++)
		usleep(10000);
	CHECK(kit_all(device).agents == 0 && kit_all(device).contents == 0);
	close(device);
}

#define RACERS 6

/* Allocates, shares, maps, sends away and dies, all over the same few contents. */
static void race(void *context)
{
	uint64_t seed = *(uint64_t *)context;
	char *data = malloc(200000), *back = malloc(200000);
	time_t end = time(NULL) + 6;
	int agent = kit_agent("");

	while (time(NULL) < end) {
		uint64_t which = kit_random(&seed) % 6;
		size_t bytes = 1000 + which * 30000;
		uint64_t unit;
		int fd;
		char *map;

		kit_text(100 + which, data, bytes);
		unit = kit_alloc(agent, which % 2 ? AGENTMEM_ABI_OTHER : AGENTMEM_ABI_CONVERSATION, data, bytes);
		CHECK(unit != 0);
		CHECK(kit_read(agent, unit, 0, back, bytes) == (ssize_t)bytes && memcmp(data, back, bytes) == 0);
		switch (kit_random(&seed) % 6) {
		case 0:
			ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = 1 + kit_random(&seed) % 20, .fd = -1));
			break;
		case 1:
			GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
			GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
			break;
		case 2:
			ioctl(agent, AGENTMEM_IOC_FORK, &SIZED(fork, .unit = unit, .prefix_bytes = kit_random(&seed) % bytes));
			break;
		case 3:
			close(agent);
			agent = kit_agent("");
			continue;
		}
		fd = kit_open(agent, unit);
		CHECK(fd >= 0);
		map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (kit_random(&seed) % 2)
			GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
		CHECK(map != MAP_FAILED && memcmp(map, data, bytes) == 0);
		munmap(map, bytes);
		if (kit_random(&seed) % 2)
			GIVES(0, kit_free(agent, unit));
	}
	close(agent);
	free(data);
	free(back);
}

void test_race(void)
{
	int device = kit_device();
	pid_t racers[RACERS];

	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 50)));
	fflush(stdout);
	for (uint64_t i = 0; i < RACERS; i++) {
		racers[i] = fork();
		if (racers[i] == 0) {
			uint64_t seed = 1000 + i;

			kit_failed = 0;
			race(&seed);
			fflush(stdout);
			_exit(kit_failed ? 1 : 0);
		}
	}
	for (int i = 0; i < RACERS; i++) {
		int status = 0;

		waitpid(racers[i], &status, 0);
		CHECK(status == 0);
	}
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 300000)));
	close(device);
}

void test_unload(void)
{
	int agent = kit_agent("");
	uint64_t unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, "abc", 3);
	int fd = kit_open(agent, unit);
	char *map;

	CHECK(syscall(SYS_delete_module, "agentmem", O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	close(agent);
	CHECK(syscall(SYS_delete_module, "agentmem", O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	/* The mapping alone holds it. */
	CHECK(syscall(SYS_delete_module, "agentmem", O_NONBLOCK) < 0 && errno == EWOULDBLOCK);
	CHECK(memcmp(map, "abc", 4) == 0);
	munmap(map, 4096);
}
