/* SPDX-License-Identifier: Apache-2.0 */
/* The working set of a process: where its anonymous pages in memory lie. */
#ifndef AGENTMEM_LIST_H
#define AGENTMEM_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "target.h"

/* What the guard takes for one agent. */
#define MOST_RANGES 512

struct range {
	uint64_t start;
	uint64_t end;
	uint64_t area; /* that of its end: ranges of different areas are joined only where they touch */
};

struct ranges {
	struct range *all; /* the caller frees them */
	size_t count;
	uint64_t bytes; /* in memory; the ranges hold more where small gaps were joined */
};

/* NULL, or "process-gone", "unreadable", "no-memory". At most MOST_RANGES, upwards. */
const char *list_anonymous(const struct target *target, struct ranges *ranges);

#endif
