/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a part of a unit, wherever its bytes lie. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-units.h"

#include <stdlib.h>
#include <unistd.h>

/* A piece of the answer that is still to come from a block. */
struct slice {
	struct block *block;		/* pinned */
	uint32_t from, bytes, to;
};

struct read {
	struct op op;
	struct waiter waiter;
	struct content *content;
	uint64_t agent;
	uint64_t offset, bytes;
	uint64_t total_bytes;		/* of the unit when it was looked at */
	bool maps;			/* is content_map() of something small */
	content_done done;
	void *context;
	uint8_t *out;
	struct slice *slices;
	uint32_t count, at;
};

static void read_free(struct content *content, struct read *read)
{
	struct unit *unit = read->op.unit;

	for (uint32_t i = read->at; i < read->count; i++)
		block_unpin(content, read->slices[i].block);
	mem_free(content, read->slices, read->count * sizeof(*read->slices));
	mem_free(content, read->out, read->bytes);
	mem_free(content, read, sizeof(*read));
	unit_unpin(content, unit);
}

static void answer(struct content *content, struct read *read, int error, const void *data)
{
	struct content_result result;
	struct holder *holder = read->op.unit->dead ? NULL : unit_holder(read->op.unit, read->agent);

	if (error == 0 && holder == NULL)
		error = -ENOENT;
	if (error != 0) {
		answer_error(read->done, read->context, error);
		return;
	}
	if (read->maps) {
		holder->maps++;
		if (read->op.unit->big)
			read->op.unit->body->maps++;
	}
	holder->keeper->used_ms = content->now_ms;
	result_of(read->op.unit, &result);
	result.fd = -1;
	result.data = data;
	result.data_bytes = read->bytes;
	result.total_bytes = read->total_bytes;
	if (read->maps)
		result.bytes = read->bytes;
	read->done(read->context, &result);
}

static void next_slice(struct content *content, struct read *read)
{
	if (read->at < read->count) {
		block_want(content, read->slices[read->at].block, &read->waiter);
		return;
	}
	answer(content, read, 0, read->out);
	read_free(content, read);
}

static void slice_ready(struct content *content, struct waiter *waiter, int error)
{
	struct read *read = container(waiter, struct read, waiter);
	const struct slice *slice = &read->slices[read->at];
	struct block *block = slice->block;

	if (error != 0) {
		answer(content, read, error, NULL);
		read_free(content, read);
		return;
	}
	memcpy(read->out + slice->to, block->plain + slice->from, slice->bytes);
	read->at++;
	block_unpin(content, block); /* for its plain bytes */
	block_unpin(content, block); /* the slice's */
	next_slice(content, read);
}

/* In one block that is plain: nothing is copied. */
static const uint8_t *direct(struct content *content, const struct read *read)
{
	const struct unit *unit = read->op.unit;
	struct block *block = unit->slab;
	uint64_t from = unit->slab_offset + read->offset;

	if (unit->big) {
		const struct body *body = unit->body;
		uint32_t nth = body_find_part(body, read->offset);
		uint64_t start = nth == 0 ? 0 : body->parts[nth - 1].end;

		if (nth == body->count)
			return body->tail + (read->offset - start);
		if (body->parts[nth].end < read->offset + read->bytes)
			return NULL;
		block = body->parts[nth].block;
		from = read->offset - start;
	}
	if (block->plain == NULL)
		return NULL;
	block_touch(content, block);
	return block->plain + from;
}

static bool add_slice(struct content *content, struct read *read, struct block *block, uint64_t from, uint64_t bytes, uint64_t to)
{
	struct slice *slices = mem_grow(content, read->slices, read->count * sizeof(*slices), (read->count + 1) * sizeof(*slices));

	if (slices == NULL)
		return false;
	read->slices = slices;
	slices[read->count++] = (struct slice){ .block = block, .from = (uint32_t)from, .bytes = (uint32_t)bytes, .to = (uint32_t)to };
	block_pin(block);
	return true;
}

/* Copies what is here; what is not is noted, for the unit may change before it comes. */
static int gather(struct content *content, struct read *read)
{
	const struct body *body = read->op.unit->big ? read->op.unit->body : NULL;
	uint64_t done = 0;

	if (body == NULL)
		return add_slice(content, read, read->op.unit->slab, read->op.unit->slab_offset + read->offset, read->bytes, 0) ? 0 : -ENOMEM;
	for (uint32_t i = body_find_part(body, read->offset); i < body->count && done < read->bytes; i++) {
		struct block *block = body->parts[i].block;
		uint64_t start = body->parts[i].end - block->bytes;
		uint64_t from = read->offset + done - start;
		uint64_t bytes = block->bytes - from < read->bytes - done ? block->bytes - from : read->bytes - done;

		if (block->plain != NULL) {
			memcpy(read->out + done, block->plain + from, bytes);
			block_touch(content, block);
		} else if (!add_slice(content, read, block, from, bytes, done)) {
			return -ENOMEM;
		}
		done += bytes;
	}
	if (done < read->bytes)
		memcpy(read->out + done, body->tail + (read->offset + done - body_parts_bytes(body)), read->bytes - done);
	return 0;
}

static int from_memfd(struct content *content, const struct read *read)
{
	uint64_t at = 0;

	while (at < read->bytes) {
		ssize_t count = pread(read->op.unit->body->fd, content->room + at, read->bytes - at, (off_t)(read->offset + at));

		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		at += (uint64_t)count;
	}
	return 0;
}

static void read_run(struct op *op)
{
	struct read *read = container(op, struct read, op);
	struct content *content = read->content;
	struct unit *unit = op->unit;
	const uint8_t *data;
	int error = 0;

	read->total_bytes = unit->bytes;
	if (read->offset > unit->bytes)
		read->offset = unit->bytes;
	if (read->bytes > unit->bytes - read->offset)
		read->bytes = unit->bytes - read->offset;
	if (unit->dead) {
		error = -ENOENT;
	} else if (read->bytes == 0) {
		answer(content, read, 0, "");
	} else if (unit->big && unit->body->fd >= 0 && !unit_is_conversation(unit)) {
		error = from_memfd(content, read);
		if (error == 0)
			answer(content, read, 0, content->room);
		unit->body->generation = 0;
	} else if ((data = direct(content, read)) != NULL) {
		answer(content, read, 0, data);
	} else {
		read->out = mem_alloc(content, read->bytes);
		error = read->out == NULL ? -ENOMEM : gather(content, read);
		if (error == 0) {
			next_slice(content, read);
			return;
		}
	}
	if (error != 0)
		answer(content, read, error, NULL);
	if (read->out == NULL)
		read->bytes = 0;
	read_free(content, read);
}

void read_start(struct content *content, uint64_t agent, struct unit *unit, uint64_t offset, uint64_t bytes, bool maps, content_done done, void *context)
{
	struct read *read = mem_alloc(content, sizeof(*read));

	if (read == NULL) {
		answer_error(done, context, -ENOMEM);
		return;
	}
	*read = (struct read){ .content = content, .agent = agent, .offset = offset, .bytes = bytes, .maps = maps, .done = done, .context = context };
	read->waiter.ready = slice_ready;
	read->op = (struct op){ .content = content, .unit = unit, .run = read_run };
	unit_pin(unit);
	unit_used(content, unit);
	op_start(&read->op);
}

void content_read(struct content *content, uint64_t agent, uint64_t number, uint64_t offset, uint64_t bytes, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL)
		answer_error(done, context, -ENOENT);
	else
		read_start(content, agent, unit, offset, bytes < BROKER_INLINE_MOST ? bytes : BROKER_INLINE_MOST, false, done, context);
}
