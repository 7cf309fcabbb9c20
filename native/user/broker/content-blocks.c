/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: who uses them, and the forms they are in. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-cold.h"

#include <stdlib.h>

static struct am_sketch own_sketch(const struct block *block)
{
	struct am_sketch sketch = block->sketch;

	/* Blocks of another domain are never alike. */
	for (int i = 0; i < AM_SKETCH_FEATURES; i++)
		sketch.feature[i] ^= (uint32_t)(block->entry.domain * UINT64_C(0x9e3779b97f4a7c15) >> 32);
	return sketch;
}

void block_index(struct content *content, struct block *block, bool wanted)
{
	struct am_sketch sketch;

	if (block->indexed == wanted || !block->sketched)
		return;
	sketch = own_sketch(block);
	if (wanted)
		block->indexed = am_sketch_index_add(content->sketches, block->entry.number, &sketch);
	else
		am_sketch_index_remove(content->sketches, block->entry.number, &sketch);
	if (!wanted)
		block->indexed = false;
}

struct block *block_alike(struct content *content, struct block *block, bool (*allowed)(void *context, uint64_t number), void *context)
{
	struct am_sketch sketch = own_sketch(block);
	uint64_t number = block->sketched ? am_sketch_index_find(content->sketches, &sketch, allowed, context) : 0;

	return number == 0 ? NULL : block_find(content, number);
}

struct block *block_find(const struct content *content, uint64_t number)
{
	struct am_entry *entry = am_table_find(content->blocks, number);

	return entry == NULL ? NULL : container(entry, struct block, entry);
}

struct block *block_new(struct content *content, uint64_t domain, enum am_kind kind)
{
	struct block *block = mem_alloc(content, sizeof(*block));

	if (block == NULL)
		return NULL;
	block->entry.number = content->next_block++;
	block->entry.domain = domain;
	block->kind = (uint8_t)kind;
	block->used_ms = content->now_ms;
	if (!am_table_add(content->blocks, &block->entry)) {
		mem_free(content, block, sizeof(*block));
		return NULL;
	}
	block->next = content->first_block;
	if (block->next != NULL)
		block->next->prev = block;
	content->first_block = block;
	return block;
}

struct block *block_try_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like)
{
	/* The digest is our own SHA-256 of bytes that cannot change: equal digests are equal content, nothing is compared. */
	struct am_entry *entry = am_table_find_digest(content->blocks, domain, digest);
	struct block *block;

	if (entry != NULL) {
		block = container(entry, struct block, entry);
		block_touch(content, block);
		if (block->plain == NULL && block->piece == NULL) {
			/* Nearer than the disk, and for nothing. */
			block->plain = plain;
			block->room = bytes;
			block->leave = false;
			content->hot_bytes += bytes;
		} else {
			pages_free(plain, bytes);
		}
		return block;
	}
	block = block_new(content, domain, kind);
	if (block == NULL)
		return NULL;
	am_table_set_digest(content->blocks, &block->entry, digest);
	block->plain = plain;
	block->bytes = bytes;
	block->room = bytes;
	block->live_bytes = bytes;
	block->like = like;
	content->hot_bytes += bytes;
	if (sketch != NULL) {
		block->sketch = *sketch;
		block->sketched = true;
		block_index(content, block, true);
	}
	return block;
}

struct block *block_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like)
{
	struct block *block = block_try_adopt(content, domain, kind, plain, bytes, digest, sketch, like);

	if (block == NULL)
		pages_free(plain, bytes);
	return block;
}

uint32_t block_refs(const struct block *block)
{
	return block->users[0] + block->users[1] + block->users[2] + block->users[3];
}

void block_settle(struct content *content, struct block *block)
{
	if (block_refs(block) > 0 || block->base_users > 0 || block->pins > 0)
		return;
	if (block->slab)
		for (unsigned i = 0; i < sizeof(content->open_slabs) / sizeof(content->open_slabs[0]); i++)
			if (content->open_slabs[i] == block)
				content->open_slabs[i] = NULL;
	block_index(content, block, false);
	cold_forget_block(content, block);
	block_drop_plain(content, block);
	block_drop_piece(content, block);
	block_set_base(content, block, NULL);
	am_table_remove(content->blocks, &block->entry);
	if (block->next != NULL)
		block->next->prev = block->prev;
	if (block->prev != NULL)
		block->prev->next = block->next;
	else
		content->first_block = block->next;
	if (content->walk_block == block)
		content->walk_block = block->next;
	mem_free(content, block, sizeof(*block));
}

