/* SPDX-License-Identifier: Apache-2.0 */
/* Which block or memfd goes where, by age or for want of memory. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-cold.h"
#include "content-tiers.h"
#include "content-units.h"

#include <stdlib.h>

/* Each walk takes this many victims at most; the next follows soon. */
#define VICTIMS 64
#define WALK_MOST_MS 30000
#define WALK_LEAST_MS 20
#define SNAPSHOT_KEEP_MS 1000
/* Limits are kept by going when 7/8 is reached. */
#define NEARLY(bytes) ((bytes) - (bytes) / 8)

static uint64_t idle_ms(const struct content *content, uint64_t used_ms)
{
	return used_ms >= content->now_ms ? 0 : content->now_ms - used_ms;
}

void tier_view(const struct content *content, const struct block *block, struct am_view *view)
{
	enum am_state state = AM_STATE_ACTIVE;

	while (state < AM_STATE_GONE && block->users[state - 1] == 0)
		state++;
	/* A base alone, nobody's own: as far as those who need it. */
	if (block_refs(block) == 0)
		state = AM_STATE_IDLE;
	*view = (struct am_view){
		.idle_ms = idle_ms(content, block->used_ms), .bytes = block->bytes, .importance = block->importance,
		.generation = block->generation, .state = state, .tier = block_tier(block), .kind = (enum am_kind)block->kind,
		.pinned = block->used_ms > content->now_ms,
	};
	if (view->tier == AM_TIER_WARM)
		view->bytes = warm_piece_stored_bytes(block->piece);
}

void tier_body_view(const struct content *content, const struct body *body, struct am_view *view)
{
	const struct unit *unit = body->unit;

	*view = (struct am_view){
		.idle_ms = idle_ms(content, unit->used_ms), .bytes = body->fd_bytes + body->tail_bytes, .importance = unit->importance,
		.generation = body->generation, .state = (enum am_state)unit->state, .tier = AM_TIER_HOT, .kind = (enum am_kind)unit->kind,
		.pinned = unit->used_ms > content->now_ms || (body->maps > 0 && !unit_is_conversation(unit)),
	};
}

static void close_slab(struct content *content, struct block *slab)
{
	for (unsigned i = 0; i < sizeof(content->open_slabs) / sizeof(content->open_slabs[0]); i++)
		if (content->open_slabs[i] == slab)
			content->open_slabs[i] = NULL;
	slab->open = false;
}

/* Its plain bytes go; there is another copy. */
static void cool(struct content *content, struct block *block)
{
	if (block->pins > 0)
		return;
	block_drop_plain(content, block);
	block->forced = false;
}

static void look_hot(struct content *content, struct block *block, enum am_tier wanted)
{
	bool is_away = wanted != AM_TIER_HOT;

	if (block->slab && !block->open && block->live_bytes < block->bytes / 2) {
		small_tidy(content, block);
		return;
	}
	if (!is_away) {
		if (block->piece != NULL && block->pins == 0 && !block->packing)
			block_make_hot(content, block);
		return;
	}
	if (block->open)
		close_slab(content, block);
	if (block->piece != NULL || (block->committed && wanted == AM_TIER_COLD))
		cool(content, block);
	else
		tier_pack(content, block, false);
}

static void look_warm(struct content *content, struct block *block, const struct am_view *view, enum am_tier wanted)
{
	if (wanted == AM_TIER_COLD)
		cold_want(content, block, true);
	else if (block->effort < AM_EFFORT_THOROUGH && am_policy_effort(&content->policy, view, content->pressure) == AM_EFFORT_THOROUGH)
		pack_again(content, block);
}

