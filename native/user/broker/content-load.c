/* SPDX-License-Identifier: Apache-2.0 */
/* Plain bytes of blocks that are packed or on disk. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-workers.h"

#include <stdlib.h>

void origin_of(struct block *block, struct origin *origin)
{
	*origin = (struct origin){
		.block = block, .plain = block->plain, .piece = block->piece, .store_id = block->store_id,
		.bytes = block->bytes, .digest = block->entry.digest, .has_digest = block->entry.has_digest,
	};
	block_pin(block);
	if (block->base == NULL)
		return;
	origin->base = block->base;
	origin->base_plain = block->base->plain;
	origin->base_piece = block->base->piece;
	origin->base_store_id = block->base->store_id;
	origin->base_bytes = block->base->bytes;
	block_pin(block->base);
}

void origin_end(struct content *content, struct origin *origin)
{
	struct block *base = origin->base;

	/* The block first: it may be the last that needs its base. */
	if (origin->block != NULL)
		block_unpin(content, origin->block);
	if (base != NULL)
		block_unpin(content, base);
	origin->block = NULL;
	origin->base = NULL;
}

static int fetch(struct warm *warm, struct store *store, uint64_t id, uint32_t bytes, struct warm_piece **piece)
{
	ssize_t length;
	uint8_t *saved;
	int error;

	if (store == NULL || id == 0)
		return -EIO;
	length = store_get(store, id, NULL, 0);
	if (length < 0 || length > STORE_BLOB_MOST)
		return length < 0 ? (int)length : -EIO;
	saved = pages_alloc((size_t)length);
	if (saved == NULL)
		return -ENOMEM;
	length = store_get(store, id, saved, (size_t)length);
	error = length < 0 ? (int)length : warm_piece_load(warm, saved, (size_t)length, piece);
	if (length >= 0)
		pages_free(saved, (size_t)length);
	if (error == 0 && warm_piece_plain_bytes(*piece) != bytes) {
		warm_drop(warm, *piece);
		*piece = NULL;
		return -EIO;
	}
	return error == -ENOENT ? -EIO : error;
}

int origin_base(struct warm *warm, struct store *store, const struct origin *origin, const uint8_t **base, bool *owned)
{
	const struct warm_piece *piece = origin->base_piece;
	struct warm_piece *fetched = NULL;
	uint8_t *plain;
	int error;

	*base = origin->base_plain;
	*owned = false;
	if (origin->base == NULL || origin->base_plain != NULL)
		return 0;
	if (piece == NULL) {
		error = fetch(warm, store, origin->base_store_id, origin->base_bytes, &fetched);
		if (error != 0)
			return error;
		piece = fetched;
	}
	plain = pages_alloc(origin->base_bytes);
	error = plain == NULL ? -ENOMEM : warm_unpack(warm, piece, NULL, 0, plain);
	if (fetched != NULL)
		warm_drop(warm, fetched);
	if (error != 0) {
		pages_free(plain, origin->base_bytes);
		return error;
	}
	*base = plain;
	*owned = true;
	return 0;
}

int origin_read(struct warm *warm, struct store *store, const struct origin *origin, uint8_t *out, struct warm_piece **kept)
{
	const struct warm_piece *piece = origin->piece;
	struct warm_piece *fetched = NULL;
	const uint8_t *base = NULL;
	bool owned = false;
	int error = 0;

	if (origin->plain != NULL) {
		memcpy(out, origin->plain, origin->bytes);
		return 0;
	}
	if (piece == NULL) {
		error = fetch(warm, store, origin->store_id, origin->bytes, &fetched);
		if (error != 0)
			return error;
		piece = fetched;
	}
	if (warm_piece_is_based(piece))
		error = origin->base == NULL ? -EIO : origin_base(warm, store, origin, &base, &owned);
	if (error == 0)
		error = warm_unpack(warm, piece, base, base == NULL ? 0 : origin->base_bytes, out);
	if (owned)
		pages_free((void *)(uintptr_t)base, origin->base_bytes);
	if (error == 0 && fetched != NULL && origin->has_digest) {
		struct am_digest digest;

		digest_of(out, origin->bytes, &digest);
		if (memcmp(digest.bytes, origin->digest.bytes, sizeof(digest.bytes)) != 0)
			error = -EIO;
	}
	if (fetched != NULL && (error != 0 || kept == NULL))
		warm_drop(warm, fetched);
	else if (kept != NULL)
		*kept = fetched;
	return error;
}

