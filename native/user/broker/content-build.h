/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting bytes into what becomes blocks, on a worker. */
#ifndef BROKER_CONTENT_BUILD_H
#define BROKER_CONTENT_BUILD_H

#include "content-workers.h"

struct cut {
	void *plain;			/* NULL: it lies where it was cut */
	uint32_t bytes;
	struct am_digest digest;
	struct am_sketch sketch;
};

/* Cuts start and data, as one run, into blocks and a rest. */
struct build {
	struct job job;
	const uint8_t *start;		/* NULL and 0: nothing */
	size_t start_bytes;
	const uint8_t *data;		/* or: */
	int fd;
	uint64_t offset;
	size_t bytes;
	size_t seen;			/* of start: no cut in it */
	bool last;			/* nothing follows: no rest */
	int error;
	struct cut *cuts;
	unsigned count, room;
	uint8_t *rest;			/* pages_alloc() */
	size_t rest_bytes, rest_room;
};

extern const struct am_chunk_sizes *const build_sizes;

/* A memfd's first bytes. */
int build_read(int fd, uint8_t *out, size_t bytes);
void build_work(struct job *job);
/* Of start alone, with its first block left where it is; no rest where nothing was cut. */
void build_tail_work(struct job *job);
/* What was not taken out of it. */
void build_free(struct build *build);

#endif
