/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread reads and writes the data file with: a ring of io_uring, so
 * that several pieces of a large blob are in flight at a time, and aligned
 * buffers for what O_DIRECT does not take as it is. Without a ring the pieces
 * are read and written one by one.
 */
#ifndef STORE_LANE_H
#define STORE_LANE_H

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LANE_ALIGN_BYTES = 4096,
	LANE_BOUNCE_BYTES = 64 * 1024,
	LANE_BOUNCES = 4,
	LANE_PIECE_BYTES = 256 * 1024,
	LANE_DEPTH = 8,
};

struct lane {
	struct lane *next;
	struct io_uring ring;
	bool has_ring;
	uint8_t *bounces;	/* when first needed */
};

struct lane_work {
	int fd;
	bool direct;
	size_t memory_align;	/* of buffers O_DIRECT takes */
	bool writes;
	uint64_t at;
	uint8_t *memory;
	size_t bytes;
	size_t room;		/* of memory, that may be written to by a read */
};

void lane_open(struct lane *lane, int fd);
void lane_close(struct lane *lane);
/* Gives its buffers back until they are needed again. */
void lane_rest(struct lane *lane);
/* 0 or a negative errno; nothing is in flight after it. */
int lane_run(struct lane *lane, const struct lane_work *work);

#endif
