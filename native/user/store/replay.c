/* SPDX-License-Identifier: Apache-2.0 */
/* From the index to what a store knows. All of it may be hostile. */
#include <errno.h>
#include <string.h>

#include "store/inner.h"

/* A region's former contents are not looked for when it is given back: they are told by their ids, which only rise. */
static int replay_region(struct store *store, const struct index_view *view, uint64_t last_id)
{
	struct index_region body;
	struct region *region;

	memcpy(&body, view->body, sizeof(body));
	region = space_region_of(&store->space, body.block);
	if (region != NULL) {
		if (region->block != body.block || region->owner != body.owner || body.blocks == 0 || body.blocks > region->blocks)
			return -EUCLEAN;
		region->blocks = body.blocks;
		return 0;
	}
	region = space_add(&store->space, body.owner, body.block, body.blocks);
	if (region == NULL)
		return -EUCLEAN;
	region->first_id = last_id + 1;
	return 0;
}

static int replay_back(struct store *store, const struct index_view *view)
{
	struct region *region;
	uint64_t block;

	memcpy(&block, view->body, sizeof(block));
	if (block > UINT32_MAX)
		return -EUCLEAN;
	region = space_region_of(&store->space, (uint32_t)block);
	if (region == NULL || region->block != block)
		return -EUCLEAN;
	space_drop(&store->space, region);
	return 0;
}

static int replay_put(struct store *store, const struct index_view *view, uint64_t *last_id)
{
	struct index_put body;
	struct region *region;
	struct blob *blob;

	memcpy(&body, view->body, sizeof(body));
	region = space_region_of(&store->space, body.block);
	if (body.id <= *last_id || body.bytes > STORE_BLOB_MOST || region == NULL || blocks_of(body.bytes) > region->blocks - (body.block - region->block))
		return -EUCLEAN;
	blob = table_add(&store->blobs, body.id);
	if (blob == NULL)
		return -ENOMEM;
	blob->checksum = body.checksum;
	blob->block = body.block;
	blob->bytes = body.bytes;
	*last_id = body.id;
	return 0;
}

static int replay_free(struct store *store, const struct index_view *view)
{
	uint64_t id;

	memcpy(&id, view->body, sizeof(id));
	if (table_find(&store->blobs, id) == NULL)
		return -EUCLEAN;
	table_remove(&store->blobs, id);
	return 0;
}

static int replay_record(struct store *store, const struct index_view *view)
{
	uint32_t bytes = (uint32_t)(view->bytes - sizeof(uint64_t));
	struct record *record;
	uint64_t key;

	memcpy(&key, view->body, sizeof(key));
	record = table_find(&store->records, key);
	if (record != NULL)
		store->record_bytes -= record_space(record->bytes);
	if (bytes == 0) {
		table_remove(&store->records, key);
		return 0;
	}
	if (record == NULL)
		record = table_add(&store->records, key);
	if (record == NULL)
		return -ENOMEM;
	record->at = view->at;
	record->bytes = bytes;
	store->record_bytes += record_space(bytes);
	return 0;
}

static int replay_one(struct store *store, const struct index_view *view, uint64_t *last_id)
{
	switch (view->kind) {
	case INDEX_PUT:
		return replay_put(store, view, last_id);
	case INDEX_FREE:
		return replay_free(store, view);
	case INDEX_REGION:
		return replay_region(store, view, *last_id);
	case INDEX_BACK:
		return replay_back(store, view);
	case INDEX_RECORD:
		return replay_record(store, view);
	case INDEX_COMMIT:
		return 0;
	}
	return -EUCLEAN;
}

/* Space of what is still there is taken; what lay in regions that were given back goes. */
static int place_blobs(struct store *store)
{
	struct blob *blob;

	for (uint32_t i = 0; i < store->space.count; i++)
		if (!space_all_free(&store->space, store->space.regions[i]))
			return -ENOMEM;
	for (uint64_t id = 0; (blob = table_from(&store->blobs, id)) != NULL; ) {
		struct region *region = space_region_of(&store->space, blob->block);
		uint32_t blocks = blocks_of(blob->bytes);

		id = blob->id + 1;
		if (region == NULL || blob->id < region->first_id) {
			table_remove(&store->blobs, blob->id);
		} else {
			if (!space_carve(&store->space, region, (struct extent){ blob->block, blocks }))
				return -EUCLEAN;
			region->blobs++;
			store->used_blocks += blocks;
			store->stored_bytes += blob->bytes;
		}
		if (id == 0)
			break;
	}
	return 0;
}

int replay(struct store *store, struct index_source *source, const struct index_header *header, struct index_extent *extent)
{
	uint64_t last_id = 0;
	struct index_view view;
	int error;

	source->salt = header->salt;
	error = index_find_end(source, header, extent);
	for (uint64_t at = sizeof(*header); error == 0 && at < extent->end; at += index_space_of(view.bytes)) {
		error = index_look(source, at, &view);
		if (error == 0)
			error = replay_one(store, &view, &last_id);
	}
	if (error == 0)
		error = place_blobs(store);
	if (error == 0 && last_id >= extent->next_id)
		error = -EUCLEAN;
	return error;
}
