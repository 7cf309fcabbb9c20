/* SPDX-License-Identifier: Apache-2.0 */
/* Order of operations on one unit, and answers. */
#include "content-inner.h"
#include "content-bodies.h"
#include "content-units.h"

#include <stdlib.h>

void op_start(struct op *op)
{
	struct body *body = op->unit->big ? op->unit->body : NULL;

	if (body != NULL && (body->changing != NULL || body->waiting != NULL)) {
		op->next = NULL;
		*body->waiting_end = op;
		body->waiting_end = &op->next;
		return;
	}
	if (body != NULL && op->changes)
		body->changing = op;
	op->run(op);
}

void op_end(struct op *op)
{
	struct content *content = op->content;
	struct unit *unit = op->unit;
	struct body *body = unit->body;

	body->changing = NULL;
	unit_pin(unit);
	while (body->changing == NULL && body->waiting != NULL) {
		struct op *next = body->waiting;

		body->waiting = next->next;
		if (body->waiting == NULL)
			body->waiting_end = &body->waiting;
		if (next->changes)
			body->changing = next;
		next->run(next);
	}
	unit_unpin(content, unit);
}

void result_of(const struct unit *unit, struct content_result *result)
{
	*result = (struct content_result){ .unit = unit->entry.number, .bytes = unit->bytes, .total_bytes = unit->bytes, .kind = unit->kind, .fd = -1 };
	if (!unit_is_conversation(unit)) {
		result->has_digest = unit->entry.has_digest;
		result->digest = unit->entry.digest;
		if (unit->big)
			result->fd = unit->body->fd;
	} else if (unit->body->digested) {
		result->has_digest = true;
		result->digest = unit->body->digest;
	}
}

void answer_error(content_done done, void *context, int error)
{
	const struct content_result result = { .error = error, .fd = -1 };

	done(context, &result);
}

void answer_unit(const struct unit *unit, bool known, content_done done, void *context)
{
	struct content_result result;

	result_of(unit, &result);
	result.known = known;
	done(context, &result);
}
