/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations that grow and are edited. Where a change lies in the tail it is
 * made there; otherwise what it touches is cut anew.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-change.h"

#include <unistd.h>

static void change_free(struct content *content, struct change *change)
{
	for (uint32_t i = 0; i < change->count; i++)
		block_unpin(content, change->blocks[i]);
	mem_free(content, change->blocks, change->room * sizeof(*change->blocks));
	pages_free(change->rest, change->rest_room);
	build_free(&change->build);
	if (change->source.fd >= 0)
		close(change->source.fd);
	mem_free(content, change->copy, change->source.bytes + 1);
	mem_free(content, change, sizeof(*change));
}

void change_end(struct content *content, struct change *change, int error)
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

void conversation_changed(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;

	body->version++;
	unit_forget_digest(unit);
	unit_used(content, unit);
	body_set_fd(content, body, -1, 0);
	if (body->tail_bytes == 0)
		content->records_stale = true;
}

static void change_begin(struct content *content, struct change *change)
{
	const struct unit *unit = change->op.unit;

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
	change_cut(content, change);
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

static void change_start(struct content *content, const struct change *wanted)
{
	struct content_source source = wanted->source;
	struct change *change;

	content->handed_in_bytes += source.bytes;
	if (change_at_once(content, wanted))
		return;
	change = mem_alloc(content, sizeof(*change));
	if (change != NULL) {
		*change = *wanted;
		change->content = content;
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
