/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: is told of each change before it is made, in order, and of each
 * read, and can have it fail. NULL in programs.
 */
#ifndef STORE_TAP_H
#define STORE_TAP_H

#include <stddef.h>
#include <stdint.h>

enum tap_file { TAP_DATA, TAP_INDEX, TAP_NEW_INDEX };
enum tap_change { TAP_READ, TAP_WRITE, TAP_SYNC, TAP_PUNCH, TAP_TRUNCATE, TAP_RENAME, TAP_SYNC_FOLDER };

struct store_tap {
	/* 0, or a negative errno for what is then not done. */
	int (*before)(void *context, enum tap_change change, enum tap_file file, uint64_t at, const void *data, size_t bytes);
	void *context;
};

extern const struct store_tap *store_tap;

static inline int tap(enum tap_change change, enum tap_file file, uint64_t at, const void *data, size_t bytes)
{
	return store_tap == NULL ? 0 : store_tap->before(store_tap->context, change, file, at, data, bytes);
}

#endif
