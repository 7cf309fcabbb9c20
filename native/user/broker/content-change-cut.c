/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes by cutting anew: from the block in front of the change until a cut
 * falls where one was. Whole chunks become blocks, the rest is the tail. The
 * new state is built beside the old one and takes its place in one step, or
 * not at all.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-change.h"
#include "content-cold.h"

static void advance(struct content *content, struct change *change);

/* Nothing fails from here on. */
static void take_place(struct content *content, struct change *change)
{
	struct unit *unit = change->op.unit;
	struct body *body = unit->body;
	uint32_t same = change->same_from < body->count ? body->count - change->same_from : 0;

	/* The old parts that stay behind the new ones are held meanwhile. */
	for (uint32_t i = 0; i < same; i++) {
		struct block *block = body->parts[change->same_from + i].block;

		block_pin(block);
		change->blocks[change->count++] = block;
	}
	body->ends_open = same > 0 && body->ends_open;
	for (uint32_t i = body->count; i > change->keep; i--) {
		struct block *block = body->parts[i - 1].block;

		block_pin(block);
		block_unuse(content, block, (enum am_state)unit->state);
		body->count--;
		block_unpin(content, block);
	}
	for (uint32_t i = 0; i < change->count; i++)
		body_add_part(content, body, change->blocks[i]);
	if (!change->same_tail) {
		body_set_tail(content, body, change->rest, change->rest_bytes, change->rest_room);
		change->rest = NULL;
		body->tail_seen = body->tail_bytes;
	}
	conversation_changed(content, unit);
	unit_set_bytes(content, unit, body_parts_bytes(body) + body->tail_bytes);
}

static int room_for_blocks(struct content *content, struct change *change, uint32_t count)
{
	struct block **blocks;
	uint32_t room = change->room == 0 ? 8 : change->room;

	if (count <= change->room)
		return 0;
	while (room < count)
		room *= 2;
	blocks = mem_grow(content, change->blocks, change->room * sizeof(*blocks), room * sizeof(*blocks));
	if (blocks == NULL)
		return -ENOMEM;
	change->blocks = blocks;
	change->room = room;
	return 0;
}

static void finish(struct content *content, struct change *change)
{
	struct body *body = change->op.unit->body;
	uint32_t same = change->same_from < body->count ? body->count - change->same_from : 0;
	int error = room_for_blocks(content, change, change->count + same);

	if (error == 0)
		error = body_part_room(content, body, change->keep + change->count + same);
	if (error == 0 && !change->op.unit->dead)
		take_place(content, change);
	change_end(content, change, error);
}

/* What a worker has cut becomes blocks. */
static int take_cuts(struct content *content, struct change *change)
{
	struct build *build = &change->build;
	struct unit *unit = change->op.unit;
	uint64_t like = change->append || change->next_part == 0 || change->next_part > unit->body->count ? 0 : unit->body->parts[change->next_part - 1].block->entry.number;
	int error = room_for_blocks(content, change, change->count + build->count);

	for (unsigned i = 0; error == 0 && i < build->count; i++) {
		struct cut *cut = &build->cuts[i];
		struct block *block = block_adopt(content, unit->entry.domain, AM_KIND_CONVERSATION, cut->plain, cut->bytes, &cut->digest, &cut->sketch, like);

		cut->plain = NULL;
		if (block == NULL) {
			error = -ENOMEM;
			break;
		}
		block_pin(block);
		change->blocks[change->count++] = block;
	}
	pages_free(change->rest, change->rest_room);
	change->rest = build->rest;
	change->rest_bytes = (uint32_t)build->rest_bytes;
	change->rest_room = (uint32_t)build->rest_room;
	build->rest = NULL;
	build_free(build);
	return error;
}

static void built(struct content *content, struct job *job)
{
	struct change *change = container(job, struct change, build.job);

	if (change->build.error == 0)
		change->build.error = take_cuts(content, change);
	if (change->wanted != NULL)
		block_unpin(content, change->wanted);
	change->wanted = NULL;
	if (change->build.error != 0)
		change_end(content, change, change->build.error);
	else
		advance(content, change);
}

