/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Content-defined chunking: the same bytes are cut at the same places wherever they stand. */
#ifndef AM_CORE_CHUNK_H
#define AM_CORE_CHUNK_H

#include "types.h"

#define AM_CHUNK_MIN_LEAST 64u
#define AM_CHUNK_AVERAGE_LEAST (4u << 10)
#define AM_CHUNK_AVERAGE_MOST (16u << 20)
#define AM_CHUNK_MAX_MOST (64u << 20)

/*
 * Bytes. `average` is a power of two from 4 KiB to 16 MiB; 64 <= min <= average
 * <= max, max <= 64 MiB. The first `min` bytes of a chunk are not looked at.
 * Before `average` a place to cut is half as frequent as 1 in `average`, after
 * it four times. On text, where much is repeated, with min = average / 4 and max
 * = 4 x average the mean is 1.3 x average, hardly a chunk is cut at max, and two
 * cuttings that began at different places meet after 2.1 averages; with max =
 * 2 x average one chunk in eleven is cut at max and they meet after 2.6.
 */
struct am_chunk_sizes {
	am_u32 min;
	am_u32 average;
	am_u32 max;
};

/* False where the three do not fit together. */
bool am_chunk_sizes_ok(const struct am_chunk_sizes *sizes);

/*
 * Length in bytes of the first chunk of `data`; 0 where more data is needed to
 * tell. With `last` nothing follows `data`, and the answer is never 0 but for
 * no data. Cutting a stream in pieces gives the same chunks as cutting it
 * whole: a cut depends on the bytes of its own chunk alone.
 */
am_size am_chunk_cut(const struct am_chunk_sizes *sizes, const am_u8 *data, am_size bytes, bool last);
/*
 * The same for a chunk that grows: an earlier call saw its first `seen` bytes
 * and answered 0. They are not looked at again, so that appending costs by
 * what is appended.
 */
am_size am_chunk_cut_on(const struct am_chunk_sizes *sizes, const am_u8 *data, am_size seen, am_size bytes, bool last);

#endif
