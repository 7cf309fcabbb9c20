/* SPDX-License-Identifier: Apache-2.0 */
/* What is done for many at a time: freeing an owner, and looking at all. */
#include <errno.h>
#include <stdlib.h>

#include "store/inner.h"

static bool is_quiet(const struct store *store, uint64_t owner)
{
	for (const struct region *region = space_first_of(&store->space, owner); region != NULL; region = region->next)
		if (region->busy > 0)
			return false;
	return true;
}

static uint64_t count_blobs(const struct store *store, uint64_t owner, uint64_t *regions)
{
	uint64_t blobs = 0;

	*regions = 0;
	for (const struct region *region = space_first_of(&store->space, owner); region != NULL; region = region->next) {
		/* Those leave with an earlier call. */
		if (region->leaving != 0)
			continue;
		blobs += region->blobs;
		(*regions)++;
	}
	return blobs;
}

/* Takes all the owner's blobs out; describes each where its region does not leave whole. */
static void take_blobs(struct store *store, uint64_t owner, bool whole)
{
	struct blob *blob;

	for (uint64_t id = 0; (blob = table_from(&store->blobs, id)) != NULL; ) {
		struct region *region = space_region_of(&store->space, blob->block);
		struct extent extent = { blob->block, blocks_of(blob->bytes) };

		id = blob->id;
		if (region->owner == owner && region->leaving == 0) {
			store->stored_bytes -= blob->bytes;
			region->blobs--;
			table_remove(&store->blobs, id);
			if (whole) {
				region->leaving_blocks += extent.blocks;
			} else {
				region->busy++;
				batch_add(store, INDEX_FREE, &id, sizeof(id), NULL, 0);
				batch_free_extent(store, extent);
			}
		}
		id++;
	}
}

int store_free_owner(struct store *store, uint64_t owner)
{
	uint64_t regions, blobs;
	bool whole;
	int error;

	pthread_mutex_lock(&store->lock);
	blobs = count_blobs(store, owner, &regions);
	whole = is_quiet(store, owner);
	error = store->broken;
	if (error == 0 && regions > 0)
		error = batch_room(store, (whole ? regions : blobs) * index_space_of(sizeof(uint64_t)), whole ? 0 : blobs);
	if (error == 0 && regions > 0) {
		if (blobs > 0)
			take_blobs(store, owner, whole);
		for (struct region *region = space_first_of(&store->space, owner); whole && region != NULL; region = region->next) {
			uint64_t block = region->block;

			if (region->leaving != 0)
				continue;
			region->leaving = store->now.number;
			batch_add(store, INDEX_BACK, &block, sizeof(block), NULL, 0);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return error;
}

int store_each_blob(struct store *store, int (*look)(void *context, uint64_t id, uint64_t owner, size_t bytes), void *context)
{
	uint64_t next = 0;
	int told = 0;

	while (told == 0) {
		uint64_t owner = 0;
		struct blob *blob, found = { 0 };

		pthread_mutex_lock(&store->lock);
		blob = table_from(&store->blobs, next);
		if (blob != NULL) {
			found = *blob;
			owner = space_region_of(&store->space, blob->block)->owner;
		}
		pthread_mutex_unlock(&store->lock);
		if (blob == NULL)
			break;
		told = look(context, found.id, owner, found.bytes);
		next = found.id + 1;
	}
	return told;
}

int store_each_record(struct store *store, int (*look)(void *context, uint64_t key, const void *data, size_t bytes), void *context)
{
	uint64_t next = 0;
	int told = 0;

	while (told == 0) {
		struct record *record, found = { 0 };
		void *data = NULL;

		pthread_mutex_lock(&store->lock);
		record = table_from(&store->records, next);
		if (record != NULL) {
			found = *record;
			data = malloc(found.bytes);
			told = data == NULL ? -ENOMEM : record_read(store, record, data);
		}
		pthread_mutex_unlock(&store->lock);
		if (record == NULL)
			break;
		if (told == 0)
			told = look(context, found.key, data, found.bytes);
		free(data);
		next = found.key + 1;
		if (next == 0)
			break;
	}
	return told;
}