static void feed(struct content *content, struct change *change, const uint8_t *data, uint64_t bytes)
{
	struct build *build = &change->build;

	*build = (struct build){ .job = { .class = JOB_BUILD, .work = build_work, .done = built }, .fd = -1 };
	build->start = change->rest;
	build->start_bytes = change->rest_bytes;
	build->data = data;
	build->bytes = bytes;
	if (data == NULL) {
		build->fd = change->source.fd;
		build->offset = change->taken;
	}
	workers_start(content->workers, &build->job);
}

static void fetched(struct content *content, struct waiter *waiter, int error)
{
	struct change *change = container(waiter, struct change, waiter);

	if (error != 0) {
		change->wanted = NULL;
		change_end(content, change, error);
		return;
	}
	advance(content, change);
}

static void fetch(struct content *content, struct change *change, struct block *block)
{
	change->wanted = block;
	block_want(content, block, &change->waiter);
}

/* The bytes in front of the change that are cut anew: of its block, or of the tail. */
static void step_start(struct content *content, struct change *change)
{
	struct body *body = change->op.unit->body;
	uint64_t start = change->keep == 0 ? 0 : body->parts[change->keep - 1].end;
	uint64_t bytes = change->offset - start;

	if (change->wanted == NULL && change->keep < body->count && bytes > 0) {
		fetch(content, change, body->parts[change->keep].block);
		return;
	}
	change->step = STEP_DATA;
	if (bytes > 0)
		feed(content, change, change->wanted != NULL ? change->wanted->plain : body->tail, bytes);
	else
		advance(content, change);
}

static void step_data(struct content *content, struct change *change)
{
	uint64_t left = change->source.bytes - change->taken;
	uint64_t bytes = left < STEP_BYTES ? left : STEP_BYTES;

	if (left == 0) {
		change->step = STEP_OLD;
		advance(content, change);
		return;
	}
	feed(content, change, change->copy == NULL ? NULL : (const uint8_t *)change->copy + change->taken, bytes);
	change->taken += bytes;
}

/* Old bytes behind the change, until a cut falls where one was. */
static void step_old(struct content *content, struct change *change)
{
	struct body *body = change->op.unit->body;
	uint64_t from;

	while (change->next_part < body->count && body->parts[change->next_part].end <= change->skip)
		change->next_part++;
	from = change->next_part == 0 ? 0 : body->parts[change->next_part - 1].end;
	if (change->rest_bytes == 0 && change->skip <= from) {
		change->same_from = change->next_part;
		change->same_tail = true;
		finish(content, change);
		return;
	}
	if (change->next_part < body->count && change->wanted == NULL) {
		fetch(content, change, body->parts[change->next_part].block);
		return;
	}
	if (change->skip > from)
		from = change->skip;
	if (change->next_part < body->count) {
		uint64_t start = body->parts[change->next_part].end - change->wanted->bytes;

		change->skip = body->parts[change->next_part].end;
		change->next_part++;
		feed(content, change, change->wanted->plain + (from - start), change->skip - from);
		return;
	}
	change->step = STEP_END;
	if (change->op.unit->bytes > from)
		feed(content, change, body->tail + (from - body_parts_bytes(body)), change->op.unit->bytes - from);
	else
		advance(content, change);
}

static void advance(struct content *content, struct change *change)
{
	if (change->op.unit->dead) {
		if (change->wanted != NULL)
			block_unpin(content, change->wanted);
		change->wanted = NULL;
		change_end(content, change, -ENOENT);
		return;
	}
	switch (change->step) {
	case STEP_UNRECORD:
		change->step = STEP_START;
		cold_unrecord(content, change->op.unit, &change->waiter);
		return;
	case STEP_START:
		step_start(content, change);
		return;
	case STEP_DATA:
		step_data(content, change);
		return;
	case STEP_OLD:
		step_old(content, change);
		return;
	case STEP_END:
		finish(content, change);
		return;
	}
}

/* Finds where to begin: at the block of the first byte changed, or of the one before where the end is open. */
void change_cut(struct content *content, struct change *change)
{
	const struct unit *unit = change->op.unit;
	const struct body *body = unit->body;

	change->waiter.ready = fetched;
	change->keep = body_find_part(body, change->offset);
	if (change->keep == body->count && body->ends_open && body->count > 0 && change->offset == body_parts_bytes(body))
		change->keep--;
	change->skip = change->offset + change->old_bytes;
	change->next_part = change->keep;
	change->same_from = UINT32_MAX;
	change->step = unit->recorded || unit->recording ? STEP_UNRECORD : STEP_START;
	advance(content, change);
}
