/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENTMEM_ADVISE_H
#define AGENTMEM_ADVISE_H

#include <stdbool.h>
#include <stdint.h>

#include "target.h"

/* The kernel's numbers; older headers lack them. */
enum advice { ADVICE_WILLNEED = 3, ADVICE_COLD = 20, ADVICE_PAGEOUT = 21 };

struct wish {
	enum advice advice;
	bool anonymous; /* leave pages of files alone: they can go without swap, and reading them again is slow */
	bool bounded;   /* at most `most`, the coldest areas first; then what is touched is counted anew */
	uint64_t most;  /* bytes; less what was advised after the call */
};

/*
 * Gives the advice for every area of the process that is worth it. Areas that
 * the kernel refuses (locked, huge pages, unmapped meanwhile) are left out and
 * the rest goes on. `advised_bytes` is what the kernel took the advice for,
 * which is not what was won. NULL, or "process-gone", "not-permitted",
 * "not-supported" (no area was taken at all), "unreadable", "no-memory".
 */
const char *advise_all(const struct target *target, struct wish *wish, uint64_t *advised_bytes);

#endif
