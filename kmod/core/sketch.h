/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Which block is like this one, though no run of bytes long enough for a chunk
 * is the same: ids rewritten on each line, for example. A block's sketch holds
 * the least of its content-sampled hashes under a few orders; two blocks share
 * as many features as their samples overlap.
 */
#ifndef AM_CORE_SKETCH_H
#define AM_CORE_SKETCH_H

#include "types.h"

#define AM_SKETCH_FEATURES 8
/* Features in common from which a block is worth trying as a base. */
#define AM_SKETCH_ALIKE 2

struct am_sketch {
	am_u32 feature[AM_SKETCH_FEATURES];
};

/* Reads `data` once; at least 1 GB/s on a present core. Blocks of under 4 KiB get a sketch too, a poor one. */
void am_sketch_make(const am_u8 *data, am_size bytes, struct am_sketch *sketch);
unsigned am_sketch_common(const struct am_sketch *a, const struct am_sketch *b);

/* An index of sketches. `id` is the caller's, not 0. Not thread-safe: the caller locks. */
struct am_sketch_index;

struct am_sketch_index *am_sketch_index_open(const struct am_host *host);
void am_sketch_index_close(struct am_sketch_index *index);
/* False without memory: the block is only not found later. */
bool am_sketch_index_add(struct am_sketch_index *index, am_u64 id, const struct am_sketch *sketch);
void am_sketch_index_remove(struct am_sketch_index *index, am_u64 id, const struct am_sketch *sketch);
/* The id with most features in common, at least AM_SKETCH_ALIKE, for which `allowed` (NULL: any) says yes; 0 where there is none. */
am_u64 am_sketch_index_find(const struct am_sketch_index *index, const struct am_sketch *sketch, bool (*allowed)(void *context, am_u64 id), void *context);
/* Own memory in bytes. */
am_size am_sketch_index_bytes(const struct am_sketch_index *index);

#endif
