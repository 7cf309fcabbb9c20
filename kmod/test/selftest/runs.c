// SPDX-License-Identifier: GPL-2.0
/* Conversations of who sleeps: blocks compressed together, and the tail with them. */
#include "kit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES 3000000u

static bool holds(int agent, uint64_t unit, const char *text, size_t bytes)
{
	char *room = malloc(bytes + 1);
	bool same = kit_read(agent, unit, 0, room, bytes + 1) == (ssize_t)bytes && memcmp(room, text, bytes) == 0;

	free(room);
	return same;
}

/* From behind, so that each piece is of another run than the one that was unpacked last. */
static bool holds_backwards(int agent, uint64_t unit, const char *text, size_t bytes)
{
	char room[1000];

	for (size_t at = bytes; at > 0;) {
		size_t piece = at < 70000 ? at : 70000, some = piece < sizeof(room) ? piece : sizeof(room);

		at -= piece;
		if (kit_read(agent, unit, at, room, some) != (ssize_t)some || memcmp(room, text + at, some) != 0)
			return false;
	}
	return true;
}

static uint64_t fork_of(int agent, uint64_t unit, uint64_t bytes)
{
	struct agentmem_abi_fork args = SIZED(fork, .unit = unit, .prefix_bytes = bytes);

	GIVES(0, ioctl(agent, AGENTMEM_IOC_FORK, &args));
	return args.fork;
}

void test_runs(void)
{
	struct agentmem_abi_edit edit;
	struct agentmem_abi_unit_stat stat;
	int one = kit_agent(""), two = kit_agent("");
	char *text = malloc(BYTES + 100), *mapped;
	uint64_t talk, fork, other;
	int fd;

	/* In two halves with noise between them. */
	kit_text(31, text, BYTES);
	kit_noise(32, text + 1000000, 400000);
	talk = kit_alloc(one, AGENTMEM_ABI_CONVERSATION, text, BYTES);
	fork = fork_of(one, talk, 2500000);
	GIVES(0, ioctl(one, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = fork, .agent = kit_number(two), .fd = -1)));
	other = kit_alloc(two, AGENTMEM_ABI_CONVERSATION, text, 600000);
	/* What somebody awake holds too stays: all blocks of the fork. */
	GIVES(0, kit_state(one, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_stat(two, fork).warm_bytes == 0);
	stat = kit_stat(one, talk);
	CHECK(stat.warm_bytes > 0 && stat.bytes == BYTES && stat.hot_bytes + stat.warm_bytes == BYTES);
	GIVES(0, kit_state(two, AGENTMEM_ABI_SUSPENDED));
	stat = kit_stat(two, fork);
	CHECK(stat.hot_bytes < 600000 && stat.hot_bytes + stat.warm_bytes == 2500000);
	/* But for a tail that is less than the least block. */
	CHECK(kit_stat(two, other).hot_bytes < 8192);
	printf("# run of %u bytes in %llu, 400000 of them noise\n", BYTES, (unsigned long long)kit_all(one).warm_bytes);
	CHECK(holds_backwards(one, talk, text, BYTES) && holds_backwards(two, fork, text, 2500000));
	CHECK(holds(one, talk, text, BYTES) && holds(two, fork, text, 2500000) && holds(two, other, text, 600000));
	/* Again, with what is compressed already; by a mapping, by an edit in the middle, by what comes behind. */
	GIVES(0, kit_state(two, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, kit_state(one, AGENTMEM_ABI_SUSPENDED));
	fd = kit_open(one, talk);
	mapped = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(mapped != MAP_FAILED && memcmp(mapped, text, BYTES) == 0);
	munmap(mapped, BYTES);
	close(fd);
	GIVES(0, kit_free(one, talk));
	edit = SIZED(edit, .unit = fork, .offset = 700000, .old_bytes = 5, .data = (uintptr_t) "instead", .bytes = 7);
	GIVES(0, ioctl(two, AGENTMEM_IOC_EDIT, &edit));
	GIVES(0, kit_append(one, fork, "end", 3));
	memmove(text + 700007, text + 700005, 1799995);
	memcpy(text + 700000, "instead", 7);
	memcpy(text + 2500002, "end", 3);
	CHECK(holds(two, fork, text, 2500005));
	GIVES(0, kit_state(two, AGENTMEM_ABI_ACTIVE));
	GIVES(0, kit_free(one, fork));
	CHECK(holds(two, fork, text, 2500005));
	close(one);
	close(two);
	free(text);
}
