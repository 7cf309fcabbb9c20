/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Away from the hot tier and back. What lies whole in a memfd is cut into
 * blocks step by step, each step packed before the next, so that little is
 * there twice; the memfd goes last. A tail becomes one block with an open end.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-build.h"
#include "content-tiers.h"
#include "content-units.h"

#include <stdlib.h>

/* Memfds that are put away at the same time. */
#define AWAYS_MOST 2

struct away {
	struct op op;			/* of a tail: nothing may change it */
	struct build build;
	struct away *next;
	struct content *content;
	struct unit *unit;
	uint64_t used_ms;		/* of the unit at the start */
	uint64_t offset;
	uint64_t counted_bytes;
	enum am_state state;		/* under which the blocks are in use */
	struct block **blocks;
	uint32_t count, room;
	uint8_t *rest;
	size_t rest_bytes, rest_room;
	bool is_waiting;		/* for packing */
};

static void away_free(struct content *content, struct away *away)
{
	struct away **at = &content->aways;

	while (*at != NULL && *at != away)
		at = &(*at)->next;
	if (*at == away)
		*at = away->next;
	for (uint32_t i = 0; i < away->count; i++)
		block_unuse(content, away->blocks[i], away->state);
	mem_free(content, away->blocks, away->room * sizeof(*away->blocks));
	pages_free(away->rest, away->rest_room);
	build_free(&away->build);
	content->packing--;
	content->packing_bytes -= away->counted_bytes;
	away->unit->body->warming = false;
	unit_unpin(content, away->unit);
	mem_free(content, away, sizeof(*away));
}

static struct away *away_new(struct content *content, struct unit *unit, uint64_t bytes)
{
	struct away *away = mem_alloc(content, sizeof(*away));

	if (away == NULL)
		return NULL;
	away->content = content;
	away->unit = unit;
	away->used_ms = unit->used_ms;
	away->state = (enum am_state)unit->state;
	away->counted_bytes = bytes;
	away->build.fd = -1;
	away->next = content->aways;
	content->aways = away;
	content->packing++;
	content->packing_bytes += bytes;
	unit->body->warming = true;
	unit_pin(unit);
	return away;
}

/* Blocks of what was cut, in use by us. */
static int take_cuts(struct content *content, struct away *away, bool pack)
{
	struct build *build = &away->build;
	uint32_t count = away->count + build->count;
	int error = build->error;

	if (error == 0 && count > away->room) {
		struct block **blocks = mem_grow(content, away->blocks, away->room * sizeof(*blocks), count * sizeof(*blocks));

		if (blocks == NULL)
			error = -ENOMEM;
		else
			away->blocks = blocks;
		if (blocks != NULL)
			away->room = count;
	}
	for (unsigned i = 0; error == 0 && i < build->count; i++) {
		struct cut *cut = &build->cuts[i];
		uint64_t before = content->next_block;
		struct block *block = block_adopt(content, away->unit->entry.domain, (enum am_kind)away->unit->kind, cut->plain, cut->bytes, &cut->digest, &cut->sketch, 0);

		cut->plain = NULL;
		if (block == NULL) {
			error = -ENOMEM;
			break;
		}
		if (content->next_block != before)
			block->used_ms = away->used_ms;
		block_use(content, block, away->state);
		away->blocks[away->count++] = block;
		if (pack && block->plain != NULL && block->piece == NULL)
			tier_pack(content, block, true);
	}
	pages_free(away->rest, away->rest_room);
	away->rest = build->rest;
	away->rest_bytes = build->rest_bytes;
	away->rest_room = build->rest_room;
	build->rest = NULL;
	build_free(build);
	return error;
}

/* The blocks take the place; they are in use by the unit from here on. */
static int install(struct content *content, struct away *away)
{
	struct body *body = away->unit->body;
	uint32_t before = body->count;

	for (uint32_t i = 0; i < away->count; i++) {
		if (body_add_part(content, body, away->blocks[i]) == 0)
			continue;
		body_cut_parts(content, body, before);
		return -ENOMEM;
	}
	return 0;
}

/* ---- memfds ---- */

static void memfd_step(struct content *content, struct away *away);

static bool is_packed(const struct away *away)
{
	for (uint32_t i = 0; i < away->count; i++)
		if (away->blocks[i]->packing)
			return false;
	return true;
}

static void memfd_end(struct content *content, struct away *away, bool is_whole)
{
	struct unit *unit = away->unit;
	struct body *body = unit->body;

	/* Used meanwhile: it stays where it is. */
	if (is_whole && !unit->dead && body->maps == 0 && unit->used_ms == away->used_ms && body->fd >= 0 && body->count == 0 && install(content, away) == 0)
		body_set_fd(content, body, -1, 0);
	content->away_count--;
	content->records_stale = true;
	away_free(content, away);
}

static void memfd_go_on(struct content *content, struct away *away)
{
	away->is_waiting = !is_packed(away);
	if (away->is_waiting)
		return;
	if (away->unit->dead || away->unit->body->maps > 0 || content->closing || away->offset == away->unit->bytes)
		memfd_end(content, away, away->offset == away->unit->bytes);
	else
		memfd_step(content, away);
}

static void memfd_built(struct content *content, struct job *job)
{
	struct away *away = container(job, struct away, build.job);

	away->offset += away->build.bytes;
	if (take_cuts(content, away, true) != 0)
		memfd_end(content, away, false);
	else
		memfd_go_on(content, away);
}

