/* SPDX-License-Identifier: Apache-2.0 */
/* Making a batch durable, for all who wait for it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/inner.h"
#include "store/tap.h"

enum {
	RESERVE_STEP_BYTES = 256 * 1024,
	/* Left for what makes room: frees need index space too. */
	RESERVE_SPARE_BYTES = 64 * 1024,
};

int commit_reserve(struct store *store, size_t bytes)
{
	uint64_t need = store->index_end + store->going.used + store->now.used + bytes + RESERVE_SPARE_BYTES;
	uint64_t step;

	if (!store->can_reserve || need <= store->reserved_end)
		return 0;
	step = need - store->reserved_end;
	if (step < RESERVE_STEP_BYTES)
		step = RESERVE_STEP_BYTES;
	if (fallocate(store->files.index_fd, FALLOC_FL_KEEP_SIZE, (off_t)store->reserved_end, (off_t)step) == 0) {
		store->reserved_end += step;
		return 0;
	}
	if (errno == ENOSPC || errno == EDQUOT)
		return -ENOSPC;
	if (errno != EINTR)
		store->can_reserve = false;
	return 0;
}

/* Appends `going`; without the lock, which is not needed for what only who commits changes. */
static int append(struct store *store)
{
	struct batch *going = &store->going;
	int error;

	index_seal(store->index_salt, store->index_end, going->bytes, going->used);
	error = tap(TAP_WRITE, TAP_INDEX, store->index_end, going->bytes, going->used);
	if (error == 0)
		error = write_all(store->files.index_fd, going->bytes, going->used, store->index_end);
	if (error < 0) {
		/* Half of it may be there. It would not be read, and is written over. */
		if (tap(TAP_TRUNCATE, TAP_INDEX, store->index_end, NULL, 0) == 0 && ftruncate(store->files.index_fd, (off_t)store->index_end) < 0)
			return error;
		return error;
	}
	error = tap(TAP_SYNC, TAP_INDEX, 0, NULL, 0);
	if (error < 0)
		return error;
	return fdatasync(store->files.index_fd) < 0 ? -errno : 0;
}

/* Records that went into the index with `going` are found there from now on. */
static void settle_records(struct store *store)
{
	struct index_view view;
	struct record *record;
	size_t at = 0;

	while ((record = batch_next_record(store, &store->going, &at, &view)) != NULL) {
		if (record->batch != batch_tag(&store->going) || record->at != view.at)
			continue;
		record->at = store->index_end + view.at;
		record->batch = 0;
	}
}

static int by_block(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->block > y->block) - (x->block < y->block);
}

/* Neighbours with one call. */
static void punch_freed(struct store *store)
{
	struct batch *going = &store->going;
	struct extent hole = { 0, 0 };

	if (going->freed_count > 1)
		qsort(going->freed, going->freed_count, sizeof(*going->freed), by_block);
	for (size_t i = 0; i < going->freed_count; i++) {
		struct extent extent = going->freed[i];

		if (hole.blocks > 0 && hole.block + hole.blocks == extent.block) {
			hole.blocks += extent.blocks;
			continue;
		}
		if (hole.blocks > 0)
			data_punch(store->data, byte_of(hole.block), byte_of(hole.blocks));
		hole = extent;
	}
	if (hole.blocks > 0)
		data_punch(store->data, byte_of(hole.block), byte_of(hole.blocks));
}

void store_region_idle(struct store *store, struct region *region)
{
	uint64_t block = region->block;

	if (region->blobs > 0 || region->busy > 0 || region->leaving != 0)
		return;
	if (batch_room(store, index_space_of(sizeof(block)), 0) < 0)
		return;
	/* All in it was freed and durably so: its place may be given again in the same batch. */
	batch_add(store, INDEX_BACK, &block, sizeof(block), NULL, 0);
	space_drop(&store->space, region);
}

/* Nobody reads any more who looked up a place before this. */
static void wait_for_readers(struct store *store)
{
	unsigned old = store->phase;

	store->phase = 1 - old;
	while (store->readers[old] > 0)
		pthread_cond_wait(&store->changed, &store->lock);
}

