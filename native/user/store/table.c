/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdlib.h>
#include <string.h>

/* With malloc's own word a whole page. */
enum { LEAF_BYTES = 4096 - 16 };

struct table_leaf {
	size_t count;
	unsigned char entries[];
};

static size_t leaf_most(const struct table *table)
{
	return (LEAF_BYTES - sizeof(struct table_leaf)) / table->entry_bytes;
}

static void *entry_at(const struct table *table, struct table_leaf *leaf, size_t at)
{
	return leaf->entries + at * table->entry_bytes;
}

static uint64_t key_at(const struct table *table, const struct table_leaf *leaf, size_t at)
{
	uint64_t key;

	memcpy(&key, leaf->entries + at * table->entry_bytes, sizeof(key));
	return key;
}

/* The leaf in which the key is or would be. */
static size_t find_leaf(const struct table *table, uint64_t key)
{
	size_t low = 0, high = table->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (key_at(table, table->leaves[middle], 0) <= key)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* How many in the leaf have smaller keys. */
static size_t find_entry(const struct table *table, const struct table_leaf *leaf, uint64_t key)
{
	size_t low = 0, high = leaf->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (key_at(table, leaf, middle) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *table_from(const struct table *table, uint64_t key)
{
	size_t leaf, at;

	if (table->count == 0)
		return NULL;
	leaf = find_leaf(table, key);
	at = find_entry(table, table->leaves[leaf], key);
	if (at < table->leaves[leaf]->count)
		return entry_at(table, table->leaves[leaf], at);
	return leaf + 1 < table->count ? entry_at(table, table->leaves[leaf + 1], 0) : NULL;
}

void *table_find(const struct table *table, uint64_t key)
{
	void *entry = table_from(table, key);
	uint64_t found;

	if (entry == NULL)
		return NULL;
	memcpy(&found, entry, sizeof(found));
	return found == key ? entry : NULL;
}

/* An empty leaf at this place. */
static struct table_leaf *make_leaf(struct table *table, size_t at)
{
	struct table_leaf *leaf = malloc(LEAF_BYTES);

	if (leaf == NULL)
		return NULL;
	if (table->count == table->room) {
		size_t room = table->room + table->room / 4 + 16;
		struct table_leaf **leaves = realloc(table->leaves, room * sizeof(*leaves));

		if (leaves == NULL) {
			free(leaf);
			return NULL;
		}
		table->leaves = leaves;
		table->room = room;
	}
	memmove(table->leaves + at + 1, table->leaves + at, (table->count - at) * sizeof(*table->leaves));
	table->leaves[at] = leaf;
	table->count++;
	leaf->count = 0;
	return leaf;
}

static void drop_leaf(struct table *table, size_t at)
{
	free(table->leaves[at]);
	table->count--;
	memmove(table->leaves + at, table->leaves + at + 1, (table->count - at) * sizeof(*table->leaves));
}

/* Makes room beside a full leaf. What comes in rising order fills leaves whole. */
static bool split(struct table *table, size_t at, size_t entry)
{
	struct table_leaf *leaf = table->leaves[at];
	bool last = at + 1 == table->count && entry == leaf->count;
	struct table_leaf *next = make_leaf(table, at + 1);
	size_t keep = last ? leaf->count : leaf->count / 2;

	if (next == NULL)
		return false;
	next->count = leaf->count - keep;
	memcpy(next->entries, entry_at(table, leaf, keep), next->count * table->entry_bytes);
	leaf->count = keep;
	return true;
}

void *table_add(struct table *table, uint64_t key)
{
	struct table_leaf *leaf;
	size_t at, entry;
	unsigned char *place;

	if (table->count == 0 && make_leaf(table, 0) == NULL)
		return NULL;
	at = find_leaf(table, key);
	entry = find_entry(table, table->leaves[at], key);
	if (table->leaves[at]->count == leaf_most(table)) {
		if (!split(table, at, entry))
			return NULL;
		if (entry >= table->leaves[at]->count) {
			entry -= table->leaves[at]->count;
			at++;
		}
	}
	leaf = table->leaves[at];
	place = entry_at(table, leaf, entry);
	memmove(place + table->entry_bytes, place, (leaf->count - entry) * table->entry_bytes);
	memset(place, 0, table->entry_bytes);
	memcpy(place, &key, sizeof(key));
	leaf->count++;
	table->entries++;
	return place;
}

/* Takes the next leaf into this one, where both fit. */
static void merge(struct table *table, size_t at)
{
	struct table_leaf *leaf, *next;

	if (at + 1 >= table->count)
		return;
	leaf = table->leaves[at];
	next = table->leaves[at + 1];
	if (leaf->count + next->count > leaf_most(table))
		return;
	memcpy(entry_at(table, leaf, leaf->count), next->entries, next->count * table->entry_bytes);
	leaf->count += next->count;
	drop_leaf(table, at + 1);
}

void table_remove(struct table *table, uint64_t key)
{
	struct table_leaf *leaf;
	unsigned char *place;
	size_t at, entry;

	if (table->count == 0)
		return;
	at = find_leaf(table, key);
	leaf = table->leaves[at];
	entry = find_entry(table, leaf, key);
	if (entry == leaf->count || key_at(table, leaf, entry) != key)
		return;
	place = entry_at(table, leaf, entry);
	leaf->count--;
	table->entries--;
	memmove(place, place + table->entry_bytes, (leaf->count - entry) * table->entry_bytes);
	if (leaf->count == 0) {
		drop_leaf(table, at);
		return;
	}
	merge(table, at);
	if (at > 0)
		merge(table, at - 1);
}

void table_clear(struct table *table)
{
	for (size_t at = 0; at < table->count; at++)
		free(table->leaves[at]);
	free(table->leaves);
	table->leaves = NULL;
	table->count = table->room = 0;
	table->entries = 0;
}

uint64_t table_bytes(const struct table *table)
{
	return (uint64_t)table->count * (LEAF_BYTES + 16) + (uint64_t)table->room * sizeof(*table->leaves);
}

void *table_walk(const struct table *table, struct table_walk *walk)
{
	while (walk->leaf < table->count) {
		struct table_leaf *leaf = table->leaves[walk->leaf];

		if (walk->entry < leaf->count)
			return entry_at(table, leaf, walk->entry++);
		walk->leaf++;
		walk->entry = 0;
	}
	return NULL;
}
