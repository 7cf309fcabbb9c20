/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index file: a header, then records in batches that end with a commit
 * marker. A record's checksum covers where it lies and a number drawn for the
 * file, so remains of other times and places are none. Fields are of the
 * machine's byte order; the version read the other way round is another one.
 *
 * Nothing here knows the store: see replay.h.
 */
#ifndef STORE_INDEX_H
#define STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/store.h"

#define INDEX_VERSION 1u
#define STORE_ID_BYTES 16

struct index_header {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint8_t store_id[STORE_ID_BYTES];	/* of the data file it belongs to */
	uint64_t salt;		/* of this file */
	uint64_t sequence;	/* of the commit before the first in here */
	uint64_t next_id;
	uint64_t check;
};

enum index_kind {
	INDEX_PUT = 1,
	INDEX_FREE = 2,
	INDEX_REGION = 3,	/* given to an owner, or one that got shorter */
	INDEX_BACK = 4,		/* a region is nobody's, with all that lay in it */
	INDEX_RECORD = 5,
	INDEX_COMMIT = 6,
};

struct index_head {
	uint32_t check;
	uint32_t kind_bytes;	/* kind << 24 | bytes that follow, without padding to 8 */
};

struct index_put {
	uint64_t id;
	uint64_t checksum;
	uint32_t block;
	uint32_t bytes;
};

struct index_region {
	uint64_t owner;
	uint32_t block;
	uint32_t blocks;
};

struct index_commit {
	uint64_t sequence;
	uint64_t next_id;
};

#define INDEX_BODY_MOST (8u + STORE_RECORD_MOST)

/* With head and padding. */
static inline size_t index_space_of(size_t body_bytes)
{
	return sizeof(struct index_head) + ((body_bytes + 7) & ~(size_t)7);
}

void index_header_seal(struct index_header *header);
bool index_header_good(const struct index_header *header);

/* A record without its checksum, of index_space_of() bytes. `more` follows `body`. */
void index_write(void *to, enum index_kind kind, const void *body, size_t bytes, const void *more, size_t more_bytes);
/* Checksums for whole records that will lie from `at` on. */
void index_seal(uint64_t salt, uint64_t at, void *records, size_t bytes);
bool index_good(uint64_t salt, uint64_t at, const void *record, size_t body_bytes);
/* The next in memory of our own; false at the end. */
struct index_view {
	enum index_kind kind;
	const uint8_t *body;
	size_t bytes;
	uint64_t at;
};
bool index_next(const uint8_t *records, size_t bytes, size_t *at, struct index_view *view);

/* Where bytes of an index come from, with a window into it. */
struct index_source {
	ssize_t (*read)(void *context, void *out, size_t bytes, uint64_t at);
	void *context;
	uint64_t bytes;
	uint64_t salt;
	uint8_t *window;
	size_t window_room;
	size_t window_bytes;
	uint64_t window_at;
};

/* 0; -EUCLEAN where there is no whole record with its checksum at `at`; -EIO, -ENOMEM. The body is good until the next call. */
int index_look(struct index_source *source, uint64_t at, struct index_view *view);
void index_source_clear(struct index_source *source);

struct index_extent {
	uint64_t end;		/* of the last whole batch */
	uint64_t sequence;
	uint64_t next_id;
};
/*
 * How far the batches are whole. -EUCLEAN where something is broken before
 * the last batch: what was acknowledged later than that would be lost.
 */
int index_find_end(struct index_source *source, const struct index_header *header, struct index_extent *extent);

#endif
