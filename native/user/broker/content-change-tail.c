/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that lie in the tail: moved there, or read from a memfd to where they belong. */
#include "content-inner.h"
#include "content-bodies.h"
#include "content-change.h"

/* What may be moved in a tail without a worker. */
#define MOVE_HERE_BYTES (1024u * 1024u)

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
	conversation_changed(content, unit);
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

bool change_here(struct content *content, struct change *change)
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

bool change_at_once(struct content *content, const struct change *wanted)
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
