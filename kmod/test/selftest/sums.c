// SPDX-License-Identifier: GPL-2.0
/* What /proc/agent_stats, STAT_ALL and the lists say is what was handed in, in whatever tier it is. */
#include "kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EACH 400000u
#define TALK 900000u

struct proc_sums {
	uint64_t agents, units, bytes, tiers;
};

/* Lines of agents summed up; each of them adds up in itself. */
static struct proc_sums sum_lines(const char *text)
{
	struct proc_sums sums = { 0 };

	for (const char *line = strchr(text, '\n'); line && line[1] >= '0' && line[1] <= '9'; line = strchr(line + 1, '\n')) {
		unsigned long long units, bytes, hot, warm, cold;

		CHECK(sscanf(line + 1, "%*u %*u %*u %*s %*u %llu %llu %*u %llu %llu %*u %*s %*s %llu", &units, &bytes, &hot, &warm, &cold) == 5);
		CHECK(hot + warm + cold == bytes);
		sums.agents++;
		sums.units += units;
		sums.bytes += bytes;
		sums.tiers += hot + warm + cold;
	}
	return sums;
}

/* Of all units of an agent's, its share of what is stored. */
static uint64_t stored(int agent)
{
	struct agentmem_abi_unit_line lines[16];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)lines, .most = 16, .line_bytes = sizeof(lines[0]));
	uint64_t bytes = 0;

	GIVES(0, ioctl(agent, AGENTMEM_IOC_LIST_UNITS, &args));
	for (uint32_t i = 0; i < args.count; i++)
		bytes += lines[i].stored_bytes;
	return bytes;
}

static void adds_up(int one, int two, uint64_t content_bytes)
{
	static char text[16384];
	struct agentmem_abi_all_stat all = kit_all(one);
	size_t got = kit_stats(text, sizeof(text));
	struct proc_sums sums;
	const char *total;
	uint64_t shares = stored(one) + stored(two), kept = all.hot_bytes + all.warm_bytes + all.cold_bytes;

	CHECK(got > 0);
	sums = sum_lines(text);
	total = strstr(text, "total agents ");
	CHECK(total != NULL);
	CHECK(sums.agents == 2 && sums.units == 7 && sums.bytes == 3 * EACH + 3 * TALK + EACH && sums.tiers == sums.bytes);
	CHECK(kit_figure(total, "total agents ") == 2 && kit_figure(total, " units ") == sums.units && kit_figure(total, " contents ") == all.contents);
	CHECK(kit_figure(total, " content_bytes ") == all.content_bytes && kit_figure(total, " cold_bytes ") == all.cold_bytes);
	CHECK(kit_figure(total, " hot_bytes ") == all.hot_bytes && kit_figure(total, " warm_bytes ") == all.warm_bytes);
	CHECK(all.units == sums.units && all.bytes == sums.bytes);
	/* Each content once; tails, less than a block each, are nobody's content. */
	CHECK(all.content_bytes <= content_bytes && all.content_bytes + 131072 > content_bytes);
	/* Shares of all who hold it are the whole, but for tails and what division leaves. */
	CHECK(shares + 4096 >= kept && shares <= kept + 3 * 131072);
	CHECK(kit_stat(one, 1).bytes == kit_stat(one, 1).hot_bytes + kit_stat(one, 1).warm_bytes + kit_stat(one, 1).cold_bytes);
}

/* The end of the line of totals: what is said of the backing file. */
static bool backing_is(const char *words)
{
	static char text[16384];
	const char *at;

	kit_stats(text, sizeof(text));
	at = strstr(text, " backing ");
	return at && strncmp(at + 9, words, strlen(words)) == 0;
}

/* That it is there is for everybody, how much is on it is not. */
static void look_at_backing(void *context)
{
	(void)context;
	CHECK(backing_is("in-use backing_bytes 67108864 backing_used_bytes 0\n"));
}

void test_sums(void)
{
	char *data = malloc(EACH + TALK);
	int one = kit_agent("sums"), two = kit_agent("sums"), fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	struct agentmem_abi_fork fork = SIZED(fork, .prefix_bytes = UINT64_MAX);
	uint64_t once = 3 * EACH + TALK;

	/* One of its own, one of both, one of the other; a conversation, its fork, and both have the first. */
	kit_text(90, data, EACH + TALK);
	CHECK(kit_alloc(one, AGENTMEM_ABI_OTHER, data, EACH) == 1);
	CHECK(kit_alloc(one, AGENTMEM_ABI_SYSTEM_PROMPT, data + 1, EACH) && kit_alloc(two, AGENTMEM_ABI_SYSTEM_PROMPT, data + 1, EACH));
	CHECK(kit_alloc(two, AGENTMEM_ABI_TOOL_RESULT, data + 2, EACH));
	fork.unit = kit_alloc(one, AGENTMEM_ABI_CONVERSATION, data + EACH, TALK);
	GIVES(0, ioctl(one, AGENTMEM_IOC_FORK, &fork));
	GIVES(0, ioctl(one, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = fork.unit, .agent = kit_number(two), .fd = -1)));
	adds_up(one, two, once);
	GIVES(0, kit_state(one, AGENTMEM_ABI_SUSPENDED));
	adds_up(one, two, once);
	GIVES(0, kit_state(two, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_all(one).warm_bytes > 0);
	adds_up(one, two, once);
	CHECK(backing_is("none backing_bytes 0 backing_used_bytes 0\n"));
	/* On the backing file. */
	GIVES(0, ioctl(one, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_GIVE, .fd = fd, .most_bytes = 64 << 20)));
	GIVES(0, ioctl(one, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_HARD)));
	for (int i = 0; i < 500 && kit_all(one).warm_bytes; i++)
		usleep(20000);
	CHECK(kit_all(one).warm_bytes == 0 && kit_all(one).cold_bytes > 0);
	adds_up(one, two, once);
	CHECK(backing_is("in-use backing_bytes 67108864 backing_used_bytes ") && !backing_is("in-use backing_bytes 67108864 backing_used_bytes 0"));
	CHECK(kit_as(1000, look_at_backing, NULL));
	GIVES(0, ioctl(one, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_NONE)));
	GIVES(0, kit_state(two, AGENTMEM_ABI_ACTIVE));
	adds_up(one, two, once);
	GIVES(0, ioctl(one, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_TAKE)));
	adds_up(one, two, once);
	close(fd);
	close(one);
	close(two);
	free(data);
}
