/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has which part of the data file. Owners have regions, regions have a
 * sorted list of free extents; both count in blocks of 4 KiB. No input or
 * output here. Who calls has the store's lock.
 *
 * The file is sparse, so regions cost nothing and are given generously; when
 * none is left, the largest free tail of another one is halved.
 */
#ifndef STORE_SPACE_H
#define STORE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/table.h"

#define SPACE_BLOCK_BYTES 4096u
#define SPACE_REGIONS_MOST 16384u
/* Of a region, so that every blob fits. */
#define SPACE_LEAST_BYTES (32u * 1024u * 1024u)
/* Superblock and room for more of the kind. */
#define SPACE_FIRST_BLOCK 256u

struct extent {
	uint32_t block;
	uint32_t blocks;
};

struct region {
	uint64_t owner;
	uint64_t first_id;	/* smaller ones in it are of who had it before */
	uint32_t block;
	uint32_t blocks;
	uint32_t blobs;
	uint32_t busy;		/* extents being written, or freed and not given back yet */
	uint32_t largest;	/* no free extent is larger */
	uint64_t leaving;	/* number of the batch with which it is given back; 0: it is not */
	uint32_t leaving_blocks;	/* that were used in it */
	struct extent *free;
	uint32_t free_count;
	uint32_t free_room;
	struct region *next;	/* of the same owner */
};

struct space {
	struct region **regions;	/* sorted by block */
	uint32_t count;
	uint32_t room;
	struct table owners;
	uint32_t end_block;
	uint32_t region_blocks;
	uint32_t least_blocks;
	uint64_t free_rooms;	/* of all lists, for the statistics */
};

void space_init(struct space *space, uint64_t apparent_bytes, uint64_t region_bytes);
void space_clear(struct space *space);

struct region *space_region_of(const struct space *space, uint32_t block);
struct region *space_first_of(const struct space *space, uint64_t owner);

/* Best fit in a region of the owner's; false where none has room. */
bool space_take(struct space *space, uint64_t owner, uint32_t blocks, struct extent *extent);
/*
 * A further region for an owner, wholly free; NULL where there is no room or
 * no memory. `shrunk`: the one that gave half of its tail, or NULL.
 */
struct region *space_give(struct space *space, uint64_t owner, uint32_t blocks, struct region **shrunk);
/* Back into the list, joined with its neighbours. Without memory it is lost until the store is opened again. */
void space_return(struct space *space, struct extent extent);
/* Forgets a region. */
void space_drop(struct space *space, struct region *region);

/* For replay: NULL where it overlaps, lies outside or there are too many. Its list is empty: space_all_free(). */
struct region *space_add(struct space *space, uint64_t owner, uint32_t block, uint32_t blocks);
bool space_all_free(struct space *space, struct region *region);
/* Takes just this extent; false where it is not free. */
bool space_carve(struct space *space, struct region *region, struct extent extent);

/* The first free extent, or part of one, from `block` on; between regions all is free. None: 0 blocks. */
struct extent space_next_free(const struct space *space, uint32_t block);

uint64_t space_bytes(const struct space *space);

#endif
