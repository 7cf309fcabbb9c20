/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Content-defined chunking: the same bytes are cut at the same places wherever they stand. */
#ifndef AM_CORE_CHUNK_H
#define AM_CORE_CHUNK_H

#include "types.h"

/* Bytes. `average` is a power of two from 4 KiB to 16 MiB; min <= average <= max, max <= 64 MiB. */
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

#endif
