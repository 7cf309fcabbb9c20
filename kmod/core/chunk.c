// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "chunk.h"
#include "gear.h"

bool am_chunk_sizes_ok(const struct am_chunk_sizes *sizes)
{
	am_u32 average = sizes->average;

	return average >= AM_CHUNK_AVERAGE_LEAST && average <= AM_CHUNK_AVERAGE_MOST && (average & (average - 1)) == 0 &&
	       sizes->min >= AM_CHUNK_MIN_LEAST && sizes->min <= average && average <= sizes->max && sizes->max <= AM_CHUNK_MAX_MOST;
}

/* The upper bits, which depend on most of the window. */
static am_u64 upper_mask(unsigned bits)
{
	return (((am_u64)1 << bits) - 1) << (AM_GEAR_BITS - bits);
}

static unsigned bits_of(am_u32 average)
{
	return 31u - (unsigned)__builtin_clz(average);
}

/*
 * The least length in from..to (from >= AM_GEAR_WINDOW) at which the hash of
 * the bytes before it has no bit of `mask`; 0 for none. The chain from one
 * byte to the next is one shift-and-add, the rest of the work is beside it;
 * four bytes a round keep the counting out of the way.
 */
static am_size look(const am_u8 *data, am_size from, am_size to, am_u64 mask)
{
	const am_u8 *at = data + from - AM_GEAR_WINDOW;
	const am_u8 *end = data + to;
	am_u64 hash = 0;

	/* All but the last byte of the first window. */
	while (at < data + from - 1)
		hash = am_gear_step(hash, *at++);
	while (end - at >= 4) {
		hash = am_gear_step(hash, at[0]);
		if ((hash & mask) == 0)
			return (am_size)(at - data) + 1;
		hash = am_gear_step(hash, at[1]);
		if ((hash & mask) == 0)
			return (am_size)(at - data) + 2;
		hash = am_gear_step(hash, at[2]);
		if ((hash & mask) == 0)
			return (am_size)(at - data) + 3;
		hash = am_gear_step(hash, at[3]);
		if ((hash & mask) == 0)
			return (am_size)(at - data) + 4;
		at += 4;
	}
	while (at < end) {
		hash = am_gear_step(hash, *at++);
		if ((hash & mask) == 0)
			return (am_size)(at - data);
	}
	return 0;
}

am_size am_chunk_cut_on(const struct am_chunk_sizes *sizes, const am_u8 *data, am_size seen, am_size bytes, bool last)
{
	unsigned bits = bits_of(sizes->average);
	am_size end = bytes < sizes->max ? bytes : sizes->max;
	am_size from = seen < sizes->min ? sizes->min : seen + 1;
	am_size rare_end = end < sizes->average ? end : sizes->average;
	am_size cut = 0;

	if (from <= rare_end) {
		cut = look(data, from, rare_end, upper_mask(bits + 1));
		from = rare_end + 1;
	}
	if (cut == 0 && from <= end)
		cut = look(data, from, end, upper_mask(bits - 2));
	if (cut != 0)
		return cut;
	return last || bytes >= sizes->max ? end : 0;
}

am_size am_chunk_cut(const struct am_chunk_sizes *sizes, const am_u8 *data, am_size bytes, bool last)
{
	return am_chunk_cut_on(sizes, data, 0, bytes, last);
}
