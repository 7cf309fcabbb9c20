// SPDX-License-Identifier: GPL-2.0
/*
 * A program as it was built with the first header. It must go on working, with
 * every later module: each call once, nothing written behind its structs.
 */
#include "agentmem-v1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int failed;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			failed++; \
			printf("# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
		} \
	} while (0)

/* What stands behind a struct stays. */
#define BEHIND 64
struct place {
	uint8_t bytes[4096];
};

static int call(int fd, unsigned int number, void *args, size_t bytes)
{
	struct place place;
	int result;

	memset(&place, 0xa5, sizeof(place));
	memcpy(place.bytes, args, bytes);
	*(uint32_t *)place.bytes = (uint32_t)bytes;
	result = ioctl(fd, number, place.bytes);
	for (size_t i = 0; i < BEHIND; i++)
		CHECK(place.bytes[bytes + i] == 0xa5);
	memcpy(args, place.bytes, bytes);
	return result;
}

#define CALL(fd, number, args) call(fd, number, &(args), sizeof(args))

static void conversations(int fd, const char *text)
{
	struct agentmem_abi_alloc alloc = { .kind = AGENTMEM_ABI_CONVERSATION, .data = (uintptr_t)text, .bytes = 5 };
	struct agentmem_abi_edit edit = { 0 };
	struct agentmem_abi_fork fork = { .flags = AGENTMEM_ABI_WANT_FD, .prefix_bytes = 4 };
	char back[16] = "";

	CHECK(CALL(fd, AGENTMEM_IOC_ALLOC, alloc) == 0 && alloc.unit && alloc.bytes == 5);
	edit = (struct agentmem_abi_edit){ .unit = alloc.unit, .data = (uintptr_t)text + 5, .bytes = 4 };
	CHECK(CALL(fd, AGENTMEM_IOC_APPEND, edit) == 0 && edit.total_bytes == 9);
	edit = (struct agentmem_abi_edit){ .unit = alloc.unit, .offset = 1, .old_bytes = 2, .data = (uintptr_t)"XYZ", .bytes = 3 };
	CHECK(CALL(fd, AGENTMEM_IOC_EDIT, edit) == 0 && edit.total_bytes == 10);
	fork.unit = alloc.unit;
	CHECK(CALL(fd, AGENTMEM_IOC_FORK, fork) == 0 && fork.fork && fork.fd >= 0);
	CHECK(read(fork.fd, back, sizeof(back)) == 4 && memcmp(back, "0XYZ", 4) == 0);
	close(fork.fd);
}

static void lists(int fd, uint64_t unit)
{
	struct agentmem_abi_agent_line agents[2];
	struct agentmem_abi_unit_line units[4];
	struct agentmem_abi_list list = { .lines = (uintptr_t)agents, .most = 2, .line_bytes = sizeof(agents[0]) };

	CHECK(CALL(fd, AGENTMEM_IOC_LIST_AGENTS, list) == 0 && list.count == 1 && strcmp(agents[0].name, "first") == 0 && agents[0].units == 3);
	list = (struct agentmem_abi_list){ .lines = (uintptr_t)units, .most = 4, .line_bytes = sizeof(units[0]) };
	CHECK(CALL(fd, AGENTMEM_IOC_LIST_UNITS, list) == 0 && list.count == 3 && units[0].unit == unit && units[0].bytes == 10);
}

int main(void)
{
	static const char text[] = "0123456789";
	struct agentmem_abi_info info = { 0 };
	struct agentmem_abi_register reg = { .name = "first", .domain = "abi" };
	struct agentmem_abi_value value = { .value = AGENTMEM_ABI_IDLE };
	struct agentmem_abi_alloc alloc = { .kind = AGENTMEM_ABI_TOOL_RESULT, .data = (uintptr_t)text, .bytes = 10 };
	struct agentmem_abi_open open_args = { 0 };
	struct agentmem_abi_share share = { .fd = -1 };
	struct agentmem_abi_unit unit = { 0 };
	struct agentmem_abi_read get = { 0 };
	struct agentmem_abi_unit_stat stat = { 0 };
	struct agentmem_abi_agent_stat agent = { 0 };
	struct agentmem_abi_all_stat all = { 0 };
	struct agentmem_abi_settings settings = { 0 };
	char back[16] = "";
	int fd = open("/dev/agentmem", O_RDWR);

	CHECK(fd >= 0);
	CHECK(CALL(fd, AGENTMEM_IOC_INFO, info) == 0 && info.abi_version >= AGENTMEM_ABI_VERSION && info.page_bytes == 4096 && info.features & AGENTMEM_ABI_FEATURE_CONVERSATIONS);
	CHECK(CALL(fd, AGENTMEM_IOC_REGISTER, reg) == 0 && reg.agent && reg.importance == 50);
	CHECK(CALL(fd, AGENTMEM_IOC_STATE, value) == 0);
	value.value = 70;
	CHECK(CALL(fd, AGENTMEM_IOC_IMPORTANCE, value) == 0);
	CHECK(CALL(fd, AGENTMEM_IOC_ALLOC, alloc) == 0 && alloc.unit && alloc.fd == -1 && alloc.bytes == 10);
	conversations(fd, text);
	lists(fd, alloc.unit);
	open_args.unit = unit.unit = get.unit = stat.unit = alloc.unit;
	CHECK(CALL(fd, AGENTMEM_IOC_OPEN, open_args) == 0 && open_args.bytes == 10 && open_args.fd >= 0);
	share.fd = open_args.fd;
	CHECK(CALL(fd, AGENTMEM_IOC_SHARE, share) == 0 && share.unit == alloc.unit);
	CHECK(CALL(fd, AGENTMEM_IOC_MARK_HOT, unit) == 0);
	get.data = (uintptr_t)back;
	get.bytes = sizeof(back);
	CHECK(CALL(fd, AGENTMEM_IOC_READ, get) == 0 && get.bytes == 10 && get.total_bytes == 10 && memcmp(back, text, 10) == 0);
	CHECK(CALL(fd, AGENTMEM_IOC_STAT_UNIT, stat) == 0 && stat.bytes == 10 && stat.kind == AGENTMEM_ABI_TOOL_RESULT && stat.importance == 70 && stat.sharers == 1);
	CHECK(CALL(fd, AGENTMEM_IOC_STAT_AGENT, agent) == 0 && agent.agent == reg.agent && agent.units == 3 && memcmp(agent.token, reg.token, sizeof(reg.token)) == 0);
	CHECK(CALL(fd, AGENTMEM_IOC_STAT_ALL, all) == 0 && all.agents == 1 && all.units == 3);
	CHECK(CALL(fd, AGENTMEM_IOC_SETTINGS, settings) == 0 && settings.warm_after_ms > 0);
	value.value = AGENTMEM_ABI_PRESSURE_NONE;
	CHECK(CALL(fd, AGENTMEM_IOC_PRESSURE, value) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(CALL(fd, AGENTMEM_IOC_FREE, unit) == 0);
	CHECK(CALL(fd, AGENTMEM_IOC_FREE, unit) < 0 && errno == ENOENT);
	close(open_args.fd);
	close(fd);
	printf("%s a program of the first header\n", failed ? "not ok" : "ok");
	return failed ? 1 : 0;
}
