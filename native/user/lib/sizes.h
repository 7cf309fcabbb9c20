/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structs whose first field is their size: a program may have been built with
 * an older header than ours, or with a newer one.
 */
#ifndef LIB_SIZES_H
#define LIB_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* More is not a struct of ours of any version: the size was not set. */
#define SIZED_MOST 4096u

static inline bool sized_is_good(size_t size, size_t least)
{
	return size >= least && size <= SIZED_MOST;
}

/* What a newer program sets beyond ours must be zero: it would be left undone in silence. `to` is zero beforehand. */
static inline bool sized_in(void *to, size_t to_bytes, const void *from, size_t size, size_t least)
{
	const unsigned char *at = from;

	if (!sized_is_good(size, least))
		return false;
	for (size_t i = to_bytes; i < size; i++) {
		if (at[i] != 0)
			return false;
	}
	memcpy(to, from, size < to_bytes ? size : to_bytes);
	return true;
}

/* Fills what the caller has room for and zeroes what ours does not know; `size` stays the caller's. */
static inline void sized_out(void *to, size_t size, const void *from, size_t from_bytes)
{
	unsigned char *at = to;
	size_t both = size < from_bytes ? size : from_bytes;

	memcpy(at + sizeof(size_t), (const unsigned char *)from + sizeof(size_t), both - sizeof(size_t));
	if (size > both)
		memset(at + both, 0, size - both);
}

#endif
