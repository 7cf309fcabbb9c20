/* SPDX-License-Identifier: Apache-2.0 */
/* A fork shares all blocks that lie wholly in front; of what is cut through it gets a copy. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-units.h"

#include <stdlib.h>

struct fork {
	struct op op;
	struct op making;		/* of the new unit: it is not what it will be yet */
	struct waiter waiter;
	struct content *content;
	struct unit *made;		/* held by the agent already, and pinned */
	uint64_t agent;
	uint64_t prefix_bytes;
	struct block *block;		/* cut through */
	uint32_t block_bytes;
	content_done done;
	void *context;
};

static void fork_end(struct content *content, struct fork *fork, int error)
{
	struct unit *unit = fork->op.unit;
	struct unit *made = fork->made;

	if (made != NULL && error == 0 && made->dead)
		error = -ENOENT;
	if (error != 0 && made != NULL && !made->dead)
		content_free(content, fork->agent, made->entry.number);
	if (error != 0)
		answer_error(fork->done, fork->context, error);
	else
		answer_unit(made, false, fork->done, fork->context);
	content->records_stale = true;
	if (made != NULL && made->body->changing == &fork->making)
		op_end(&fork->making);
	mem_free(content, fork, sizeof(*fork));
	if (made != NULL)
		unit_unpin(content, made);
	unit_unpin(content, unit);
}

static int copy_tail(struct content *content, struct body *body, const uint8_t *data, uint32_t bytes)
{
	int error = bytes == 0 ? 0 : body_tail_room(content, body, bytes);

	if (error != 0 || bytes == 0)
		return error;
	memcpy(body->tail, data, bytes);
	body->tail_bytes = bytes;
	content->hot_bytes += bytes;
	unit_set_bytes(content, body->unit, body_parts_bytes(body) + bytes);
	return 0;
}

static void fork_ready(struct content *content, struct waiter *waiter, int error)
{
	struct fork *fork = container(waiter, struct fork, waiter);

	if (error == 0) {
		error = fork->made->dead ? -ENOENT : copy_tail(content, fork->made->body, fork->block->plain, fork->block_bytes);
		block_unpin(content, fork->block); /* for its plain bytes */
	}
	block_unpin(content, fork->block);
	fork_end(content, fork, error);
}

static void fork_run(struct op *op)
{
	struct fork *fork = container(op, struct fork, op);
	struct content *content = fork->content;
	const struct body *from = op->unit->body;
	uint64_t bytes = fork->prefix_bytes < op->unit->bytes ? fork->prefix_bytes : op->unit->bytes;
	struct body *body;
	uint32_t whole;
	uint64_t start;
	int error = op->unit->dead || unit_holder(op->unit, fork->agent) == NULL ? -ENOENT : 0;

	if (error == 0) {
		fork->made = unit_new(content, op->unit->entry.domain, AM_KIND_CONVERSATION, true);
		error = fork->made == NULL ? -ENOMEM : 0;
	}
	if (error == 0) {
		unit_pin(fork->made);
		fork->making = (struct op){ .content = content, .unit = fork->made, .changes = true };
		fork->made->body->changing = &fork->making;
		error = unit_hold(content, fork->made, fork->agent);
		if (error != 0)
			unit_drop(content, fork->made);
	}
	if (error != 0) {
		fork_end(content, fork, error);
		return;
	}
	body = fork->made->body;
	whole = body_find_part(from, bytes);
	for (uint32_t i = 0; error == 0 && i < whole; i++) {
		error = body_add_part(content, body, from->parts[i].block);
		block_touch(content, from->parts[i].block);
	}
	start = body_parts_bytes(body);
	body->ends_open = from->ends_open && whole == from->count && whole > 0;
	unit_set_bytes(content, fork->made, start);
	if (error == 0 && whole == from->count)
		error = copy_tail(content, body, from->tail, (uint32_t)(bytes - start));
	if (error == 0 && whole == from->count)
		body->tail_seen = from->tail_seen < body->tail_bytes ? from->tail_seen : body->tail_bytes;
	if (error != 0 || whole == from->count || bytes == start) {
		fork_end(content, fork, error);
		return;
	}
	fork->block = from->parts[whole].block;
	fork->block_bytes = (uint32_t)(bytes - start);
	block_pin(fork->block);
	block_want(content, fork->block, &fork->waiter);
}

void content_fork(struct content *content, uint64_t agent, uint64_t number, uint64_t prefix_bytes, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);
	struct fork *fork = unit == NULL || !unit_is_conversation(unit) ? NULL : mem_alloc(content, sizeof(*fork));

	if (fork == NULL) {
		answer_error(done, context, unit == NULL ? -ENOENT : !unit_is_conversation(unit) ? -EINVAL : -ENOMEM);
		return;
	}
	*fork = (struct fork){ .content = content, .agent = agent, .prefix_bytes = prefix_bytes, .done = done, .context = context };
	fork->op = (struct op){ .content = content, .unit = unit, .run = fork_run };
	fork->waiter.ready = fork_ready;
	unit_pin(unit);
	op_start(&fork->op);
}
