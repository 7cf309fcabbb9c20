/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#define PAGE_BYTES 4096u
#define HOLES_MOST_PART 24
#define ROUND_BYTES 8u

struct region {
	struct region *next;
	struct region **link;	/* what points here; NULL: in no bucket */
	uint32_t used_bytes;	/* from the region's begin; behind it nothing was ever written */
	uint32_t live_bytes;	/* of entries, headers with them */
};

/* Before the bytes of each small piece. */
struct entry {
	/* Its piece, or (bytes << 1 | 1) of a hole. */
	uintptr_t owner;
	uint8_t bytes[];
};

static size_t pages(size_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static uint32_t entry_bytes(uint32_t stored_bytes)
{
	return (uint32_t)sizeof(struct entry) + ((stored_bytes + ROUND_BYTES - 1) & ~(ROUND_BYTES - 1));
}

static bool is_large(const struct warm_piece *piece)
{
	return piece->stored_bytes > ARENA_SMALL_MOST;
}

static struct region *region_of(const struct warm_piece *piece)
{
	return (struct region *)((uintptr_t)piece->bytes & ~(uintptr_t)(ARENA_REGION_BYTES - 1));
}

static struct entry *entry_at(struct region *region, uint32_t offset)
{
	return (struct entry *)(void *)((uint8_t *)region + offset);
}

void arena_open(struct arena *arena)
{
	*arena = (struct arena){ .head = NULL };
	pthread_mutex_init(&arena->lock, NULL);
}

/* Memory by the page: huge pages would keep what was dropped. */
static void *map_pages(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

/* At the limit of areas a process may have, cutting one in two fails; then only the pages go. */
static void unmap_pages(void *memory, size_t bytes)
{
	if (munmap(memory, bytes) != 0)
		madvise(memory, bytes, MADV_DONTNEED);
}

static struct region *region_make(struct arena *arena)
{
	uint8_t *memory = map_pages(2 * (size_t)ARENA_REGION_BYTES);
	size_t before;
	struct region *region;

	if (memory == NULL)
		return NULL;
	before = -(uintptr_t)memory & (ARENA_REGION_BYTES - 1);
	if (before > 0)
		unmap_pages(memory, before);
	unmap_pages(memory + before + ARENA_REGION_BYTES, ARENA_REGION_BYTES - before);
	region = (struct region *)(void *)(memory + before);
	region->used_bytes = sizeof(*region);
	arena->region_bytes += pages(region->used_bytes);
	return region;
}

static void region_free(struct arena *arena, struct region *region)
{
	arena->region_bytes -= pages(region->used_bytes);
	unmap_pages(region, ARENA_REGION_BYTES);
}

static void leave_bucket(struct region *region)
{
	if (region->link == NULL)
		return;
	*region->link = region->next;
	if (region->next != NULL)
		region->next->link = region->link;
	region->link = NULL;
	region->next = NULL;
}

static void enter_bucket(struct arena *arena, struct region *region)
{
	struct region **bucket = &arena->buckets[(uint64_t)region->live_bytes * ARENA_BUCKETS / ARENA_REGION_BYTES];

	region->next = *bucket;
	region->link = bucket;
	if (region->next != NULL)
		region->next->link = &region->next;
	*bucket = region;
}

/* Room for an entry at the end of the region written to. */
static struct entry *append(struct arena *arena, uint32_t bytes)
{
	struct region *head = arena->head;
	struct entry *entry;

	if (head == NULL || head->used_bytes + bytes > ARENA_REGION_BYTES) {
		struct region *region = region_make(arena);

		if (region == NULL)
			return NULL;
		if (head != NULL && head->live_bytes == 0)
			region_free(arena, head);
		else if (head != NULL)
			enter_bucket(arena, head);
		head = arena->head = region;
	}
	entry = entry_at(head, head->used_bytes);
	arena->region_bytes += pages(head->used_bytes + bytes) - pages(head->used_bytes);
	head->used_bytes += bytes;
	head->live_bytes += bytes;
	arena->live_bytes += bytes;
	return entry;
}

/* Everything in it to the region written to. False without memory: what was not moved stays. */
static bool empty_region(struct arena *arena, struct region *region)
{
	uint32_t offset = sizeof(*region);

	while (offset < region->used_bytes) {
		struct entry *from = entry_at(region, offset);
		struct warm_piece *piece = (struct warm_piece *)from->owner;
		struct entry *to;
		uint32_t bytes;

		if (from->owner & 1) {
			offset += (uint32_t)(from->owner >> 1);
			continue;
		}
		bytes = entry_bytes(piece->stored_bytes);
		to = append(arena, bytes);
		if (to == NULL)
			return false;
		memcpy(to, from, bytes);
		piece->bytes = to->bytes;
		from->owner = (uintptr_t)bytes << 1 | 1;
		region->live_bytes -= bytes;
		arena->live_bytes -= bytes;
		offset += bytes;
	}
	return true;
}

static struct region *emptiest(struct arena *arena)
{
	for (unsigned i = 0; i < ARENA_BUCKETS; i++)
		if (arena->buckets[i] != NULL)
			return arena->buckets[i];
	return NULL;
}

/* One region at a time, so that no caller waits for more than that. */
static bool tidy(struct arena *arena)
{
	struct region *region;

	if (arena->region_bytes - arena->live_bytes <= arena->live_bytes / HOLES_MOST_PART + ARENA_REGION_BYTES)
		return false;
	region = emptiest(arena);
	if (region == NULL)
		return false;
	leave_bucket(region);
	if (!empty_region(arena, region)) {
		enter_bucket(arena, region);
		return false;
	}
	region_free(arena, region);
	return true;
}

int arena_put(struct arena *arena, struct warm_piece *piece, const void *bytes)
{
	struct entry *entry;

	piece->bytes = NULL;
	if (piece->stored_bytes == 0)
		return 0;
	if (is_large(piece)) {
		uint8_t *memory = map_pages(pages(piece->stored_bytes));

		if (memory == NULL)
			return -ENOMEM;
#ifdef MADV_POPULATE_WRITE
		/* In one go where the kernel can (5.14): a third of what faults one by one cost. */
		madvise(memory, pages(piece->stored_bytes), MADV_POPULATE_WRITE);
#endif
		memcpy(memory, bytes, piece->stored_bytes);
		piece->bytes = memory;
		pthread_mutex_lock(&arena->lock);
		arena->large_bytes += pages(piece->stored_bytes);
		pthread_mutex_unlock(&arena->lock);
		return 0;
	}
	pthread_mutex_lock(&arena->lock);
	entry = append(arena, entry_bytes(piece->stored_bytes));
	if (entry != NULL) {
		entry->owner = (uintptr_t)piece;
		memcpy(entry->bytes, bytes, piece->stored_bytes);
		piece->bytes = entry->bytes;
	}
	pthread_mutex_unlock(&arena->lock);
	return entry != NULL ? 0 : -ENOMEM;
}

static void remove_small(struct arena *arena, struct warm_piece *piece)
{
	struct region *region = region_of(piece);
	uint32_t bytes = entry_bytes(piece->stored_bytes);
	struct entry *entry = (struct entry *)(void *)(piece->bytes - sizeof(*entry));

	entry->owner = (uintptr_t)bytes << 1 | 1;
	region->live_bytes -= bytes;
	arena->live_bytes -= bytes;
	if (region != arena->head) {
		leave_bucket(region);
		if (region->live_bytes == 0)
			region_free(arena, region);
		else
			enter_bucket(arena, region);
	} else if (region->live_bytes == 0) {
		region_free(arena, region);
		arena->head = NULL;
	}
	tidy(arena);
}

void arena_remove(struct arena *arena, struct warm_piece *piece)
{
	if (piece->stored_bytes == 0)
		return;
	if (is_large(piece))
		unmap_pages(piece->bytes, pages(piece->stored_bytes));
	pthread_mutex_lock(&arena->lock);
	if (is_large(piece))
		arena->large_bytes -= pages(piece->stored_bytes);
	else
		remove_small(arena, piece);
	pthread_mutex_unlock(&arena->lock);
}

const uint8_t *arena_look(struct arena *arena, const struct warm_piece *piece, uint8_t *room)
{
	if (piece->stored_bytes == 0)
		return room;
	if (is_large(piece))
		return piece->bytes;
	pthread_mutex_lock(&arena->lock);
	memcpy(room, piece->bytes, piece->stored_bytes);
	pthread_mutex_unlock(&arena->lock);
	return room;
}

void arena_rest(struct arena *arena)
{
	bool more = true;

	while (more) {
		pthread_mutex_lock(&arena->lock);
		more = tidy(arena);
		pthread_mutex_unlock(&arena->lock);
	}
}

uint64_t arena_pool_bytes(struct arena *arena)
{
	uint64_t bytes;

	pthread_mutex_lock(&arena->lock);
	bytes = arena->region_bytes + arena->large_bytes;
	pthread_mutex_unlock(&arena->lock);
	return bytes;
}

void arena_close(struct arena *arena)
{
	if (arena->head != NULL)
		region_free(arena, arena->head);
	pthread_mutex_destroy(&arena->lock);
}