static void memfd_step(struct content *content, struct away *away)
{
	uint64_t left = away->unit->bytes - away->offset;

	away->build = (struct build){
		.job = { .class = JOB_PACK, .work = build_work, .done = memfd_built }, .start = away->rest, .start_bytes = away->rest_bytes,
		.fd = away->unit->body->fd, .offset = away->offset, .bytes = left < STEP_BYTES ? left : STEP_BYTES, .last = left <= STEP_BYTES,
	};
	workers_start(content->workers, &away->build.job);
}

void away_go_on(struct content *content, const struct block *block)
{
	struct away *away = content->aways;

	(void)block;
	while (away != NULL) {
		struct away *next = away->next;

		if (away->is_waiting && is_packed(away))
			memfd_go_on(content, away);
		away = next;
	}
}

static void put_memfd_away(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;
	struct away *away;

	if (body->maps > 0)
		return;
	/* Its blocks are there still: on disk. */
	if (body->count > 0) {
		body_set_fd(content, body, -1, 0);
		return;
	}
	if (content->away_count >= AWAYS_MOST) {
		body->next_look_ms = content->now_ms + 50;
		return;
	}
	away = away_new(content, unit, body->fd_bytes);
	if (away == NULL)
		return;
	content->away_count++;
	memfd_step(content, away);
}

/* ---- tails ---- */

static void tail_end(struct content *content, struct away *away)
{
	op_end(&away->op);
	away_free(content, away);
}

static void tail_built(struct content *content, struct job *job)
{
	struct away *away = container(job, struct away, build.job);
	struct body *body = away->unit->body;
	uint32_t before = body->count;

	if (take_cuts(content, away, false) == 0 && !away->unit->dead && away->count > 0 && install(content, away) == 0) {
		body_set_tail(content, body, NULL, 0, 0);
		body->ends_open = true;
		content->records_stale = true;
		for (uint32_t i = before; i < body->count; i++)
			if (body->parts[i].block->plain != NULL && body->parts[i].block->piece == NULL)
				tier_pack(content, body->parts[i].block, true);
	}
	tail_end(content, away);
}

static void tail_run(struct op *op)
{
	struct away *away = container(op, struct away, op);
	struct content *content = away->content;
	struct body *body = op->unit->body;

	/* Used while this waited for its turn, or nothing left. */
	if (op->unit->dead || body->tail_bytes == 0 || op->unit->used_ms != away->used_ms || content->closing) {
		tail_end(content, away);
		return;
	}
	away->build = (struct build){
		.job = { .class = JOB_PACK, .work = build_work, .done = tail_built }, .start = body->tail, .start_bytes = body->tail_bytes, .fd = -1, .last = true,
	};
	workers_start(content->workers, &away->build.job);
}

static void put_tail_away(struct content *content, struct unit *unit)
{
	struct away *away = away_new(content, unit, unit->body->tail_bytes);

	if (away == NULL)
		return;
	away->op = (struct op){ .content = content, .unit = unit, .changes = true, .run = tail_run };
	op_start(&away->op);
}

void tier_put_away(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;

	if (unit->dead || body->warming || content->closing)
		return;
	if (unit_is_conversation(unit)) {
		if (body->tail_bytes > 0 && body->changing == NULL && body->waiting == NULL)
			put_tail_away(content, unit);
	} else if (body->fd >= 0) {
		put_memfd_away(content, unit);
	}
}

/* ---- back ---- */

/* Likely to be read next of a conversation: its end. */
#define END_BYTES (8u * 1024u * 1024u)

struct bring {
	struct waiter waiter;
	struct unit *unit;
	struct block *block;
	uint32_t at;
};

static void bring_next(struct content *content, struct bring *bring);

static void bring_ready(struct content *content, struct waiter *waiter, int error)
{
	struct bring *bring = container(waiter, struct bring, waiter);

	if (bring->block != NULL && error == 0) {
		block_make_hot(content, bring->block);
		if (bring->block->used_ms < bring->unit->used_ms)
			bring->block->used_ms = bring->unit->used_ms;
		block_unpin(content, bring->block);
		content->next_walk_ms = 0;
	}
	if (error == 0 && bring->block != NULL) {
		bring_next(content, bring);
		return;
	}
	unit_unpin(content, bring->unit);
	mem_free(content, bring, sizeof(*bring));
}

static void bring_next(struct content *content, struct bring *bring)
{
	struct unit *unit = bring->unit;

	bring->block = NULL;
	if (!unit->dead && !content->closing && unit->big && bring->at < unit->body->count)
		bring->block = unit->body->parts[bring->at++].block;
	else if (!unit->dead && !unit->big && bring->at++ == 0)
		bring->block = unit->slab;
	if (bring->block == NULL)
		bring_ready(content, &bring->waiter, 0);
	else
		block_want(content, bring->block, &bring->waiter);
}

void tier_bring_back(struct content *content, struct unit *unit, bool all)
{
	uint64_t limit = content->policy.hot_most_bytes;
	struct bring *bring;

	if (unit->dead || (unit->big && (unit->body->count == 0 || (unit->body->fd >= 0 && !unit_is_conversation(unit)))))
		return;
	if (!all && limit > 0 && content->hot_bytes + unit->bytes > limit / 2)
		return;
	bring = mem_alloc(content, sizeof(*bring));
	if (bring == NULL)
		return;
	bring->unit = unit;
	bring->waiter.ready = bring_ready;
	unit_pin(unit);
	if (unit->big && !unit_is_conversation(unit)) {
		fill_want(content, unit, &bring->waiter);
		return;
	}
	if (!all && unit->big && unit->bytes > END_BYTES)
		bring->at = body_find_part(unit->body, unit->bytes - END_BYTES);
	bring_next(content, bring);
}
