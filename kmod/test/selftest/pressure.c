// SPDX-License-Identifier: GPL-2.0
/* What the kernel takes back when it asks for memory, and who pays. */
#include "kit.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long long figure(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoll(text);
}

/* Pages of which there is a compressed copy go when the kernel's shrinkers are called. */
void test_shrink(void)
{
	size_t bytes = 20 << 20;
	char *data = malloc(bytes), *back = malloc(bytes);
	int agent = kit_agent("");
	uint64_t unit;

	kit_text(30, data, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
	/* Nothing compressed yet: nothing goes. */
	kit_put("/proc/sys/vm/drop_caches", "2");
	CHECK(kit_all(agent).hot_bytes >= bytes - (1 << 20));
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
	CHECK(kit_all(agent).hot_bytes == bytes && kit_all(agent).warm_bytes > 0);
	for (int i = 0; i < 50 && kit_all(agent).hot_bytes > 0; i++)
		kit_put("/proc/sys/vm/drop_caches", "2");
	CHECK(kit_all(agent).hot_bytes == 0 && kit_stat(agent, unit).tier == AGENTMEM_ABI_WARM);
	CHECK(kit_read(agent, unit, 0, back, bytes) == (ssize_t)bytes && memcmp(back, data, bytes) == 0);
	close(agent);
	free(data);
	free(back);
}

/* In a group of 64 MiB. */
static void in_group(void *context)
{
	size_t bytes = 20 << 20;
	uint64_t unit = 0;
	long long plain, packed;
	char *data;
	int agent;

	(void)context;
	kit_put("/cgroup/test/cgroup.procs", "0");
	/* Not before: a huge page may come with its first byte. */
	data = malloc(bytes);
	agent = kit_agent("");
	kit_text(32, data, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
	CHECK(unit != 0);
	plain = figure("/cgroup/test/memory.current");
	CHECK(plain >= 40 << 20);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	packed = figure("/cgroup/test/memory.current");
	printf("# %lld bytes charged, %lld when compressed\n", plain, packed);
	/* Both are the group's: what is compressed has not left it either. */
	CHECK(packed < plain - (12 << 20) && packed > (22 << 20));
	GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
	/* More than it has room for is refused; nobody is killed for it. */
	for (int i = 0; i < 6; i++) {
		kit_noise(33 + (uint64_t)i, data, bytes);
		unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
		if (!unit)
			break;
	}
	CHECK(unit == 0 && errno == ENOMEM);
	close(agent);
	free(data);
}

/* More units than there is room for as they are: what was read longest ago is compressed for it, and nobody is refused. */
static void makes_room(void *context)
{
	size_t bytes = 16 << 20;
	char *data = NULL, *back = NULL, *room;
	int agent;
	uint64_t unit[6];

	(void)context;
	/* What is freed is given back at once. */
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	data = malloc(bytes);
	back = malloc(1 << 20);
	kit_put("/cgroup/test/cgroup.procs", "0");
	agent = kit_agent("");
	for (uint64_t i = 0; i < 6; i++) {
		kit_text(70 + i, data, bytes);
		unit[i] = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
		CHECK(unit[i] != 0);
		usleep(600000);
	}
	CHECK(kit_stat(agent, unit[0]).warm_bytes > 0);
	printf("# %llu bytes hot, %llu compressed in a group of 64 MiB\n", (unsigned long long)kit_all(agent).hot_bytes, (unsigned long long)kit_all(agent).warm_bytes);
	for (uint64_t i = 0; i < 6; i++) {
		kit_text(70 + i, data, bytes);
		CHECK(kit_read(agent, unit[i], 8 << 20, back, 1 << 20) == 1 << 20 && memcmp(back, data + (8 << 20), 1 << 20) == 0);
	}
	for (int i = 2; i < 6; i++)
		GIVES(0, kit_free(agent, unit[i]));
	free(data);
	for (int i = 0; i < 2; i++)
		GIVES(0, ioctl(agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = unit[i])));
	for (int i = 0; i < 2; i++) {
		GIVES(0, kit_free(agent, unit[i]));
		data = malloc(bytes);
		kit_text(80 + (uint64_t)i, data, bytes);
		unit[i] = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
		CHECK(unit[i] != 0);
		free(data);
	}
	/* Its programs' own memory: given back before somebody is killed. */
	usleep(600000);
	room = malloc(40 << 20);
	memset(room, 1, 40 << 20);
	CHECK(kit_all(agent).hot_bytes < 24 << 20);
	free(room);
	close(agent);
	free(back);
}

void test_cgroup(void)
{
	char text[256] = "";
	int fd;

	CHECK(mkdir("/cgroup/test", 0755) == 0);
	kit_put("/cgroup/test/memory.max", "67108864");
	CHECK(kit_as(0, in_group, NULL));
	CHECK(kit_as(0, makes_room, NULL));
	fd = open("/cgroup/test/memory.events", O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "oom_kill 0") != NULL);
	close(fd);
	for (int i = 0; i < 100 && rmdir("/cgroup/test") < 0; i++)
		usleep(20000);
}
