// SPDX-License-Identifier: GPL-2.0
/* A node with memory and without CPUs: what is read seldom goes there, by importance, and comes back. */
#include "kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t bytes_afar(void)
{
	char text[8192];

	kit_stats(text, sizeof(text));
	return kit_figure(text, " far_bytes ");
}

static bool soon(uint64_t bytes)
{
	/* A limit for what hangs: an emulated machine on a busy host takes minutes for seconds. */
	for (int i = 0; i < 4500 && bytes_afar() != bytes; i++)
		usleep(20000);
	return bytes_afar() == bytes;
}

void test_far(void)
{
	size_t bytes = 1 << 20;
	char *data = malloc(bytes), *back = malloc(bytes), *map;
	int low = kit_agent(""), high = kit_agent(""), fd;
	uint64_t unit, other;

	CHECK(bytes_afar() == 0);
	/* The machine of this test has such a node where its kernel knows nodes. */
	if (access("/sys/devices/system/node/node1", F_OK) < 0) {
		printf("# no second node\n");
		close(low);
		close(high);
		return;
	}
	GIVES(0, ioctl(low, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = 0)));
	GIVES(0, ioctl(high, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = 100)));
	kit_text(95, data, bytes);
	unit = kit_alloc(low, AGENTMEM_ABI_OTHER, data, bytes);
	fd = kit_open(low, unit);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, data, bytes) == 0);
	other = kit_alloc(high, AGENTMEM_ABI_OTHER, data + 1, bytes - 1);
	/* What is marked hot stays near. */
	GIVES(0, ioctl(high, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = other)));
	GIVES(0, ioctl(low, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 16000)));
	CHECK(soon(bytes) && kit_stat(low, unit).tier == AGENTMEM_ABI_HOT);
	CHECK(memcmp(map, data, bytes) == 0);
	CHECK(kit_read(low, unit, 0, back, bytes) == (ssize_t)bytes && memcmp(back, data, bytes) == 0);
	GIVES(0, ioctl(low, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 300000)));
	CHECK(soon(0));
	CHECK(memcmp(map, data, bytes) == 0);
	GIVES(0, ioctl(low, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 16000)));
	CHECK(soon(bytes));
	/* It goes as it came. */
	GIVES(0, kit_state(low, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_stat(low, unit).tier == AGENTMEM_ABI_WARM && bytes_afar() == 0);
	CHECK(kit_read(high, other, 0, back, bytes) == (ssize_t)bytes - 1 && memcmp(back, data + 1, bytes - 1) == 0);
	GIVES(0, ioctl(low, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = 300000)));
	munmap(map, bytes);
	close(fd);
	close(low);
	close(high);
	CHECK(soon(0));
	free(data);
	free(back);
}