static struct region *find_leaving(const struct store *store, uint64_t number)
{
	for (uint32_t i = 0; i < store->space.count; i++)
		if (store->space.regions[i]->leaving != 0 && store->space.regions[i]->leaving <= number)
			return store->space.regions[i];
	return NULL;
}

static void return_extent(struct store *store, struct extent extent)
{
	struct region *region = space_region_of(&store->space, extent.block);

	space_return(&store->space, extent);
	store->used_blocks -= extent.blocks;
	region->busy--;
	store_region_idle(store, region);
}

/* Gives space back that `going` freed. */
static void release(struct store *store)
{
	struct batch *going = &store->going;
	struct region *region = find_leaving(store, going->number);

	if (going->freed_count == 0 && region == NULL)
		return;
	wait_for_readers(store);
	pthread_mutex_unlock(&store->lock);
	punch_freed(store);
	pthread_mutex_lock(&store->lock);
	for (size_t i = 0; i < going->freed_count; i++)
		return_extent(store, going->freed[i]);
	for (; region != NULL; region = find_leaving(store, going->number)) {
		uint64_t block = region->block, blocks = region->blocks;

		pthread_mutex_unlock(&store->lock);
		data_punch(store->data, block * SPACE_BLOCK_BYTES, blocks * SPACE_BLOCK_BYTES);
		pthread_mutex_lock(&store->lock);
		store->used_blocks -= region->leaving_blocks;
		space_drop(&store->space, region);
	}
}

/* With `going` made durable or not. */
static int settle(struct store *store, int error)
{
	if (error < 0) {
		store->failed_number = store->going.number;
		store->failed_error = error;
		/* Without its commit marker. */
		store->going.used -= index_space_of(sizeof(struct index_commit));
		if (batch_put_back(store) < 0)
			store->broken = -ENOMEM;
		return error;
	}
	store->done_number = store->going.number;
	store->sequence++;
	pthread_cond_broadcast(&store->changed);
	release(store);
	batch_clear(&store->going);
	return 0;
}

static int commit_now(struct store *store)
{
	struct index_commit body = { .sequence = store->sequence + 1, .next_id = store->next_id };
	struct rewrite rewrite = { .fd = -1 };
	bool unknown = false;
	int error = batch_room(store, index_space_of(sizeof(body)), 0);

	if (error < 0)
		return error;
	batch_add(store, INDEX_COMMIT, &body, sizeof(body), NULL, 0);
	store->committing = true;
	store->going = store->now;
	store->now = (struct batch){ .number = store->going.number + 1 };
	if (rewrite_wanted(store) && rewrite_begin(store, &rewrite) < 0)
		rewrite.fd = -1;
	pthread_mutex_unlock(&store->lock);
	if (store->going.puts > 0) {
		/* What was written may be lost, and nobody has it any more to write it again. */
		error = data_sync(store->data);
		unknown = error < 0;
	}
	if (rewrite.fd >= 0 && error == 0)
		error = rewrite_finish(store, &rewrite, &unknown);
	if (rewrite.fd >= 0 && error < 0) {
		rewrite_drop(store, &rewrite);
		if (!unknown)
			error = 0;
	}
	if (rewrite.fd < 0 && error == 0)
		error = append(store);
	pthread_mutex_lock(&store->lock);
	if (unknown)
		store->broken = -EIO;
	if (error == 0 && rewrite.fd >= 0) {
		rewrite_take(store, &rewrite);
	} else if (error == 0) {
		settle_records(store);
		store->index_end += store->going.used;
	}
	error = settle(store, error);
	store->committing = false;
	pthread_cond_broadcast(&store->changed);
	return error;
}

int commit_all(struct store *store)
{
	uint64_t want = store->now.used > 0 ? store->now.number : store->now.number - 1;
	int error;

	while (store->done_number < want) {
		if (store->broken < 0)
			return store->broken;
		if (store->failed_number >= want)
			return store->failed_error;
		if (store->committing) {
			pthread_cond_wait(&store->changed, &store->lock);
			continue;
		}
		error = commit_now(store);
		if (error < 0 && store->done_number < want)
			return error;
	}
	return 0;
}