void block_use(struct content *content, struct block *block, enum am_state state)
{
	(void)content;
	block->users[state - 1]++;
	block->next_look_ms = 0;
}

void block_unuse(struct content *content, struct block *block, enum am_state state)
{
	block->users[state - 1]--;
	block->next_look_ms = 0;
	block_settle(content, block);
}

void block_move_use(struct content *content, struct block *block, enum am_state from, enum am_state to, uint32_t importance)
{
	(void)content;
	block->users[from - 1]--;
	block->users[to - 1]++;
	block->importance = (uint8_t)importance;
	block->next_look_ms = 0;
}

void block_touch(struct content *content, struct block *block)
{
	if (block->used_ms < content->now_ms)
		block->used_ms = content->now_ms;
	block->generation = 0;
}

void block_pin(struct block *block)
{
	block->pins++;
}

void block_unpin(struct content *content, struct block *block)
{
	if (--block->pins == 0)
		block_settle(content, block);
}

static void uncache(struct content *content, struct block *block)
{
	if (!block->cached)
		return;
	block->cached = false;
	content->cache_bytes -= block->bytes;
	for (unsigned i = 0; i < content->cache_count; i++) {
		if (content->cache[i] != block)
			continue;
		content->cache[i] = content->cache[--content->cache_count];
		return;
	}
}

void block_drop_plain(struct content *content, struct block *block)
{
	if (block->plain == NULL)
		return;
	uncache(content, block);
	pages_free(block->plain, block->room);
	block->plain = NULL;
	block->room = 0;
	content->hot_bytes -= block->bytes;
}

void block_drop_piece(struct content *content, struct block *block)
{
	if (block->piece == NULL)
		return;
	content->warm_bytes -= warm_piece_stored_bytes(block->piece);
	warm_drop(content->warm, block->piece);
	block->piece = NULL;
	block->effort = 0;
}

void block_set_piece(struct content *content, struct block *block, struct warm_piece *piece)
{
	block_drop_piece(content, block);
	block->piece = piece;
	content->warm_bytes += warm_piece_stored_bytes(piece);
}

void block_set_base(struct content *content, struct block *block, struct block *base)
{
	struct block *before = block->base;

	if (before == base)
		return;
	block->base = base;
	if (base != NULL)
		base->base_users++;
	if (before != NULL) {
		before->base_users--;
		before->next_look_ms = 0;
		block_settle(content, before);
	}
}

void block_make_hot(struct content *content, struct block *block)
{
	uncache(content, block);
	block->forced = false;
	block->leave = false;
	block->next_look_ms = 0;
	/* Not twice in memory; a job that reads the piece has it pinned, then the walk drops it. */
	if (block->pins <= 1 && !block->packing && !block->storing) {
		block_drop_piece(content, block);
		if (block->store_id == 0)
			block_set_base(content, block, NULL);
	}
	if (block->base == NULL)
		block_index(content, block, true);
}

enum am_tier block_tier(const struct block *block)
{
	if (block->plain != NULL && !block->cached)
		return AM_TIER_HOT;
	return block->piece != NULL ? AM_TIER_WARM : AM_TIER_COLD;
}

static uint64_t own_stored_bytes(const struct block *block)
{
	return (block->plain != NULL ? block->bytes : 0) + (block->piece != NULL ? warm_piece_stored_bytes(block->piece) : 0) + block->disk_bytes;
}

uint64_t block_stored_bytes(const struct block *block)
{
	uint64_t bytes = own_stored_bytes(block);

	/* A base is paid for by all who need it. Its own base it never has. */
	if (block->base_users > 0)
		bytes = block_refs(block) == 0 ? 0 : bytes * block_refs(block) / (block_refs(block) + block->base_users);
	if (block->base != NULL)
		bytes += own_stored_bytes(block->base) / (block_refs(block->base) + block->base->base_users);
	return bytes;
}

void block_trim_cache(struct content *content, uint64_t most_bytes)
{
	while (content->cache_bytes > most_bytes || content->cache_count == CACHE_BLOCKS) {
		struct block *oldest = NULL;

		for (unsigned i = 0; i < content->cache_count; i++)
			if (content->cache[i]->pins == 0 && (oldest == NULL || content->cache[i]->used_ms < oldest->used_ms))
				oldest = content->cache[i];
		if (oldest == NULL)
			return;
		block_drop_plain(content, oldest);
	}
}
