/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations that grow and are edited. What comes in is cut by its content;
 * whole chunks become blocks, the rest is the tail. The new state is built
 * beside the old one and takes its place in one step, or not at all.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-build.h"
#include "content-cold.h"
#include "content-tiers.h"
#include "content-units.h"

#include <stdlib.h>
#include <unistd.h>

/* What may be moved in a tail without a worker. */
#define MOVE_HERE_BYTES (1024u * 1024u)

enum change_step { STEP_UNRECORD, STEP_START, STEP_DATA, STEP_OLD, STEP_END };

struct change {
	struct op op;
	struct gate gate;
	struct waiter waiter;
	struct build build;
	struct content *content;
	uint64_t agent;
	uint64_t offset, old_bytes;
	bool append;
	bool is_new;			/* unit was made for this: goes if it fails */
	struct content_source source;
	void *copy;			/* source.data */
	uint64_t taken;			/* of the source */
	content_done done;
	void *context;

	enum change_step step;
	uint32_t keep;			/* parts that stay in front */
	struct block *wanted;		/* being fetched */
	uint32_t next_part;		/* old part to feed next */
	uint64_t skip;			/* old bytes up to here are replaced */
	struct block **blocks;		/* the new parts */
	uint32_t count, room;
	uint8_t *rest;
	uint32_t rest_bytes, rest_room;
	uint32_t same_from;		/* old parts from here on stay: UINT32_MAX none */
	bool same_tail;
	int error;
};

static void advance(struct content *content, struct change *change);

static void change_free(struct content *content, struct change *change)
{
	for (uint32_t i = 0; i < change->count; i++)
		block_unpin(content, change->blocks[i]);
	mem_free(content, change->blocks, change->room * sizeof(*change->blocks));
	pages_free(change->rest, change->rest_room);
	build_free(&change->build);
	if (change->source.fd >= 0)
		close(change->source.fd);
	mem_free(content, change->copy, change->source.bytes);
	mem_free(content, change, sizeof(*change));
}

static void change_end(struct content *content, struct change *change, int error)
{
	struct unit *unit = change->op.unit;
	struct op *op = &change->op;

	if (error == 0 && (unit->dead || unit_holder(unit, change->agent) == NULL))
		error = -ENOENT;
	if (error != 0 && change->is_new && !unit->dead)
		content_free(content, change->agent, unit->entry.number);
	if (error != 0)
		answer_error(change->done, change->context, error);
	else
		answer_unit(unit, false, change->done, change->context);
	op_end(op);
	if (error == 0)
		tail_look(content, unit);
	change_free(content, change);
	unit_unpin(content, unit);
	tier_limits(content);
}

static void has_changed(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;

	body->version++;
	unit_forget_digest(unit);
	unit_used(content, unit);
	body_set_fd(content, body, -1, 0);
	if (body->tail_bytes == 0)
		content->records_stale = true;
}

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
	has_changed(content, unit);
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

/* All of it lies in the tail, and what is to be moved in that is little. */
static bool is_in_tail(const struct unit *unit, uint64_t offset, uint64_t old_bytes, uint64_t bytes)
{
	const struct body *body = unit->body;

	return !unit->recorded && !unit->recording && (!body->ends_open || body->count == 0) && bytes <= STEP_BYTES && offset >= body_parts_bytes(body) &&
		unit->bytes - offset - old_bytes <= MOVE_HERE_BYTES && body->tail_bytes - old_bytes + bytes <= 4 * (uint64_t)build_sizes->max;
}

static void tail_changed(struct content *content, struct unit *unit, uint64_t bytes)
{
	struct body *body = unit->body;

	content->hot_bytes += bytes - body->tail_bytes;
	body->tail_bytes = (uint32_t)bytes;
	has_changed(content, unit);
	unit_set_bytes(content, unit, body_parts_bytes(body) + bytes);
}

