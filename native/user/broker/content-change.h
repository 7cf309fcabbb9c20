/* SPDX-License-Identifier: Apache-2.0 */
/* One change of a conversation, for the files content-change*.c alone. */
#ifndef BROKER_CONTENT_CHANGE_H
#define BROKER_CONTENT_CHANGE_H

#include "content-build.h"
#include "content-tiers.h"
#include "content-units.h"

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

/* content-change.c: answers, and lets go of it. */
void change_end(struct content *content, struct change *change, int error);
/* What was known of the conversation as it was is no longer so. */
void conversation_changed(struct content *content, struct unit *unit);

/* content-change-tail.c: without a worker that cuts. True: it is under way, or is through and the change gone. */
bool change_here(struct content *content, struct change *change);
/* What is short and comes when nothing is under way: without a copy of it, a job, or memory for either. */
bool change_at_once(struct content *content, const struct change *wanted);

/* content-change-cut.c: by cutting anew. */
void change_cut(struct content *content, struct change *change);

#endif
