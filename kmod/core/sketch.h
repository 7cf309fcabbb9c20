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

/*
 * A place is sampled by the hash of the 16 bytes before it, one in 128. Where
 * a share s of the places lies in or right behind rewritten ids, a feature is
 * the same in (1 - s) / (1 + s) of all cases: 36 bytes on lines of 400 leave
 * 0.77, so that two of eight in common are as good as certain. Unrelated blocks have one in
 * common once in 2^29. A feature of 0 says nothing: no place was sampled.
 */
struct am_sketch {
	am_u32 feature[AM_SKETCH_FEATURES];
};

/* Reads `data` once; at least 1 GB/s on a present core. Blocks of under 4 KiB get a sketch too, a poor one. */
void am_sketch_make(const am_u8 *data, am_size bytes, struct am_sketch *sketch);
unsigned am_sketch_common(const struct am_sketch *a, const struct am_sketch *b);

/*
 * An index of sketches. `id` is the caller's, not 0. Not thread-safe: the caller locks.
 *
 * Of the blocks that share one feature (a preamble in thousands of
 * conversations) the eight that were there first and the eight newest are kept
 * under it, so a search looks at 128 places at most. Add what can be a base, not
 * what was packed against one: among a hundred forks these places are few.
 */
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
