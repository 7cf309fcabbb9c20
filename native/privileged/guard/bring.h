/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing memory back, in a process of its own. Whose page it is may make
 * that wait for ever (a file of a FUSE server, userfaultfd): then that process
 * waits, and not the guard.
 */
#ifndef GUARD_BRING_H
#define GUARD_BRING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "prefault.h"

#define BRING_PROCESSES_MOST 16
#define BRING_RANGES_MOST 512

/* How far it has come. */
struct bring_progress {
	unsigned range;
	uint64_t page; /* of that range */
	uint64_t bytes;
	bool refused[BRING_PROCESSES_MOST];
};

/* Starts the process where there is none: while there is memory for it, before anything is frozen. */
void bring_begin(void);
/* Nothing where it is not there, or still busy with what an earlier call asked for. `pids`: 0 for one that has ended. */
void bring_back(const pid_t *pids, const page_range *ranges, unsigned range_count, struct bring_progress *progress, int64_t until_us);
/* The process itself; `channel` and `memory` are descriptors it was given. */
int bring_main(const char *channel, const char *memory);

#endif