static bool change_tail(struct content *content, struct unit *unit, uint64_t offset, uint64_t old_bytes, const void *data, uint64_t bytes)
{
	struct body *body = unit->body;
	uint64_t from = offset - body_parts_bytes(body);
	uint64_t all = body->tail_bytes - old_bytes + bytes;

	if (body_tail_room(content, body, (uint32_t)all) != 0)
		return false;
	memmove(body->tail + from + bytes, body->tail + from + old_bytes, body->tail_bytes - from - old_bytes);
	memcpy(body->tail + from, data, bytes);
	if (body->tail_seen > from)
		body->tail_seen = (uint32_t)from;
	tail_changed(content, unit, all);
	return true;
}

/* A memfd's bytes, straight to where they belong. Nobody else looks behind the end of a tail. */
static void read_work(struct job *job)
{
	struct change *change = container(job, struct change, build.job);
	const struct body *body = change->op.unit->body;

	change->error = build_read(change->source.fd, body->tail + body->tail_bytes, change->source.bytes);
}

static void read_done(struct content *content, struct job *job)
{
	struct change *change = container(job, struct change, build.job);
	struct unit *unit = change->op.unit;

	if (change->error == 0 && !unit->dead)
		tail_changed(content, unit, unit->body->tail_bytes + change->source.bytes);
	change_end(content, change, change->error);
}

/* True: it is under way, or is through and the change gone. */
static bool change_here(struct content *content, struct change *change)
{
	struct unit *unit = change->op.unit;

	if (!is_in_tail(unit, change->offset, change->old_bytes, change->source.bytes))
		return false;
	if (change->copy != NULL) {
		if (!change_tail(content, unit, change->offset, change->old_bytes, change->copy, change->source.bytes))
			return false;
		change_end(content, change, 0);
		return true;
	}
	if (!change->append || body_tail_room(content, unit->body, (uint32_t)(unit->body->tail_bytes + change->source.bytes)) != 0)
		return false;
	change->build.job = (struct job){ .class = change->source.bytes <= MOVE_HERE_BYTES ? JOB_URGENT : JOB_BUILD, .work = read_work, .done = read_done };
	workers_start(content->workers, &change->build.job);
	return true;
}

/* Finds where to begin: at the block of the first byte changed, or of the one before where the end is open. */
static void change_begin(struct content *content, struct change *change)
{
	struct unit *unit = change->op.unit;
	struct body *body = unit->body;

	if (change->append)
		change->offset = unit->bytes;
	if (unit->dead || change->offset > unit->bytes || change->old_bytes > unit->bytes - change->offset) {
		change_end(content, change, unit->dead ? -ENOENT : -EINVAL);
		return;
	}
	if (unit->bytes - change->old_bytes + change->source.bytes > BROKER_UNIT_MOST) {
		change_end(content, change, -E2BIG);
		return;
	}
	if (change->source.bytes + change->old_bytes == 0) {
		change_end(content, change, 0);
		return;
	}
	if (change_here(content, change))
		return;
	change->keep = body_find_part(body, change->offset);
	if (change->keep == body->count && body->ends_open && body->count > 0 && change->offset == body_parts_bytes(body))
		change->keep--;
	change->skip = change->offset + change->old_bytes;
	change->next_part = change->keep;
	change->same_from = UINT32_MAX;
	change->step = unit->recorded || unit->recording ? STEP_UNRECORD : STEP_START;
	advance(content, change);
}

static void change_go(struct content *content, struct gate *gate)
{
	change_begin(content, container(gate, struct change, gate));
}

static void change_run(struct op *op)
{
	struct change *change = container(op, struct change, op);

	if (!gate_wait(op->content, &change->gate, change_go))
		change_begin(op->content, change);
}

