/* SPDX-License-Identifier: Apache-2.0 */
/* One process, held so that it cannot be mistaken for a later one with its number. */
#ifndef AGENTMEM_TARGET_H
#define AGENTMEM_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * Lifetime: `pidfd` is opened first, `proc` second. While `pidfd` has not
 * reported an exit, the number was never free, so `proc` is that same process;
 * after the exit every read through `proc` fails with ESRCH.
 */
struct target {
	pid_t pid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat, as the caller knows it */
	int pidfd;
	int proc; /* directory /proc/PID */
};

/* Resident memory from smaps_rollup, in bytes; -1 where it could not be read. */
struct resident {
	int64_t rss;
	int64_t anon;
};

/*
 * Each returns NULL when all is well, else one of the words of the result:
 * "process-gone", "not-yours", "not-supported", "unreadable".
 */
const char *target_open(struct target *target, pid_t pid, uint64_t start_ticks, uid_t uid);
/* The same questions again: alive, same start time, same owner. */
const char *target_check(const struct target *target, uid_t uid);
void target_close(struct target *target);

/* What its memory is read by. */
struct target_memory {
	int pagemap;
	FILE *maps; /* or smaps */
};
/* `name` is "maps" or "smaps". Closed by target_memory_close() in any case. */
const char *target_memory_open(struct target_memory *memory, const struct target *target, const char *name);
void target_memory_close(struct target_memory *memory);

struct resident target_resident(const struct target *target);

#endif
