/* SPDX-License-Identifier: Apache-2.0 */
#include "space.h"

#include <stdlib.h>
#include <string.h>

struct owner {
	uint64_t owner;
	struct region *first;
};

void space_init(struct space *space, uint64_t apparent_bytes, uint64_t region_bytes)
{
	uint64_t least_bytes = apparent_bytes / SPACE_REGIONS_MOST;

	memset(space, 0, sizeof(*space));
	space->owners.entry_bytes = sizeof(struct owner);
	if (least_bytes < SPACE_LEAST_BYTES)
		least_bytes = SPACE_LEAST_BYTES;
	space->least_blocks = (uint32_t)(least_bytes / SPACE_BLOCK_BYTES);
	space->end_block = (uint32_t)(apparent_bytes / SPACE_BLOCK_BYTES);
	space->region_blocks = (uint32_t)(region_bytes / SPACE_BLOCK_BYTES);
	if (space->region_blocks < space->least_blocks)
		space->region_blocks = space->least_blocks;
}

void space_clear(struct space *space)
{
	for (uint32_t i = 0; i < space->count; i++) {
		free(space->regions[i]->free);
		free(space->regions[i]);
	}
	free(space->regions);
	table_clear(&space->owners);
	space->regions = NULL;
	space->count = space->room = 0;
	space->free_rooms = 0;
}

