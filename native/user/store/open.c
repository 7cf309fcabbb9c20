/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and what a store says of itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/inner.h"

static ssize_t read_index(void *context, void *out, size_t bytes, uint64_t at)
{
	const struct store *store = context;
	ssize_t got = pread(store->files.index_fd, out, bytes, (off_t)at);

	return got < 0 ? (errno == EINTR ? read_index(context, out, bytes, at) : -errno) : got;
}

static uint64_t disk_bytes_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) < 0 ? 0 : (uint64_t)stat.st_blocks * 512;
}

static int load(struct store *store)
{
	struct index_source source = { .read = read_index, .context = store };
	struct index_extent extent;
	struct stat stat;
	int error;

	if (fstat(store->files.index_fd, &stat) < 0)
		return -errno;
	source.bytes = (uint64_t)stat.st_size;
	error = replay(store, &source, &store->files.header, &extent);
	index_source_clear(&source);
	if (error < 0)
		return error;
	if (extent.end < source.bytes && ftruncate(store->files.index_fd, (off_t)extent.end) < 0)
		return -errno;
	store->index_salt = store->files.header.salt;
	store->index_end = store->reserved_end = extent.end;
	store->sequence = extent.sequence;
	store->next_id = extent.next_id;
	return 0;
}

/* Remains of what was not committed, or freed just before a crash. */
static void sweep(struct store *store)
{
	uint64_t used_bytes = (store->used_blocks + 1) * SPACE_BLOCK_BYTES;
	uint32_t block = SPACE_FIRST_BLOCK;
	int fd = store->files.data_fd;

	if (disk_bytes_of(fd) <= used_bytes + used_bytes / 64 + 256 * 1024)
		return;
	while (block < store->space.end_block) {
		off_t from = lseek(fd, (off_t)byte_of(block), SEEK_DATA);
		off_t to = from < 0 ? -1 : lseek(fd, from, SEEK_HOLE);
		uint64_t end = (uint64_t)to / SPACE_BLOCK_BYTES;

		if (from < 0 || to < 0)
			return;
		if (end > store->space.end_block)
			end = store->space.end_block;
		for (block = (uint32_t)((uint64_t)from / SPACE_BLOCK_BYTES); block < end; ) {
			struct extent hole = space_next_free(&store->space, block);

			if (hole.blocks == 0 || hole.block >= end)
				break;
			if (hole.blocks > end - hole.block)
				hole.blocks = (uint32_t)end - hole.block;
			data_punch(store->data, byte_of(hole.block), byte_of(hole.blocks));
			block = hole.block + hole.blocks;
		}
		block = (uint32_t)end;
	}
}

static void drop_idle_regions(struct store *store)
{
	for (uint32_t i = store->space.count; i > 0; i--)
		store_region_idle(store, store->space.regions[i - 1]);
}

static void release_all(struct store *store)
{
	if (store->data != NULL)
		data_close(store->data);
	files_close(&store->files);
	space_clear(&store->space);
	table_clear(&store->blobs);
	table_clear(&store->records);
	batch_clear(&store->now);
	batch_clear(&store->going);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

int store_open(struct store **opened, const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));
	int error;

	*opened = NULL;
	if (store == NULL)
		return -ENOMEM;
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->changed, NULL);
	store->blobs.entry_bytes = sizeof(struct blob);
	store->records.entry_bytes = sizeof(struct record);
	store->now.number = 1;
	store->can_reserve = true;
	store->most_bytes = options->most_bytes;
	error = files_open(&store->files, options);
	if (error == 0) {
		space_init(&store->space, store->files.super.apparent_bytes, store->files.super.region_bytes);
		error = load(store);
	}
	if (error == 0)
		error = data_open(&store->data, store->files.data_fd, options->direct);
	if (error < 0) {
		release_all(store);
		return error;
	}
	sweep(store);
	drop_idle_regions(store);
	*opened = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	(void)store_commit(store);
	release_all(store);
}

void store_stats(struct store *store, struct store_stats *stats)
{
	pthread_mutex_lock(&store->lock);
	*stats = (struct store_stats){
		.blobs = store->blobs.entries,
		.records = store->records.entries,
		.stored_bytes = store->stored_bytes,
		.disk_bytes = disk_bytes_of(store->files.data_fd) + disk_bytes_of(store->files.index_fd),
		.apparent_bytes = store->files.super.apparent_bytes,
		.regions = store->space.count,
		.own_bytes = sizeof(*store) + table_bytes(&store->blobs) + table_bytes(&store->records) + space_bytes(&store->space) + store->now.room + store->going.room +
			     (store->now.freed_room + store->going.freed_room) * sizeof(struct extent) + data_own_bytes(store->data),
		.direct = data_is_direct(store->data),
		.uring = data_has_uring(store->data),
	};
	pthread_mutex_unlock(&store->lock);
}
