/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where packed bytes lie. Large ones have pages of their own. Small ones are
 * written one after the other into regions; a region that has become the
 * emptiest is moved together when holes cost more than a 24th of what lives.
 * So besides the rounding of large ones to pages (at most 6 %, 3 % on average
 * at the smallest), pool <= 25/24 of the living + ARENA_REGION_BYTES + headers.
 *
 * Moving changes piece->bytes: of small pieces it is read under the lock only.
 */
#ifndef WARM_ARENA_H
#define WARM_ARENA_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_REGION_BYTES (256u * 1024u)
#define ARENA_SMALL_MOST (64u * 1024u)
#define ARENA_BUCKETS 16

struct warm_piece;
struct region;

struct arena {
	pthread_mutex_t lock;			/* guards all below and the bytes in regions; nothing is locked inside of it */
	struct region *head;			/* written to; in no bucket */
	struct region *buckets[ARENA_BUCKETS];	/* by how much of a region lives, emptiest first */
	uint64_t region_bytes;			/* resident in regions */
	uint64_t live_bytes;			/* of it in use, with headers and rounding */
	uint64_t large_bytes;			/* in pages of their own */
};

void arena_open(struct arena *arena);
/* All pieces are gone. */
void arena_close(struct arena *arena);

/* Copies piece->stored_bytes bytes and sets piece->bytes. 0 or -ENOMEM. */
int arena_put(struct arena *arena, struct warm_piece *piece, const void *bytes);
void arena_remove(struct arena *arena, struct warm_piece *piece);
/* The bytes, in place or copied to `room` of min(stored bytes, ARENA_SMALL_MOST); they stay until the piece is dropped. */
const uint8_t *arena_look(struct arena *arena, const struct warm_piece *piece, uint8_t *room);
/* Moves together what is worth it now; bounded by the holes there are. */
void arena_rest(struct arena *arena);
uint64_t arena_pool_bytes(struct arena *arena);

#endif
