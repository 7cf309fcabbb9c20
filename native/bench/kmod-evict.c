/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent works while others come, read what they need, and wait: what of its
 * own has it to bring back at its next step? In a cgroup with a limit, once as
 * units, once as ordinary memory with swap behind it, where the kernel's own
 * LRU chooses. Both do the same things in the same order.
 */
#include "kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "kmod-disk.h"

#define MIB ((size_t)1 << 20)
#define CGROUP "/cgroup/evict"
#define LIMIT "67108864"
/* Of the limit for what is plain: the rest is for what is compressed, which is charged to the same cgroup. */
#define HOT_MOST (26 * MIB)
#define OWN_UNITS 4u
#define UNIT_BYTES (4 * MIB - 4096)
#define OTHERS 12u
#define OTHER_BYTES (6 * MIB)
#define STEPS 4u

struct memory {
	agentmem_t *am;
	agentmem_unit_t units[OWN_UNITS];
	const char *data[OWN_UNITS];
	size_t count, bytes;
};

static bool as_units;

/* Text of its own: no two agents have the same. */
static void fill(const char *disk, unsigned number, char *to, size_t bytes)
{
	kmod_disk(disk, DISK_TALKS_AT + (uint64_t)number * MIB, to, bytes);
	for (size_t at = 0; at < bytes; at += PAGE)
		snprintf(to + at, 24, "%u of %zu", number, at);
}

static void take(struct memory *memory, const char *name, const char *disk, unsigned number, size_t count, size_t bytes)
{
	static char *room;
	size_t mapped;

	if (room == NULL)
		room = kmod_room(OTHER_BYTES);
	*memory = (struct memory){ .count = count, .bytes = bytes };
	if (as_units)
		memory->am = kmod_open(name);
	for (size_t i = 0; i < count; i++) {
		fill(disk, number + (unsigned)(i * 4), room, bytes);
		if (as_units) {
			bench_must(agentmem_alloc(memory->am, AGENTMEM_TOOL_RESULT, room, bytes, &memory->units[i]), "unit");
			bench_must(agentmem_map(memory->am, memory->units[i], (const void **)&memory->data[i], &mapped), "map");
		} else {
			char *own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			if (own == MAP_FAILED)
				bench_fail("out of memory");
			memcpy(own, room, bytes);
			memory->data[i] = own;
		}
	}
	/* It would be a copy that no agent has. */
	munmap(room, OTHER_BYTES);
	room = NULL;
}

static void read_all(const struct memory *memory)
{
	volatile unsigned sum = 0;

	for (size_t i = 0; i < memory->count; i++)
		for (size_t at = 0; at < memory->bytes; at += PAGE)
			sum += (unsigned char)memory->data[i][at];
}

static uint64_t swapped(void)
{
	return bench_smaps(getpid(), "Swap");
}

/* Of what it is about to read: pages that are not there as such. */
static double away_pages(const struct memory *memory)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	double pages = 0;

	if (!as_units)
		return (double)swapped() / PAGE;
	for (size_t i = 0; i < memory->count; i++) {
		bench_must(agentmem_stat_unit(memory->am, memory->units[i], &stat), "stat");
		pages += (double)(stat.warm_bytes + stat.cold_bytes) / PAGE;
	}
	return pages;
}

/* An agent that comes, reads its context twice, and waits until it is told to go. */
static pid_t other(const char *disk, unsigned number)
{
	int ready[2];
	pid_t child;
	char byte;

	if (pipe(ready) != 0)
		bench_fail("no pipe");
	child = fork();
	if (child == 0) {
		struct memory memory;

		take(&memory, "other", disk, 16 + number * 7, 1, OTHER_BYTES);
		read_all(&memory);
		read_all(&memory);
		if (as_units)
			bench_must(agentmem_set_state(memory.am, AGENTMEM_IDLE), "idle");
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bench_fail("an agent failed");
	close(ready[0]);
	/* It waits for an answer: so does who works. */
	usleep(500000);
	return child;
}

void kmod_evict(const char *disk, const char *how)
{
	struct agentmem_settings settings = { .size = sizeof(settings), .hot_most_bytes = HOT_MOST, .warm_after_ms = 600000 };
	char pid[24], name[48];
	struct memory own;
	double away = 0;

	as_units = strcmp(how, "units") == 0;
	if (mkdir(CGROUP, 0755) != 0 && errno != EEXIST)
		bench_fail("no cgroup");
	kmod_write(CGROUP "/memory.max", LIMIT);
	snprintf(pid, sizeof(pid), "%d", getpid());
	kmod_write(CGROUP "/cgroup.procs", pid);
	if (as_units) {
		agentmem_t *am = kmod_open("settings");

		bench_must(agentmem_settings(am, &settings), "settings");
		agentmem_close(am);
	}
	take(&own, "working", disk, 0, OWN_UNITS, UNIT_BYTES);
	read_all(&own);
	for (unsigned step = 0; step < STEPS; step++) {
		pid_t others[OTHERS];

		for (unsigned i = 0; i < OTHERS; i++)
			others[i] = other(disk, i);
		away += away_pages(&own);
		read_all(&own);
		read_all(&own);
		for (unsigned i = 0; i < OTHERS; i++)
			kill(others[i], SIGKILL);
		while (wait(NULL) > 0)
			;
	}
	snprintf(name, sizeof(name), "refaults-%s", how);
	bench_print(name, away, "pages");
	snprintf(name, sizeof(name), "working-set-%s", how);
	bench_print(name, (double)(OWN_UNITS * UNIT_BYTES / PAGE), "pages");
}
