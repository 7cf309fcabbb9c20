/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "store/inner.h"

/* Regions of a put: the one that gave half, and the new one. */
#define PUT_SPACE (index_space_of(sizeof(struct index_put)) + 2 * index_space_of(sizeof(struct index_region)))

static int lock_for_change(struct store *store)
{
	int error;

	pthread_mutex_lock(&store->lock);
	error = store->broken;
	if (error < 0)
		pthread_mutex_unlock(&store->lock);
	return error;
}

static int take_space(struct store *store, uint64_t owner, uint32_t blocks, struct extent *extent)
{
	struct region *region, *shrunk;
	uint64_t disk_bytes = byte_of(1) + store->index_end + store->now.used;
	int error = batch_room(store, PUT_SPACE, 0);

	if (error == 0)
		error = commit_reserve(store, PUT_SPACE);
	if (error == 0 && store->most_bytes > 0 && (store->used_blocks + blocks) * SPACE_BLOCK_BYTES + disk_bytes > store->most_bytes)
		error = -ENOSPC;
	if (error < 0)
		return error;
	if (!space_take(&store->space, owner, blocks, extent)) {
		region = space_give(&store->space, owner, blocks, &shrunk);
		if (region == NULL)
			return -ENOSPC;
		if (shrunk != NULL)
			batch_add_region(store, shrunk);
		batch_add_region(store, region);
		if (!space_take(&store->space, owner, blocks, extent))
			return -ENOMEM;
	}
	space_region_of(&store->space, extent->block)->busy++;
	store->used_blocks += blocks;
	return 0;
}

/* Never part of a batch: nothing to wait for. */
static void give_up_space(struct store *store, struct extent extent)
{
	struct region *region = space_region_of(&store->space, extent.block);

	space_return(&store->space, extent);
	store->used_blocks -= extent.blocks;
	region->busy--;
	store_region_idle(store, region);
}

static int add_blob(struct store *store, struct extent extent, uint64_t checksum, size_t bytes, uint64_t *id)
{
	struct index_put body = { .id = store->next_id, .checksum = checksum, .block = extent.block, .bytes = (uint32_t)bytes };
	struct region *region = space_region_of(&store->space, extent.block);
	int error = store->broken < 0 ? store->broken : batch_room(store, PUT_SPACE, 0);
	struct blob *blob;

	if (error < 0)
		return error;
	blob = table_add(&store->blobs, body.id);
	if (blob == NULL)
		return -ENOMEM;
	blob->checksum = checksum;
	blob->block = extent.block;
	blob->bytes = body.bytes;
	batch_add(store, INDEX_PUT, &body, sizeof(body), NULL, 0);
	store->now.puts++;
	store->next_id++;
	store->stored_bytes += bytes;
	region->busy--;
	region->blobs++;
	*id = body.id;
	return 0;
}

int store_put(struct store *store, uint64_t owner, const void *data, size_t bytes, uint64_t *id)
{
	struct extent extent;
	uint64_t checksum;
	int error;

	if (bytes > STORE_BLOB_MOST)
		return -EFBIG;
	checksum = checksum_of(data, bytes);
	error = lock_for_change(store);
	if (error < 0)
		return error;
	error = take_space(store, owner, blocks_of(bytes), &extent);
	pthread_mutex_unlock(&store->lock);
	if (error < 0)
		return error;
	error = data_write(store->data, byte_of(extent.block), data, bytes);
	if (error < 0)
		data_punch(store->data, byte_of(extent.block), byte_of(extent.blocks));
	pthread_mutex_lock(&store->lock);
	if (error == 0)
		error = add_blob(store, extent, checksum, bytes, id);
	if (error < 0)
		give_up_space(store, extent);
	pthread_mutex_unlock(&store->lock);
	return error;
}

