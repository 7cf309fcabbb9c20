// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "sketch.h"

#define NODES_LEAST 256u
/* Of one feature. Half of them are those that came first. */
#define SAME_MOST 16u
/* Of all features that fall into one bucket: whoever makes up features to meet there only hides his own. */
#define BUCKET_MOST 48u
#define NONE 0u

struct spot {
	am_u32 key;
	am_u32 next;		/* place in `nodes`, from 1 */
	am_u64 id;
};

struct am_sketch_index {
	struct am_host host;
	struct spot *nodes;	/* [0] is not used */
	am_u32 *heads;
	am_u32 room;		/* nodes and buckets, a power of two */
	am_u32 used;
	am_u32 fresh;		/* from here on never used */
	am_u32 free;
};

/* The same value means nothing in another slot. */
static am_u32 key_of(const struct am_sketch *sketch, unsigned slot)
{
	am_u64 mixed = (sketch->feature[slot] + ((am_u64)slot << 32)) * 0x9e3779b97f4a7c15ull;

	return (am_u32)(mixed >> 32);
}

static am_size nodes_bytes(am_u32 room)
{
	return (am_size)room * sizeof(struct spot);
}

static am_size heads_bytes(am_u32 room)
{
	return (am_size)room * sizeof(am_u32);
}

static void release(const struct am_host *host, struct spot *nodes, am_u32 *heads, am_u32 room)
{
	if (nodes != NULL)
		host->release(host->context, nodes, nodes_bytes(room));
	if (heads != NULL)
		host->release(host->context, heads, heads_bytes(room));
}

/* The nodes of a bucket, last one first: put in front of each other they come out in the old order. */
static am_u32 turned(struct spot *nodes, am_u32 at)
{
	am_u32 before = NONE;

	while (at != NONE) {
		am_u32 next = nodes[at].next;

		nodes[at].next = before;
		before = at;
		at = next;
	}
	return before;
}

static bool resize(struct am_sketch_index *index, am_u32 room)
{
	const struct am_host *host = &index->host;
	struct spot *nodes = host->allocate(host->context, nodes_bytes(room));
	am_u32 *heads = host->allocate(host->context, heads_bytes(room));
	am_u32 fresh = 1;

	if (nodes == NULL || heads == NULL) {
		release(host, nodes, heads, room);
		return false;
	}
	for (am_u32 bucket = 0; bucket < index->room; bucket++) {
		for (am_u32 at = turned(index->nodes, index->heads[bucket]); at != NONE; at = index->nodes[at].next) {
			am_u32 *head = &heads[index->nodes[at].key & (room - 1)];

			nodes[fresh] = (struct spot){ .key = index->nodes[at].key, .next = *head, .id = index->nodes[at].id };
			*head = fresh++;
		}
	}
	release(host, index->nodes, index->heads, index->room);
	index->nodes = nodes;
	index->heads = heads;
	index->room = room;
	index->fresh = fresh;
	index->free = NONE;
	return true;
}

struct am_sketch_index *am_sketch_index_open(const struct am_host *host)
{
	struct am_sketch_index *index = host->allocate(host->context, sizeof(*index));

	if (index == NULL)
		return NULL;
	index->host = *host;
	if (!resize(index, NODES_LEAST)) {
		host->release(host->context, index, sizeof(*index));
		return NULL;
	}
	return index;
}

void am_sketch_index_close(struct am_sketch_index *index)
{
	struct am_host host = index->host;

	release(&host, index->nodes, index->heads, index->room);
	host.release(host.context, index, sizeof(*index));
}

static void drop(struct am_sketch_index *index, am_u32 *link)
{
	am_u32 at = *link;

	*link = index->nodes[at].next;
	index->nodes[at].next = index->free;
	index->free = at;
	index->used--;
}

static void add_one(struct am_sketch_index *index, am_u32 key, am_u64 id)
{
	am_u32 *head = &index->heads[key & (index->room - 1)];
	am_u32 *same_middle = NULL;
	am_u32 *last = NULL;
	unsigned same = 0;
	unsigned all = 0;
	am_u32 at;

	for (am_u32 *link = head; *link != NONE; link = &index->nodes[*link].next, all++) {
		const struct spot *node = &index->nodes[*link];

		last = link;
		if (node->key != key)
			continue;
		if (node->id == id)
			return;
		if (++same == SAME_MOST / 2)
			same_middle = link;
	}
	if (same >= SAME_MOST)
		drop(index, same_middle);
	else if (all >= BUCKET_MOST)
		drop(index, last);
	at = index->free;
	if (at != NONE)
		index->free = index->nodes[at].next;
	else
		at = index->fresh++;
	index->nodes[at] = (struct spot){ .key = key, .next = *head, .id = id };
	*head = at;
	index->used++;
}

bool am_sketch_index_add(struct am_sketch_index *index, am_u64 id, const struct am_sketch *sketch)
{
	/* One node is not used, and one sketch takes at most AM_SKETCH_FEATURES. */
	if (index->used + AM_SKETCH_FEATURES >= index->room && (index->room > ~0u / 2 || !resize(index, index->room * 2)))
		return false;
	for (unsigned slot = 0; slot < AM_SKETCH_FEATURES; slot++) {
		if (sketch->feature[slot] != 0)
			add_one(index, key_of(sketch, slot), id);
	}
	return true;
}

void am_sketch_index_remove(struct am_sketch_index *index, am_u64 id, const struct am_sketch *sketch)
{
	for (unsigned slot = 0; slot < AM_SKETCH_FEATURES; slot++) {
		am_u32 key = key_of(sketch, slot);
		am_u32 *link = &index->heads[key & (index->room - 1)];

		if (sketch->feature[slot] == 0)
			continue;
		while (*link != NONE && (index->nodes[*link].key != key || index->nodes[*link].id != id))
			link = &index->nodes[*link].next;
		if (*link != NONE)
			drop(index, link);
	}
	/* Memory goes back when most is free; where it cannot be moved it stays as it is. */
	if (index->room > NODES_LEAST && index->used < index->room / 8)
		(void)resize(index, index->room / 4);
}

am_u64 am_sketch_index_find(const struct am_sketch_index *index, const struct am_sketch *sketch, bool (*allowed)(void *context, am_u64 id), void *context)
{
	am_u64 ids[AM_SKETCH_FEATURES * SAME_MOST];
	am_u8 votes[AM_SKETCH_FEATURES * SAME_MOST];
	unsigned count = 0;

	for (unsigned slot = 0; slot < AM_SKETCH_FEATURES; slot++) {
		am_u32 key = key_of(sketch, slot);

		if (sketch->feature[slot] == 0)
			continue;
		for (am_u32 at = index->heads[key & (index->room - 1)]; at != NONE; at = index->nodes[at].next) {
			unsigned known = 0;

			if (index->nodes[at].key != key)
				continue;
			while (known < count && ids[known] != index->nodes[at].id)
				known++;
			if (known == count) {
				ids[count] = index->nodes[at].id;
				votes[count++] = 0;
			}
			votes[known]++;
		}
	}
	/* Most votes first; among equals who was met first, so the newest. Each is asked about once. */
	for (unsigned most = AM_SKETCH_FEATURES; most >= AM_SKETCH_ALIKE; most--) {
		for (unsigned i = 0; i < count; i++) {
			if (votes[i] == most && (allowed == NULL || allowed(context, ids[i])))
				return ids[i];
		}
	}
	return 0;
}

am_size am_sketch_index_bytes(const struct am_sketch_index *index)
{
	return sizeof(*index) + nodes_bytes(index->room) + heads_bytes(index->room);
}
