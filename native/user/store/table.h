/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries sorted by a number, in leaves of 4 KiB: two neighbours always hold
 * more than one leaf's worth, so at least half of the memory is entries. Who
 * calls has the store's lock. Pointers are good until the next change.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_leaf;

struct table {
	struct table_leaf **leaves;
	size_t count;
	size_t room;
	size_t entry_bytes;	/* each begins with its uint64_t key; a multiple of 8 */
	uint64_t entries;
};

/* NULL where there is none. */
void *table_find(const struct table *table, uint64_t key);
/* The first with this key or a larger one. */
void *table_from(const struct table *table, uint64_t key);
void *table_add(struct table *table, uint64_t key);	/* zeroed but for its key; NULL without memory. It must not be there. */
void table_remove(struct table *table, uint64_t key);
void table_clear(struct table *table);
uint64_t table_bytes(const struct table *table);

/* Going through all, where nothing is changed meanwhile. */
struct table_walk {
	size_t leaf;
	size_t entry;
};
void *table_walk(const struct table *table, struct table_walk *walk);

#endif