/* Where it lies; begins a read. */
static int find_blob(struct store *store, uint64_t id, struct blob *found, unsigned *phase)
{
	struct blob *blob;

	pthread_mutex_lock(&store->lock);
	blob = table_find(&store->blobs, id);
	if (blob != NULL) {
		*found = *blob;
		*phase = store->phase;
		store->readers[*phase]++;
	}
	pthread_mutex_unlock(&store->lock);
	return blob == NULL ? -ENOENT : 0;
}

static void end_read(struct store *store, unsigned phase)
{
	pthread_mutex_lock(&store->lock);
	if (--store->readers[phase] == 0)
		pthread_cond_broadcast(&store->changed);
	pthread_mutex_unlock(&store->lock);
}

ssize_t store_get(struct store *store, uint64_t id, void *out, size_t room)
{
	struct blob blob;
	unsigned phase;
	int error = find_blob(store, id, &blob, &phase);

	if (error < 0)
		return error;
	if (blob.bytes <= room)
		error = data_read(store->data, byte_of(blob.block), out, blob.bytes, room);
	end_read(store, phase);
	if (error < 0)
		return error;
	if (blob.bytes <= room && checksum_of(out, blob.bytes) != blob.checksum)
		return -EIO;
	return (ssize_t)blob.bytes;
}

int store_free(struct store *store, uint64_t id)
{
	struct region *region;
	struct blob *blob;
	int error = lock_for_change(store);

	if (error < 0)
		return error;
	blob = table_find(&store->blobs, id);
	error = blob == NULL ? -ENOENT : batch_room(store, index_space_of(sizeof(id)), 1);
	if (error == 0) {
		struct extent extent = { blob->block, blocks_of(blob->bytes) };

		region = space_region_of(&store->space, blob->block);
		region->blobs--;
		region->busy++;
		store->stored_bytes -= blob->bytes;
		batch_add(store, INDEX_FREE, &id, sizeof(id), NULL, 0);
		batch_free_extent(store, extent);
		table_remove(&store->blobs, id);
	}
	pthread_mutex_unlock(&store->lock);
	return error;
}

int store_record(struct store *store, uint64_t key, const void *data, size_t bytes)
{
	struct record *record;
	int error;

	if (bytes > STORE_RECORD_MOST)
		return -EFBIG;
	error = lock_for_change(store);
	if (error < 0)
		return error;
	record = table_find(&store->records, key);
	if (record == NULL && bytes == 0) {
		pthread_mutex_unlock(&store->lock);
		return 0;
	}
	error = batch_room(store, record_space((uint32_t)bytes), 0);
	if (error == 0 && bytes > 0)
		error = commit_reserve(store, record_space((uint32_t)bytes));
	if (error == 0 && record == NULL) {
		record = table_add(&store->records, key);
		error = record == NULL ? -ENOMEM : 0;
	} else if (error == 0) {
		store->record_bytes -= record_space(record->bytes);
	}
	if (error == 0) {
		uint64_t at = batch_add(store, INDEX_RECORD, &key, sizeof(key), data, bytes);

		if (bytes == 0) {
			table_remove(&store->records, key);
		} else {
			record->at = at;
			record->next_at = 0;
			record->bytes = (uint32_t)bytes;
			record->batch = batch_tag(&store->now);
			store->record_bytes += record_space(record->bytes);
		}
	}
	pthread_mutex_unlock(&store->lock);
	return error;
}

int store_commit(struct store *store)
{
	int error;

	pthread_mutex_lock(&store->lock);
	error = commit_all(store);
	pthread_mutex_unlock(&store->lock);
	return error;
}

ssize_t store_read(struct store *store, uint64_t id, uint64_t offset, void *out, size_t bytes)
{
	struct blob blob;
	unsigned phase;
	int error = find_blob(store, id, &blob, &phase);

	if (error < 0)
		return error;
	if (offset >= blob.bytes)
		bytes = 0;
	else if (bytes > blob.bytes - offset)
		bytes = (size_t)(blob.bytes - offset);
	if (bytes > 0)
		error = data_read(store->data, byte_of(blob.block) + offset, out, bytes, bytes);
	end_read(store, phase);
	return error < 0 ? error : (ssize_t)bytes;
}
