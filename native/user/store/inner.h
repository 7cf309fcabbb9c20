/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a store is inside.
 *
 * `lock` guards everything but the data file's contents, and is not held
 * while these are read or written. Changes are made in memory at once and
 * described in the batch `now`. Who commits takes the batch as `going`, syncs
 * the data, appends the batch to the index, syncs that. Only then the space
 * that it freed is punched out and can be given again: until the commit is
 * durable a crash needs what lies there. `committing` is true throughout.
 *
 * Space is neither punched nor given again while somebody reads who began
 * before it was freed: readers count in one of two phases, and who commits
 * changes the phase and waits for the old one to be empty.
 */
#ifndef STORE_INNER_H
#define STORE_INNER_H

#include <pthread.h>

#include "store/data.h"
#include "store/files.h"
#include "store/index.h"
#include "store/space.h"
#include "store/store.h"
#include "store/table.h"

struct blob {
	uint64_t id;
	uint64_t checksum;
	uint32_t block;
	uint32_t bytes;
};

/* Data of records stays in the index, and before its commit in the batch. */
struct record {
	uint64_t key;
	uint64_t at;		/* of its index record, in the file or in the batch */
	uint64_t next_at;	/* in the index that is being written anew */
	uint32_t bytes;
	uint32_t batch;		/* batch_tag() of where it is; 0: in the file */
};

struct batch {
	uint64_t number;	/* 1 or more */
	uint8_t *bytes;
	size_t used, room;
	struct extent *freed;
	size_t freed_count, freed_room;
	uint32_t puts;
};

struct store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct store_files files;
	struct data_file *data;
	uint64_t most_bytes;
	struct space space;
	struct table blobs;
	struct table records;
	uint64_t used_blocks;	/* given to blobs, or freed and not punched yet */
	uint64_t stored_bytes;
	uint64_t record_bytes;	/* of live ones in the index */
	uint64_t next_id;

	struct batch now, going;
	bool committing;
	uint64_t done_number;	/* all batches up to this are durable */
	uint64_t failed_number;	/* the last that was not, and why */
	int failed_error;
	int broken;		/* writing is over: what is on the disk is not known any more */

	uint64_t sequence;	/* of the last commit */
	uint64_t index_end;
	uint64_t index_salt;
	uint64_t reserved_end;	/* disk space up to here is ours already */
	bool can_reserve;

	unsigned phase;
	uint64_t readers[2];
};

/* Enough to tell the two batches apart that there are at a time. */
static inline uint32_t batch_tag(const struct batch *batch)
{
	return 1 + (uint32_t)(batch->number & 1);
}

static inline uint32_t blocks_of(size_t bytes)
{
	return bytes == 0 ? 1 : (uint32_t)((bytes + SPACE_BLOCK_BYTES - 1) / SPACE_BLOCK_BYTES);
}

static inline uint64_t byte_of(uint32_t block)
{
	return (uint64_t)block * SPACE_BLOCK_BYTES;
}

static inline size_t record_space(uint32_t bytes)
{
	return index_space_of(sizeof(uint64_t) + bytes);
}

/* All below: with the lock. */

/* The next record in a batch that the store knows by its key; NULL behind the last. */
struct record *batch_next_record(struct store *store, const struct batch *batch, size_t *at, struct index_view *view);
/* Room in `now` for so many bytes of records and one freed extent more. */
int batch_room(struct store *store, size_t bytes, size_t freed);
/* Cannot fail after batch_room(). Where in the batch. */
uint64_t batch_add(struct store *store, enum index_kind kind, const void *body, size_t bytes, const void *more, size_t more_bytes);
void batch_add_region(struct store *store, const struct region *region);
void batch_free_extent(struct store *store, struct extent extent);
/* `going` did not make it: before `now` again. */
int batch_put_back(struct store *store);
void batch_clear(struct batch *batch);

/* Disk space for what is in the batch and so much more, so that a commit does not fail for it. -ENOSPC. */
int commit_reserve(struct store *store, size_t bytes);
/* All so far; with the lock, which it lets go meanwhile. */
int commit_all(struct store *store);
/* A region with nothing in it is given back. */
void store_region_idle(struct store *store, struct region *region);

/* Without the lock: at open. */
int replay(struct store *store, struct index_source *source, const struct index_header *header, struct index_extent *extent);

/* A record's data, wherever it is now. 0 or -EIO. */
int record_read(struct store *store, const struct record *record, void *out);

/* In place of appending `going`: the whole state as a new file. Begun with the lock, finished without. */
struct rewrite {
	int fd;
	struct index_header header;
	uint64_t end;
};
bool rewrite_wanted(const struct store *store);
int rewrite_begin(struct store *store, struct rewrite *rewrite);
/* `unknown`: nobody can say which file a crash would leave. */
int rewrite_finish(struct store *store, struct rewrite *rewrite, bool *unknown);
void rewrite_drop(struct store *store, struct rewrite *rewrite);
/* With the lock: the new file is the index. */
void rewrite_take(struct store *store, struct rewrite *rewrite);

#endif
