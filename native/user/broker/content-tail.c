/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a conversation, where it grows. What is appended lies behind the
 * tail at once; a cut in it is looked for where none was looked for yet, and
 * the block that it ends is made while the client goes on: it takes the pages
 * of the tail as they are, and only what is behind it is copied.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-build.h"
#include "content-tiers.h"
#include "content-units.h"

#include <stdlib.h>

/* To look at so much takes less than waking a worker twice. */
#define LOOK_HERE_BYTES (128u * 1024u)

struct cutting {
	struct op op;			/* nothing changes it meanwhile */
	struct build build;
};

static void cutting_end(struct content *content, struct cutting *cutting)
{
	struct unit *unit = cutting->op.unit;

	unit->body->cutting = false;
	op_end(&cutting->op);
	build_free(&cutting->build);
	mem_free(content, cutting, sizeof(*cutting));
	unit_unpin(content, unit);
	tier_limits(content);
}

/* The blocks behind the first one, pinned. */
static int adopt_copies(struct content *content, struct cutting *cutting, struct block **blocks)
{
	struct build *build = &cutting->build;

	for (unsigned i = 1; i < build->count; i++) {
		struct cut *cut = &build->cuts[i];

		blocks[i] = block_adopt(content, cutting->op.unit->entry.domain, AM_KIND_CONVERSATION, cut->plain, cut->bytes, &cut->digest, &cut->sketch, 0);
		cut->plain = NULL;
		if (blocks[i] == NULL)
			return -ENOMEM;
		block_pin(blocks[i]);
	}
	return 0;
}

/* The tail's own pages become the first block; nothing fails behind that. */
static void take_tail(struct content *content, struct cutting *cutting, struct block **blocks)
{
	struct body *body = cutting->op.unit->body;
	struct build *build = &cutting->build;
	const struct cut *first = &build->cuts[0];
	uint8_t *tail = body->tail;
	size_t room = body->tail_room;
	size_t kept = (first->bytes + (size_t)4095) & ~(size_t)4095;

	blocks[0] = block_try_adopt(content, cutting->op.unit->entry.domain, AM_KIND_CONVERSATION, tail, first->bytes, &first->digest, &first->sketch, 0);
	if (blocks[0] == NULL)
		return;
	block_pin(blocks[0]);
	if (room > kept)
		pages_free(tail + kept, room - kept);
	body->tail = NULL;
	body->tail_room = 0;
	body_set_tail(content, body, build->rest, (uint32_t)build->rest_bytes, (uint32_t)build->rest_room);
	body->tail_seen = body->tail_bytes;
	build->rest = NULL;
	for (unsigned i = 0; i < build->count; i++)
		body_add_part(content, body, blocks[i]);
	if (body->tail_bytes == 0)
		content->records_stale = true;
}

static void cut_made(struct content *content, struct job *job)
{
	struct cutting *cutting = container(job, struct cutting, build.job);
	struct build *build = &cutting->build;
	struct unit *unit = cutting->op.unit;
	struct block **blocks = build->count == 0 ? NULL : calloc(build->count, sizeof(*blocks));

	if (build->error == 0 && build->count == 0)
		unit->body->tail_seen = unit->body->tail_bytes;
	/* What cannot be had now is left as it is, and tried again when more comes. */
	if (build->error == 0 && blocks != NULL && !unit->dead && body_part_room(content, unit->body, unit->body->count + build->count) == 0 && adopt_copies(content, cutting, blocks) == 0)
		take_tail(content, cutting, blocks);
	for (unsigned i = 0; blocks != NULL && i < build->count; i++)
		if (blocks[i] != NULL)
			block_unpin(content, blocks[i]);
	free(blocks);
	cutting_end(content, cutting);
}

static void cutting_run(struct op *op)
{
	struct cutting *cutting = container(op, struct cutting, op);
	const struct body *body = op->unit->body;

	/* Put away or cut by an edit while this waited. */
	if (op->unit->dead || body->tail_bytes <= build_sizes->min || op->content->closing) {
		cutting_end(op->content, cutting);
		return;
	}
	cutting->build = (struct build){
		.job = { .class = JOB_BUILD, .work = build_tail_work, .done = cut_made }, .start = body->tail, .start_bytes = body->tail_bytes, .seen = body->tail_seen, .fd = -1,
	};
	workers_start(op->content->workers, &cutting->build.job);
}

void tail_look(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;
	uint32_t from = body->tail_seen > build_sizes->min ? body->tail_seen : build_sizes->min;
	struct cutting *cutting;

	if (body->cutting || body->tail_bytes <= from)
		return;
	if (body->tail_bytes - from <= LOOK_HERE_BYTES && am_chunk_cut_on(build_sizes, body->tail, body->tail_seen, body->tail_bytes, false) == 0) {
		body->tail_seen = body->tail_bytes;
		return;
	}
	cutting = mem_alloc(content, sizeof(*cutting));
	if (cutting == NULL)
		return;
	body->cutting = true;
	unit_pin(unit);
	cutting->op = (struct op){ .content = content, .unit = unit, .changes = true, .run = cutting_run };
	op_start(&cutting->op);
}