/* How many regions begin at or before the block. */
static uint32_t begun(const struct space *space, uint32_t block)
{
	uint32_t low = 0, high = space->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (space->regions[middle]->block <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct region *space_region_of(const struct space *space, uint32_t block)
{
	uint32_t at = begun(space, block);
	struct region *region;

	if (at == 0)
		return NULL;
	region = space->regions[at - 1];
	return block - region->block < region->blocks ? region : NULL;
}

struct region *space_first_of(const struct space *space, uint64_t owner)
{
	struct owner *entry = table_find(&space->owners, owner);

	return entry == NULL ? NULL : entry->first;
}

static bool link_owner(struct space *space, struct region *region)
{
	struct owner *entry = table_find(&space->owners, region->owner);

	if (entry == NULL)
		entry = table_add(&space->owners, region->owner);
	if (entry == NULL)
		return false;
	region->next = entry->first;
	entry->first = region;
	return true;
}

static void unlink_owner(struct space *space, struct region *region)
{
	struct owner *entry = table_find(&space->owners, region->owner);
	struct region **at = &entry->first;

	while (*at != region)
		at = &(*at)->next;
	*at = region->next;
	if (entry->first == NULL)
		table_remove(&space->owners, region->owner);
}

struct region *space_add(struct space *space, uint64_t owner, uint32_t block, uint32_t blocks)
{
	uint32_t at = begun(space, block);
	struct region *region;

	if (blocks == 0 || block < SPACE_FIRST_BLOCK || block >= space->end_block || blocks > space->end_block - block || space->count == SPACE_REGIONS_MOST)
		return NULL;
	if (at > 0 && block - space->regions[at - 1]->block < space->regions[at - 1]->blocks)
		return NULL;
	if (at < space->count && space->regions[at]->block - block < blocks)
		return NULL;
	if (space->count == space->room) {
		uint32_t room = space->room * 2 + 16;
		struct region **regions = realloc(space->regions, room * sizeof(struct region *));

		if (regions == NULL)
			return NULL;
		space->regions = regions;
		space->room = room;
	}
	region = calloc(1, sizeof(*region));
	if (region == NULL)
		return NULL;
	region->owner = owner;
	region->block = block;
	region->blocks = blocks;
	if (!link_owner(space, region)) {
		free(region);
		return NULL;
	}
	memmove(space->regions + at + 1, space->regions + at, (space->count - at) * sizeof(*space->regions));
	space->regions[at] = region;
	space->count++;
	return region;
}

void space_drop(struct space *space, struct region *region)
{
	uint32_t at = begun(space, region->block) - 1;

	unlink_owner(space, region);
	space->count--;
	memmove(space->regions + at, space->regions + at + 1, (space->count - at) * sizeof(*space->regions));
	space->free_rooms -= region->free_room;
	free(region->free);
	free(region);
}

static bool resize_list(struct space *space, struct region *region, uint32_t room)
{
	struct extent *list = realloc(region->free, room * sizeof(*list));

	if (list == NULL)
		return false;
	space->free_rooms += room;
	space->free_rooms -= region->free_room;
	region->free = list;
	region->free_room = room;
	return true;
}

static bool insert(struct space *space, struct region *region, uint32_t at, struct extent extent)
{
	if (region->free_count == region->free_room && !resize_list(space, region, region->free_room + region->free_room / 4 + 4))
		return false;
	memmove(region->free + at + 1, region->free + at, (region->free_count - at) * sizeof(*region->free));
	region->free[at] = extent;
	region->free_count++;
	return true;
}

static void take_out(struct space *space, struct region *region, uint32_t at)
{
	region->free_count--;
	memmove(region->free + at, region->free + at + 1, (region->free_count - at) * sizeof(*region->free));
	if (region->free_room > 64 && region->free_count < region->free_room / 2)
		resize_list(space, region, region->free_count + region->free_count / 4 + 4);
}

bool space_all_free(struct space *space, struct region *region)
{
	region->free_count = 0;
	region->largest = region->blocks;
	return insert(space, region, 0, (struct extent){ region->block, region->blocks });
}

/* How many free extents begin at or before the block. */
static uint32_t free_begun(const struct region *region, uint32_t block)
{
	uint32_t low = 0, high = region->free_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (region->free[middle].block <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool space_carve(struct space *space, struct region *region, struct extent extent)
{
	uint32_t at = free_begun(region, extent.block);
	struct extent *found;
	uint32_t before, after;

	if (at == 0 || extent.blocks == 0)
		return false;
	found = &region->free[--at];
	before = extent.block - found->block;
	if (before >= found->blocks || extent.blocks > found->blocks - before)
		return false;
	after = found->blocks - before - extent.blocks;
	if (before == 0 && after == 0) {
		take_out(space, region, at);
	} else if (before == 0) {
		*found = (struct extent){ extent.block + extent.blocks, after };
	} else {
		if (after > 0 && !insert(space, region, at + 1, (struct extent){ extent.block + extent.blocks, after }))
			return false;
		region->free[at].blocks = before;
	}
	return true;
}

static bool take_from(struct space *space, struct region *region, uint32_t blocks, struct extent *extent)
{
	uint32_t best = UINT32_MAX, best_at = 0, largest = 0;

	if (region->leaving != 0 || region->largest < blocks)
		return false;
	for (uint32_t at = 0; at < region->free_count; at++) {
		uint32_t size = region->free[at].blocks;

		if (size > largest)
			largest = size;
		if (size < blocks || size >= best)
			continue;
		best = size;
		best_at = at;
		if (size == blocks)
			break;
	}
	if (best == UINT32_MAX) {
		region->largest = largest;
		return false;
	}
	*extent = (struct extent){ region->free[best_at].block, blocks };
	return space_carve(space, region, *extent);
}

bool space_take(struct space *space, uint64_t owner, uint32_t blocks, struct extent *extent)
{
	for (struct region *region = space_first_of(space, owner); region != NULL; region = region->next)
		if (take_from(space, region, blocks, extent))
			return true;
	return false;
}

void space_return(struct space *space, struct extent extent)
{
	struct region *region = space_region_of(space, extent.block);
	uint32_t at = free_begun(region, extent.block);
	struct extent *before = at > 0 ? &region->free[at - 1] : NULL;
	struct extent *after = at < region->free_count ? &region->free[at] : NULL;
	bool joins_before = before != NULL && before->block + before->blocks == extent.block;
	bool joins_after = after != NULL && extent.block + extent.blocks == after->block;
	uint32_t size;

	if (joins_before && joins_after) {
		before->blocks += extent.blocks + after->blocks;
		size = before->blocks;
		take_out(space, region, at);
	} else if (joins_before) {
		before->blocks += extent.blocks;
		size = before->blocks;
	} else if (joins_after) {
		after->block = extent.block;
		after->blocks += extent.blocks;
		size = after->blocks;
	} else {
		size = insert(space, region, at, extent) ? extent.blocks : 0;
	}
	if (size > region->largest)
		region->largest = size;
}

/* Between regions: the first gap that has all of `want`, else the largest. */
static struct extent find_gap(const struct space *space, uint32_t want)
{
	struct extent best = { 0, 0 };
	uint32_t from = SPACE_FIRST_BLOCK;

	for (uint32_t i = 0; i <= space->count; i++) {
		uint32_t to = i < space->count ? space->regions[i]->block : space->end_block;

		if (to > from && to - from > best.blocks)
			best = (struct extent){ from, to - from };
		if (best.blocks >= want)
			return (struct extent){ best.block, want };
		if (i < space->count)
			from = to + space->regions[i]->blocks;
	}
	return best;
}

static struct extent *tail_of(struct region *region)
{
	struct extent *last = region->free_count > 0 ? &region->free[region->free_count - 1] : NULL;

	return last != NULL && region->leaving == 0 && last->block + last->blocks == region->block + region->blocks ? last : NULL;
}

static struct region *largest_tail(const struct space *space)
{
	struct region *best = NULL;

	for (uint32_t i = 0; i < space->count; i++) {
		struct extent *tail = tail_of(space->regions[i]);

		if (tail != NULL && (best == NULL || tail->blocks > tail_of(best)->blocks))
			best = space->regions[i];
	}
	return best;
}

struct region *space_give(struct space *space, uint64_t owner, uint32_t blocks, struct region **shrunk)
{
	struct extent gap = find_gap(space, space->region_blocks);
	struct region *region, *donor = NULL;

	*shrunk = NULL;
	if (gap.blocks < space->least_blocks || gap.blocks < blocks) {
		uint32_t half;

		donor = largest_tail(space);
		if (donor == NULL)
			return NULL;
		/* The donor keeps the larger half, and at least one block. */
		half = tail_of(donor)->blocks / 2;
		if (half < space->least_blocks || half < blocks || half >= donor->blocks)
			return NULL;
		gap = (struct extent){ donor->block + donor->blocks - half, half };
		donor->blocks -= half;
		donor->free[donor->free_count - 1].blocks -= half;
	}
	region = space_add(space, owner, gap.block, gap.blocks);
	if (region != NULL && !space_all_free(space, region)) {
		space_drop(space, region);
		region = NULL;
	}
	if (region == NULL && donor != NULL) {
		donor->blocks += gap.blocks;
		donor->free[donor->free_count - 1].blocks += gap.blocks;
		donor = NULL;
	}
	*shrunk = donor;
	return region;
}

struct extent space_next_free(const struct space *space, uint32_t block)
{
	while (block < space->end_block) {
		struct region *region = space_region_of(space, block);
		uint32_t at = begun(space, block);
		uint32_t end = at < space->count ? space->regions[at]->block : space->end_block;

		if (region == NULL)
			return (struct extent){ block, end - block };
		at = free_begun(region, block);
		if (at > 0 && block - region->free[at - 1].block < region->free[at - 1].blocks)
			return (struct extent){ block, region->free[at - 1].blocks - (block - region->free[at - 1].block) };
		if (at < region->free_count)
			return region->free[at];
		block = region->block + region->blocks;
	}
	return (struct extent){ block, 0 };
}

uint64_t space_bytes(const struct space *space)
{
	return (uint64_t)space->count * (sizeof(struct region) + 16) + space->room * sizeof(*space->regions) + space->free_rooms * sizeof(struct extent) + table_bytes(&space->owners);
}
