/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that are not durable yet. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/inner.h"

int batch_room(struct store *store, size_t bytes, size_t freed)
{
	struct batch *now = &store->now;

	if (now->room - now->used < bytes) {
		size_t room = now->used + bytes + now->room / 2 + 4096;
		uint8_t *more = realloc(now->bytes, room);

		if (more == NULL)
			return -ENOMEM;
		now->bytes = more;
		now->room = room;
	}
	if (now->freed_room - now->freed_count < freed) {
		size_t room = now->freed_count + freed + now->freed_room / 2 + 16;
		struct extent *more = realloc(now->freed, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		now->freed = more;
		now->freed_room = room;
	}
	return 0;
}

uint64_t batch_add(struct store *store, enum index_kind kind, const void *body, size_t bytes, const void *more, size_t more_bytes)
{
	struct batch *now = &store->now;
	uint64_t at = now->used;

	index_write(now->bytes + now->used, kind, body, bytes, more, more_bytes);
	now->used += index_space_of(bytes + more_bytes);
	return at;
}

void batch_add_region(struct store *store, const struct region *region)
{
	struct index_region body = { .owner = region->owner, .block = region->block, .blocks = region->blocks };

	batch_add(store, INDEX_REGION, &body, sizeof(body), NULL, 0);
}

void batch_free_extent(struct store *store, struct extent extent)
{
	store->now.freed[store->now.freed_count++] = extent;
}

void batch_clear(struct batch *batch)
{
	free(batch->bytes);
	free(batch->freed);
	memset(batch, 0, sizeof(*batch));
}

struct record *batch_next_record(struct store *store, const struct batch *batch, size_t *at, struct index_view *view)
{
	while (index_next(batch->bytes, batch->used, at, view)) {
		struct record *record;
		uint64_t key;

		if (view->kind != INDEX_RECORD)
			continue;
		memcpy(&key, view->body, sizeof(key));
		record = table_find(&store->records, key);
		if (record != NULL)
			return record;
	}
	return NULL;
}

/* Records whose data is in `now` point to where it has gone. */
static void point_records(struct store *store)
{
	struct index_view view;
	struct record *record;
	size_t at = 0;

	while ((record = batch_next_record(store, &store->now, &at, &view)) != NULL) {
		if (record->batch == 0)
			continue;
		record->at = view.at;
		record->batch = batch_tag(&store->now);
	}
}

int batch_put_back(struct store *store)
{
	struct batch *going = &store->going, *now = &store->now;
	int error = batch_room(store, going->used, going->freed_count);

	if (error < 0)
		return error;
	if (now->used > 0)
		memmove(now->bytes + going->used, now->bytes, now->used);
	if (going->used > 0)
		memcpy(now->bytes, going->bytes, going->used);
	now->used += going->used;
	if (going->freed_count > 0)
		memcpy(now->freed + now->freed_count, going->freed, going->freed_count * sizeof(*going->freed));
	now->freed_count += going->freed_count;
	now->puts += going->puts;
	batch_clear(going);
	point_records(store);
	return 0;
}
