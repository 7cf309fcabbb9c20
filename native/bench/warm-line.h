/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations into the warm tier the way the broker does it: cut, known blocks shared, new ones packed against what is like them. */
#ifndef BENCH_WARM_LINE_H
#define BENCH_WARM_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"
#include "warm/warm.h"

struct line;

/* Of this thread. */
double line_cpu_us(void);

struct line_figures {
	uint64_t plain_bytes;	/* of conversations added */
	uint64_t stored_bytes;
	uint64_t blocks;
	uint64_t shared_blocks;
	uint64_t based_blocks;
	double cpu_us;		/* of all steps, digests and sketches included */
	double pack_us;		/* of warm_pack() alone */
	uint64_t pack_bytes;
};

struct line *line_open(enum am_effort effort);
void line_close(struct line *line);
/* Keeps the pointer, to compare with what comes back. */
void line_add(struct line *line, const char *text, size_t bytes);
/* Reads all back, compares each byte; ends the program where one differs. */
void line_check(struct line *line, double *unpack_us);
void line_figures(struct line *line, struct line_figures *figures);

#endif