/* What is short and comes when nothing is under way: without a copy of it, a job, or memory for either. */
static bool append_at_once(struct content *content, const struct change *wanted)
{
	struct unit *unit = wanted->op.unit;
	const struct body *body = unit->body;

	if (!wanted->append || wanted->source.fd >= 0 || wanted->source.bytes == 0 || body->changing != NULL || body->waiting != NULL || content->closing)
		return false;
	tier_limits(content);
	if (content->gates != NULL || tier_is_over(content) || unit->bytes + wanted->source.bytes > BROKER_UNIT_MOST || !is_in_tail(unit, unit->bytes, 0, wanted->source.bytes) ||
	    !change_tail(content, unit, unit->bytes, 0, wanted->source.data, wanted->source.bytes))
		return false;
	answer_unit(unit, false, wanted->done, wanted->context);
	if (!unit->dead)
		tail_look(content, unit);
	return true;
}

static void change_start(struct content *content, const struct change *wanted)
{
	struct content_source source = wanted->source;
	struct change *change;

	content->handed_in_bytes += source.bytes;
	if (append_at_once(content, wanted))
		return;
	change = mem_alloc(content, sizeof(*change));
	if (change != NULL) {
		*change = *wanted;
		change->content = content;
		change->waiter.ready = fetched;
		change->op.content = content;
		change->op.changes = true;
		change->op.run = change_run;
		if (source.fd < 0) {
			/* One byte more: data of no bytes is data. */
			change->copy = mem_alloc(content, source.bytes + 1);
			if (change->copy == NULL) {
				mem_free(content, change, sizeof(*change));
				change = NULL;
			} else if (source.bytes > 0) {
				memcpy(change->copy, source.data, source.bytes);
			}
		}
	}
	if (change == NULL) {
		if (source.fd >= 0)
			close(source.fd);
		if (wanted->is_new)
			content_free(content, wanted->agent, wanted->op.unit->entry.number);
		answer_error(wanted->done, wanted->context, -ENOMEM);
		return;
	}
	change->source.data = NULL;
	unit_pin(change->op.unit);
	op_start(&change->op);
}

static struct unit *conversation_of(struct content *content, uint64_t agent, uint64_t number, int *error)
{
	struct unit *unit = unit_of(content, agent, number);

	*error = unit == NULL ? -ENOENT : unit_is_conversation(unit) ? 0 : -EINVAL;
	return unit;
}

static void change_or_answer(struct content *content, struct change *change, uint64_t number)
{
	int error;

	change->op.unit = conversation_of(content, change->agent, number, &error);
	if (error == 0) {
		change_start(content, change);
		return;
	}
	if (change->source.fd >= 0)
		close(change->source.fd);
	answer_error(change->done, change->context, error);
}

void content_append(struct content *content, uint64_t agent, uint64_t number, struct content_source source, content_done done, void *context)
{
	struct change change = { .agent = agent, .source = source, .append = true, .done = done, .context = context };

	change_or_answer(content, &change, number);
}

void content_edit(struct content *content, uint64_t agent, uint64_t number, uint64_t offset, uint64_t old_bytes, struct content_source source, content_done done, void *context)
{
	struct change change = { .agent = agent, .source = source, .offset = offset, .old_bytes = old_bytes, .done = done, .context = context };

	change_or_answer(content, &change, number);
}

void conversation_add(struct content *content, uint64_t agent, uint64_t domain, struct content_source source, content_done done, void *context)
{
	struct change change = { .agent = agent, .source = source, .append = true, .is_new = true, .done = done, .context = context };
	struct unit *unit = unit_new(content, domain, AM_KIND_CONVERSATION, true);
	int error = unit == NULL ? -ENOMEM : unit_hold(content, unit, agent);

	if (error != 0) {
		if (unit != NULL)
			unit_drop(content, unit);
		if (source.fd >= 0)
			close(source.fd);
		answer_error(done, context, error);
		return;
	}
	content->handed_in_bytes -= source.bytes; /* counted twice otherwise */
	change.op.unit = unit;
	change_start(content, &change);
}