/* The block may be gone afterwards. */
static void look_at_block(struct content *content, struct block *block)
{
	struct am_view view;
	enum am_tier wanted;

	tier_view(content, block, &view);
	wanted = am_policy_tier(&content->policy, &view, content->pressure);
	block->next_look_ms = content->now_ms + am_policy_next_look_ms(&content->policy, &view);
	if (block->generation < UINT8_MAX)
		block->generation++;
	if (block->cached && block->pins == 0 && view.idle_ms >= CACHE_MOST_MS)
		block_drop_plain(content, block);
	else if (block->cached && block->next_look_ms > block->used_ms + CACHE_MOST_MS)
		block->next_look_ms = block->used_ms + CACHE_MOST_MS;
	block->failed = false;
	if (block->leave && block->committed)
		cold_want(content, block, true);
	if (view.tier == AM_TIER_HOT && block->plain != NULL)
		look_hot(content, block, wanted);
	else if (view.tier == AM_TIER_WARM && block->piece != NULL)
		look_warm(content, block, &view, wanted);
}

static void look_at_body(struct content *content, struct body *body)
{
	bool is_snapshot = unit_is_conversation(body->unit);
	struct am_view view;

	tier_body_view(content, body, &view);
	body->next_look_ms = content->now_ms + am_policy_next_look_ms(&content->policy, &view);
	if (body->generation < UINT8_MAX)
		body->generation++;
	if (is_snapshot && body->fd >= 0 && body->maps == 0) {
		if (view.idle_ms >= SNAPSHOT_KEEP_MS || content->pressure != AM_PRESSURE_NONE)
			body_set_fd(content, body, -1, 0);
		else
			body->next_look_ms = body->unit->used_ms + SNAPSHOT_KEEP_MS;
	}
	if (view.bytes > 0 && am_policy_tier(&content->policy, &view, content->pressure) != AM_TIER_HOT)
		tier_put_away(content, body->unit);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void tier_walk(struct content *content)
{
	uint64_t next = content->now_ms + WALK_MOST_MS;

	/* What is looked at may go; the one after it stays where block_settle() finds it. */
	for (struct block *block = content->first_block; block != NULL; block = content->walk_block) {
		content->walk_block = block->next;
		if (block->next_look_ms <= content->now_ms)
			look_at_block(content, block);
	}
	for (struct block *block = content->first_block; block != NULL; block = block->next)
		next = sooner(next, block->next_look_ms);
	for (struct body *body = content->first_body; body != NULL; body = body->next) {
		if (body->next_look_ms <= content->now_ms && (body->fd >= 0 || body->tail_bytes > 0))
			look_at_body(content, body);
		if (body->fd >= 0 || body->tail_bytes > 0)
			next = sooner(next, body->next_look_ms);
	}
	orphans_walk(content);
	content->next_walk_ms = next > content->now_ms + WALK_LEAST_MS ? next : content->now_ms + WALK_LEAST_MS;
}

/* ---- limits ---- */

static uint64_t hot_limit(const struct content *content)
{
	if (content->policy.hot_most_bytes > 0)
		return content->policy.hot_most_bytes;
	return NEVER;
}

bool tier_is_over(const struct content *content)
{
	if (content->hot_bytes > hot_limit(content) && content->packing > 0)
		return true;
	return content->policy.warm_most_bytes > 0 && content->warm_bytes > content->policy.warm_most_bytes && cold_is_busy(content);
}

struct victim {
	struct block *block;
	struct body *body;
};

/* Blocks and bodies have different addresses; the lowest bit tells them apart. */
static void *tagged(struct body *body)
{
	return (char *)body + 1;
}

static struct victim untagged(void *what)
{
	if ((uintptr_t)what & 1)
		return (struct victim){ .body = (struct body *)(void *)((char *)what - 1) };
	return (struct victim){ .block = what };
}

void tier_free_hot(struct content *content, uint64_t want_bytes)
{
	struct am_victim room[VICTIMS];
	struct am_victims victims;
	struct am_view view;
	void *what;

	am_victims_begin(&victims, room, VICTIMS, want_bytes);
	for (struct block *block = content->first_block; block != NULL; block = block->next) {
		if (block->plain == NULL || block->cached || block->packing || block->failed)
			continue;
		tier_view(content, block, &view);
		am_victims_offer(&victims, &view, block);
	}
	for (struct body *body = content->first_body; body != NULL; body = body->next) {
		if ((body->fd < 0 && body->tail_bytes == 0) || body->warming || body->changing != NULL)
			continue;
		tier_body_view(content, body, &view);
		am_victims_offer(&victims, &view, tagged(body));
	}
	while ((what = am_victims_take(&victims)) != NULL) {
		struct victim victim = untagged(what);

		if (victim.body != NULL) {
			if (unit_is_conversation(victim.body->unit) && victim.body->fd >= 0 && victim.body->maps == 0)
				body_set_fd(content, victim.body, -1, 0);
			else
				tier_put_away(content, victim.body->unit);
			continue;
		}
		if (victim.block->open)
			close_slab(content, victim.block);
		if (victim.block->piece != NULL || victim.block->committed)
			cool(content, victim.block);
		else
			tier_pack(content, victim.block, true);
	}
}

void tier_free_warm(struct content *content, uint64_t want_bytes)
{
	struct am_victim room[VICTIMS];
	struct am_victims victims;
	struct am_view view;
	struct block *block;

	am_victims_begin(&victims, room, VICTIMS, want_bytes);
	/* Bases last: what is packed next is small because of them. */
	for (int bases = 0; bases < 2 && victims.held_bytes < want_bytes; bases++) {
		for (block = content->first_block; block != NULL; block = block->next) {
			if (block->piece == NULL || block->storing || block->packing || (block->base_users > 0) != bases)
				continue;
			tier_view(content, block, &view);
			view.tier = AM_TIER_WARM;
			view.bytes = warm_piece_stored_bytes(block->piece);
			am_victims_offer(&victims, &view, block);
		}
	}
	while ((block = am_victims_take(&victims)) != NULL)
		cold_want(content, block, true);
}

void tier_limits(struct content *content)
{
	uint64_t limit = hot_limit(content);

	if (limit != NEVER && content->hot_bytes > NEARLY(limit)) {
		uint64_t excess = content->hot_bytes - NEARLY(limit);

		if (content->cache_bytes > limit / 8) {
			block_trim_cache(content, limit / 8);
			excess = content->hot_bytes > NEARLY(limit) ? content->hot_bytes - NEARLY(limit) : 0;
		}
		/* Not each time a little comes in: a walk over all is behind it. */
		if (excess > content->packing_bytes && (content->packing_bytes == 0 || excess - content->packing_bytes > limit / 32))
			tier_free_hot(content, excess - content->packing_bytes);
	}
	limit = content->policy.warm_most_bytes;
	if (content->store != NULL && limit > 0 && content->warm_bytes > NEARLY(limit)) {
		uint64_t excess = content->warm_bytes - NEARLY(limit);
		uint64_t under_way = cold_under_way(content);

		if (excess > under_way && (under_way == 0 || excess - under_way > limit / 32))
			tier_free_warm(content, excess - under_way);
	}
}

void tier_pressure(struct content *content)
{
	if (content->pressure != AM_PRESSURE_HARD)
		return;
	block_trim_cache(content, 0);
	if (content->packing_bytes == 0)
		tier_free_hot(content, content->hot_bytes / 4);
	if (content->store != NULL && content->hot_bytes < content->warm_bytes && cold_under_way(content) == 0)
		tier_free_warm(content, content->warm_bytes / 8);
	content->next_walk_ms = 0;
}

/* ---- who must wait ---- */

bool gate_wait(struct content *content, struct gate *gate, void (*go)(struct content *content, struct gate *gate))
{
	if (content->closing)
		return false;
	tier_limits(content);
	/* Those who came before go first. */
	if (content->gates == NULL && !tier_is_over(content))
		return false;
	gate->next = NULL;
	gate->go = go;
	*content->gates_end = gate;
	content->gates_end = &gate->next;
	return true;
}

void gate_open(struct content *content)
{
	while (content->gates != NULL && (content->closing || !tier_is_over(content))) {
		struct gate *gate = content->gates;

		content->gates = gate->next;
		if (content->gates == NULL)
			content->gates_end = &content->gates;
		gate->go(content, gate);
	}
}