struct load {
	struct job job;
	struct content *content;
	struct origin origin;
	uint8_t *plain;
	struct warm_piece *kept;
	bool keep;
	int error;
};

static void load_work(struct job *job)
{
	struct load *load = container(job, struct load, job);

	load->plain = pages_alloc(load->origin.bytes);
	load->error = load->plain == NULL ? -ENOMEM : origin_read(load->content->warm, load->content->store, &load->origin, load->plain, load->keep ? &load->kept : NULL);
}

static void tell(struct content *content, struct block *block, int error)
{
	struct waiter *waiter = block->waiters;

	block->waiters = NULL;
	while (waiter != NULL) {
		struct waiter *next = waiter->next;

		if (error == 0)
			block_pin(block);
		waiter->ready(content, waiter, error);
		waiter = next;
	}
}

static void load_done(struct content *content, struct job *job)
{
	struct load *load = container(job, struct load, job);
	struct block *block = load->origin.block;

	if (load->error != 0 || block->plain != NULL) {
		pages_free(load->plain, load->origin.bytes);
		if (load->kept != NULL)
			warm_drop(content->warm, load->kept);
		content->errors += load->error != 0;
	} else {
		block->plain = load->plain;
		block->room = block->bytes;
		content->hot_bytes += block->bytes;
		block_trim_cache(content, CACHE_MOST_BYTES);
		if (content->cache_count < CACHE_BLOCKS) {
			block->cached = true;
			content->cache_bytes += block->bytes;
			content->cache[content->cache_count++] = block;
		}
		content->restored_blocks++;
		if (load->kept != NULL && block->piece == NULL) {
			block_set_piece(content, block, load->kept);
			block->leave = false;
		} else if (load->kept != NULL)
			warm_drop(content->warm, load->kept);
	}
	block_touch(content, block);
	/* Its plain bytes go when they have not been looked at for a while. */
	if (content->next_walk_ms > content->now_ms + CACHE_MOST_MS)
		content->next_walk_ms = content->now_ms + CACHE_MOST_MS;
	block->next_look_ms = 0;
	content_worked(content, false);
	tell(content, block, load->error);
	origin_end(content, &load->origin);
	mem_free(content, load, sizeof(*load));
	block_trim_cache(content, CACHE_MOST_BYTES);
}

void block_want(struct content *content, struct block *block, struct waiter *waiter)
{
	bool is_under_way = block->waiters != NULL;
	struct load *load;

	block_touch(content, block);
	if (block->base != NULL)
		block_touch(content, block->base);
	if (block->plain != NULL) {
		block_pin(block);
		waiter->ready(content, waiter, 0);
		return;
	}
	waiter->next = block->waiters;
	block->waiters = waiter;
	if (is_under_way)
		return;
	load = mem_alloc(content, sizeof(*load));
	if (load == NULL) {
		tell(content, block, -ENOMEM);
		return;
	}
	load->job = (struct job){ .class = JOB_URGENT, .work = load_work, .done = load_done };
	load->content = content;
	origin_of(block, &load->origin);
	if (block->piece == NULL) {
		content->cold_reads++;
		/* Read again: no longer worth a way to the disk each time. */
		load->keep = block->cold_reads > 0;
		if (block->cold_reads < UINT8_MAX)
			block->cold_reads++;
	}
	workers_start(content->workers, &load->job);
}
