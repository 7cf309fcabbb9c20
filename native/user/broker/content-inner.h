/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of content.h, for the files content*.c alone: what all of them know.
 * The rooms behind it: content-{workers,units,bodies,blocks,build,tiers,cold}.h.
 *
 * Everything here belongs to the main thread. A worker sees what its job
 * carries: plain buffers, descriptors, pieces. What a job looks at is pinned
 * while it runs, and is let go of by the main thread when the job is back.
 */
#ifndef BROKER_CONTENT_INNER_H
#define BROKER_CONTENT_INNER_H

#include <errno.h>
#include <string.h>

#include "broker/content.h"
#include "common/digest.h"
#include "core/chunk.h"
#include "core/policy.h"
#include "core/sketch.h"
#include "core/table.h"
#include "store/store.h"
#include "warm/warm.h"

#ifdef CONTENT_SMALL
/* For tests: the same paths with less data. */
#define CONTENT_CHUNK_SIZES { .min = 16u << 10, .average = 32u << 10, .max = 128u << 10 }
#define STEP_BYTES (256u * 1024u)
#define CACHE_MOST_BYTES (512u * 1024u)
#else
/* One job reads, cuts or fills this much, so that others get their turn. */
#define STEP_BYTES (8u * 1024u * 1024u)
/* Plain copies of blocks that are not hot, for reading on. */
#define CACHE_MOST_BYTES (32u * 1024u * 1024u)
#endif
#define CACHE_MOST_MS 2000
#define CACHE_BLOCKS 256
#define NEVER UINT64_MAX

#define container(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct away;
struct block;
struct body;
struct cold;
struct gate;
struct unit;
struct workers;

/* ---- memory ---- */

/* Zeroed, counted as the broker's own. Main thread only. */
void *mem_alloc(struct content *content, size_t bytes);
void mem_free(struct content *content, void *memory, size_t bytes);
void *mem_grow(struct content *content, void *memory, size_t old_bytes, size_t bytes);
/* Whole pages, given back to the system when freed. Any thread. NULL without memory. */
void *pages_alloc(size_t bytes);
void pages_free(void *memory, size_t bytes);
/* The same bytes with more room, perhaps elsewhere; NULL without memory, and nothing has changed. */
void *pages_grow(void *memory, size_t bytes, size_t more_bytes);
/* -1 with errno. */
int memfd_make(uint64_t bytes);
/*
 * 0 or -errno. Waits while the kernel holds its pages, three seconds at most:
 * what was read into them past the cache is let go of only after the read was
 * said to have ended, late on a busy machine. Not for the thread that serves.
 */
int memfd_seal(int fd);

/* ---- all of it ---- */

struct content {
	struct content_options options;
	struct am_policy policy;
	struct workers *workers;
	struct warm *warm;
	struct store *store;		/* NULL: no cold tier */
	struct am_host host;
	struct am_table *units;
	struct am_table *blocks;
	struct am_table *keepers;
	struct am_sketch_index *sketches;
	struct block *first_block;
	struct block *walk_block;	/* where a walk over them goes on */
	struct body *first_body;
	struct body **prints;		/* by fingerprint */
	uint32_t print_slots, print_count;
	struct block *open_slabs[8];
	struct block *cache[CACHE_BLOCKS];	/* blocks whose plain bytes are cached */
	unsigned cache_count;
	uint64_t next_block;
	uint64_t wanted_unit;		/* the next one is to have this number; 0: a new one */
	uint64_t numbers[32];		/* drawn for the next units */
	unsigned number_count;
	uint64_t now_ms;
	uint64_t next_walk_ms, next_pressure_ms, next_orphan_ms, next_rest_ms;
	enum am_pressure pressure;
	int pressure_fd, meminfo_fd;
	struct gate *gates, **gates_end;
	struct cold *cold;
	struct away *aways;		/* under way */
	unsigned away_count;		/* of memfds */
	bool records_stale;
	uint64_t packing;		/* jobs under way that make room */
	uint64_t packing_bytes;
	bool closing;
	uint8_t *room;			/* for one answer, BROKER_INLINE_MOST */

	/* Raised and lowered with what they count. */
	uint64_t own_bytes;
	uint64_t plain_bytes;		/* of all units */
	uint64_t hot_bytes;		/* plain copies: memfds, blocks, tails, slabs */
	uint64_t cache_bytes;		/* of these, blocks that are not hot */
	uint64_t warm_bytes;		/* pieces, as stored */
	uint64_t cold_bytes;		/* on disk, as stored */
	/* Since the start; only raised. */
	uint64_t handed_in_bytes, found_bytes, packed_bytes, packed_stored_bytes, restored_blocks, cold_reads, errors;
};

/* For what is learnt about small units: of the common domain alone. 0: nothing is. */
enum am_kind learnt_kind(const struct content *content, uint64_t domain, uint8_t kind);
/* What the pool keeps for working is given back REST_AFTER_MS later; packing puts that off. */
void content_worked(struct content *content, bool is_heavy);
void content_wake(struct content *content);

/* ---- answers ---- */

struct waiter {
	struct waiter *next;
	void (*ready)(struct content *content, struct waiter *waiter, int error);
};

/* Calls done with an error and nothing else. */
void answer_error(content_done done, void *context, int error);
void answer_unit(const struct unit *unit, bool known, content_done done, void *context);
void result_of(const struct unit *unit, struct content_result *result);

#endif
