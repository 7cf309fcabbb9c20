/* SPDX-License-Identifier: Apache-2.0 */
/* Packing blocks, alone or against one that is like them. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-tiers.h"
#include "content-workers.h"

#include <stdlib.h>

struct pack {
	struct job job;
	struct content *content;
	struct origin origin;		/* of the block; its base is filled in by us */
	enum am_effort effort;
	enum am_kind kind;
	uint64_t used_ms;		/* of the block when it began */
	bool again;			/* from its piece */
	struct warm_piece *piece;
	int error;
};

static int pack_again_work(struct pack *pack)
{
	struct warm *warm = pack->content->warm;
	uint8_t *plain = pages_alloc(pack->origin.bytes);
	const uint8_t *base = NULL;
	bool owned = false;
	int error = plain == NULL ? -ENOMEM : origin_base(warm, pack->content->store, &pack->origin, &base, &owned);

	if (error == 0)
		error = warm_unpack(warm, pack->origin.piece, base, base == NULL ? 0 : pack->origin.base_bytes, plain);
	if (error == 0)
		error = warm_pack(warm, pack->effort, pack->kind, plain, pack->origin.bytes, base, base == NULL ? 0 : pack->origin.base_bytes, &pack->piece);
	if (owned)
		pages_free((void *)(uintptr_t)base, pack->origin.base_bytes);
	pages_free(plain, pack->origin.bytes);
	return error;
}

static int pack_first_work(struct pack *pack)
{
	struct warm *warm = pack->content->warm;
	const uint8_t *base = NULL;
	bool owned = false;
	int error = origin_base(warm, pack->content->store, &pack->origin, &base, &owned);

	/* A base that cannot be had is done without. */
	if (error != 0)
		base = NULL;
	error = warm_pack(warm, pack->effort, pack->kind, pack->origin.plain, pack->origin.bytes, base, base == NULL ? 0 : pack->origin.base_bytes, &pack->piece);
	if (owned)
		pages_free((void *)(uintptr_t)base, pack->origin.base_bytes);
	return error;
}

static void pack_work(struct job *job)
{
	struct pack *pack = container(job, struct pack, job);

	pack->error = pack->again ? pack_again_work(pack) : pack_first_work(pack);
}

static bool is_wanted(const struct content *content, const struct pack *pack)
{
	const struct block *block = pack->origin.block;
	struct am_view view;

	if (block->forced || block->used_ms == pack->used_ms)
		return true;
	tier_view(content, block, &view);
	return am_policy_tier(&content->policy, &view, content->pressure) != AM_TIER_HOT;
}

static void install(struct content *content, struct pack *pack)
{
	struct block *block = pack->origin.block;
	bool is_based = warm_piece_is_based(pack->piece);

	content->packed_bytes += block->bytes;
	content->packed_stored_bytes += warm_piece_stored_bytes(pack->piece);
	block_set_piece(content, block, pack->piece);
	block->effort = (uint8_t)pack->effort;
	pack->piece = NULL;
	/* What is on disk needs the base it was packed against, whatever this one needs. */
	if (block->store_id == 0)
		block_set_base(content, block, is_based ? pack->origin.base : NULL);
	if (block->base == NULL)
		block_index(content, block, true);
	block->next_look_ms = 0;
	/* Ours is one pin. What a reader looks at goes with the next walk. */
	if (block->plain != NULL && !block->cached && block->pins == 1) {
		block_drop_plain(content, block);
		block->forced = false;
	}
}

static void install_again(struct content *content, struct pack *pack)
{
	struct block *block = pack->origin.block;

	/* One pin: nobody reads the old piece. Its base must be the same, others know it by that. */
	if (block->pins == 1 && block->piece == pack->origin.piece && block->store_id == 0 && warm_piece_is_based(pack->piece) == warm_piece_is_based(block->piece) &&
	    warm_piece_stored_bytes(pack->piece) < warm_piece_stored_bytes(block->piece)) {
		block_set_piece(content, block, pack->piece);
		pack->piece = NULL;
	}
	block->effort = AM_EFFORT_THOROUGH;
}

