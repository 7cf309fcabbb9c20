// SPDX-License-Identifier: GPL-2.0
/* What the kernel takes back when it asks for memory, and who pays. */
#include "kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

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
	put("/proc/sys/vm/drop_caches", "2");
	CHECK(kit_all(agent).hot_bytes >= bytes - (1 << 20));
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
	CHECK(kit_all(agent).hot_bytes == bytes && kit_all(agent).warm_bytes > 0);
	for (int i = 0; i < 50 && kit_all(agent).hot_bytes > 0; i++)
		put("/proc/sys/vm/drop_caches", "2");
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
	put("/cgroup/test/cgroup.procs", "0");
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

void test_cgroup(void)
{
	CHECK(mkdir("/cgroup/test", 0755) == 0);
	put("/cgroup/test/memory.max", "67108864");
	CHECK(kit_as(0, in_group, NULL));
	for (int i = 0; i < 100 && rmdir("/cgroup/test") < 0; i++)
		usleep(20000);
}
