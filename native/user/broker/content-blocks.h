/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: the runs of bytes that are shared, packed and put away. */
#ifndef BROKER_CONTENT_BLOCKS_H
#define BROKER_CONTENT_BLOCKS_H

#include "content-inner.h"

/*
 * An immutable run of bytes, or a run of small units that still takes more.
 * It may be there in several forms at once; without any it is dead.
 */
struct block {
	struct am_entry entry;
	struct block *next, *prev;
	uint8_t *plain;
	struct warm_piece *piece;
	uint64_t store_id;		/* 0: not on disk */
	struct block *base;		/* the piece (and what is on disk) is packed against it */
	struct waiter *waiters;		/* for plain bytes, being fetched */
	struct am_sketch sketch;
	uint64_t used_ms;
	uint64_t next_look_ms;
	uint64_t owner;			/* agent whose region of the store it goes to; 0: several */
	uint64_t like;			/* number of the block in whose place it came */
	uint32_t bytes;
	uint32_t room;			/* of `plain` */
	uint32_t live_bytes;		/* of a slab: units still there */
	uint32_t users[4];		/* uses by units, by the state of these */
	uint32_t base_users;		/* blocks packed against it */
	uint32_t pins;
	uint32_t disk_bytes;
	uint8_t kind;
	uint8_t generation;
	uint8_t importance;
	uint8_t effort;
	uint8_t cold_reads;
	bool slab : 1;
	bool open : 1;			/* slab that takes more */
	bool cached : 1;		/* plain only for a moment: it is not hot */
	bool sketched : 1;
	bool indexed : 1;		/* may be found as a base */
	bool packing : 1;
	bool storing : 1;
	bool committed : 1;		/* what is on disk is durable */
	bool forced : 1;		/* goes for want of memory, not by its age */
	bool leave : 1;			/* RAM copy goes once it is on disk */
	bool failed : 1;		/* could not be packed a moment ago */
	bool tidying : 1;
	bool pack_based : 1;		/* being packed against another */
};

/* New from plain bytes that it takes over, or the one that is there; NULL without memory (plain is freed). */
struct block *block_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like);
/* The same, but plain stays the caller's where it gives NULL. */
struct block *block_try_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like);
struct block *block_find(const struct content *content, uint64_t number);
/* Whether it may be found as a base. */
void block_index(struct content *content, struct block *block, bool wanted);
struct block *block_alike(struct content *content, struct block *block, bool (*allowed)(void *context, am_u64 number), void *context);
struct block *block_new(struct content *content, uint64_t domain, enum am_kind kind);
void block_use(struct content *content, struct block *block, enum am_state state);
void block_unuse(struct content *content, struct block *block, enum am_state state);
void block_move_use(struct content *content, struct block *block, enum am_state from, enum am_state to, uint32_t importance);
void block_touch(struct content *content, struct block *block);
void block_pin(struct block *block);
void block_unpin(struct content *content, struct block *block);
uint32_t block_refs(const struct block *block);
/* Calls ready() with the block pinned and its plain bytes there; perhaps at once. */
void block_want(struct content *content, struct block *block, struct waiter *waiter);
void block_drop_plain(struct content *content, struct block *block);
void block_drop_piece(struct content *content, struct block *block);
void block_set_piece(struct content *content, struct block *block, struct warm_piece *piece);
void block_set_base(struct content *content, struct block *block, struct block *base);
/* Plain bytes stay. */
void block_make_hot(struct content *content, struct block *block);
enum am_tier block_tier(const struct block *block);
/* All its copies, wherever they lie. */
uint64_t block_stored_bytes(const struct block *block);
/* Lets plain copies for reading go down to `most`. */
void block_trim_cache(struct content *content, uint64_t most_bytes);
/* Frees what nobody uses; called when a use, pin or dependant has gone. */
void block_settle(struct content *content, struct block *block);

/* What a worker needs to get a block's plain bytes. Pins the block and its base until origin_end(). */
struct origin {
	struct block *block;
	const uint8_t *plain;
	const struct warm_piece *piece;
	uint64_t store_id;
	uint32_t bytes;
	struct am_digest digest;
	bool has_digest;
	struct block *base;
	const uint8_t *base_plain;
	const struct warm_piece *base_piece;
	uint64_t base_store_id;
	uint32_t base_bytes;
};

void origin_of(struct block *block, struct origin *origin);
void origin_end(struct content *content, struct origin *origin);
/* On a worker. `kept`, where given, gets the piece that was read from disk. */
int origin_read(struct warm *warm, struct store *store, const struct origin *origin, uint8_t *out, struct warm_piece **kept);
/* The base alone; *owned says that it is to be freed with pages_free(). */
int origin_base(struct warm *warm, struct store *store, const struct origin *origin, const uint8_t **base, bool *owned);

#endif