static void pack_done(struct content *content, struct job *job)
{
	struct pack *pack = container(job, struct pack, job);
	struct block *block = pack->origin.block;
	bool is_slab_with_room = block->slab && block->open;

	block->packing = false;
	content_worked(content, true);
	if (!pack->again) {
		content->packing--;
		content->packing_bytes -= block->bytes;
	}
	if (pack->error != 0) {
		content->errors++;
		block->failed = true;
		block->next_look_ms = content->now_ms + 10000;
	} else if (pack->again) {
		install_again(content, pack);
	} else if (block_refs(block) + block->base_users > 0 && block->piece == NULL && !is_slab_with_room && is_wanted(content, pack)) {
		install(content, pack);
	} else {
		block->next_look_ms = content->now_ms + 1;
		if (block->base == NULL)
			block_index(content, block, true);
	}
	if (pack->piece != NULL)
		warm_drop(content->warm, pack->piece);
	away_go_on(content, block);
	/* Held while the job ran. */
	if (pack->origin.base != NULL && !pack->again) {
		struct block *base = pack->origin.base;

		origin_end(content, &pack->origin);
		base->base_users--;
		block_settle(content, base);
	} else {
		origin_end(content, &pack->origin);
	}
	mem_free(content, pack, sizeof(*pack));
}

/* May others be packed against it? In memory, and for good without a base of its own. */
static bool may_be_base(const struct block *block, const struct block *other)
{
	return block != NULL && block != other && block->entry.domain == other->entry.domain && block->base == NULL && !(block->packing && block->pack_based) && !block->slab &&
		(block->plain != NULL || block->piece != NULL);
}

struct choice {
	struct content *content;
	const struct block *block;
};

static bool allowed(void *context, am_u64 number)
{
	const struct choice *choice = context;

	return may_be_base(block_find(choice->content, number), choice->block);
}

static struct block *choose_base(struct content *content, struct block *block)
{
	struct choice choice = { content, block };
	struct block *like = block->like == 0 ? NULL : block_find(content, block->like);

	/* What others are packed against has none itself. */
	if (block->base_users > 0 || block->slab)
		return NULL;
	if (like != NULL && like->base != NULL)
		like = like->base;
	if (may_be_base(like, block) && (!like->sketched || !block->sketched || am_sketch_common(&like->sketch, &block->sketch) > 0))
		return like;
	return block_alike(content, block, allowed, &choice);
}

static struct pack *pack_new(struct content *content, struct block *block)
{
	struct pack *pack = mem_alloc(content, sizeof(*pack));
	struct am_view view;

	if (pack == NULL)
		return NULL;
	tier_view(content, block, &view);
	view.bytes = block->bytes;
	pack->job = (struct job){ .class = JOB_PACK, .work = pack_work, .done = pack_done };
	pack->content = content;
	pack->kind = learnt_kind(content, block->entry.domain, block->kind);
	pack->effort = am_policy_effort(&content->policy, &view, content->pressure);
	pack->used_ms = block->used_ms;
	block->packing = true;
	return pack;
}

void tier_pack(struct content *content, struct block *block, bool forced)
{
	struct block *base;
	struct pack *pack;

	if (forced)
		block->forced = true;
	if (block->packing || block->plain == NULL || block->piece != NULL || content->closing)
		return;
	block->failed = false;
	pack = pack_new(content, block);
	if (pack == NULL)
		return;
	/* Thoroughly only what has been packed before: memory is given back soon. */
	if (pack->effort == AM_EFFORT_THOROUGH)
		pack->effort = AM_EFFORT_NORMAL;
	base = block->store_id != 0 ? block->base : choose_base(content, block);
	block->pack_based = base != NULL;
	if (base != NULL)
		block_touch(content, base);
	/* Not found as a base while it may get one. */
	if (base != NULL)
		block_index(content, block, false);
	origin_of(block, &pack->origin);
	if (pack->origin.base == NULL && base != NULL) {
		pack->origin.base = base;
		pack->origin.base_plain = base->plain;
		pack->origin.base_piece = base->piece;
		pack->origin.base_store_id = base->store_id;
		pack->origin.base_bytes = base->bytes;
		block_pin(base);
	}
	if (pack->origin.base != NULL)
		pack->origin.base->base_users++;
	content->packing++;
	content->packing_bytes += block->bytes;
	workers_start(content->workers, &pack->job);
}

void pack_again(struct content *content, struct block *block)
{
	struct pack *pack;

	/* On disk already: it would be written again for little. */
	if (block->packing || block->storing || block->store_id != 0 || block->pins > 0 || content->closing || content->packing > 0 || workers_waiting(content->workers, JOB_URGENT) + workers_waiting(content->workers, JOB_BUILD) > 0)
		return;
	pack = pack_new(content, block);
	if (pack == NULL)
		return;
	pack->job.class = JOB_SLOW;
	pack->again = true;
	origin_of(block, &pack->origin);
	workers_start(content->workers, &pack->job);
}
