/* SPDX-License-Identifier: Apache-2.0 */
/* What big units are made of: parts, a tail, a memfd. */
#ifndef BROKER_CONTENT_BODIES_H
#define BROKER_CONTENT_BODIES_H

#include "content-inner.h"

/* A block's place in a unit; ends at `end` of the unit's bytes. */
struct part {
	struct block *block;
	uint64_t end;
};

struct body {
	struct unit *unit;
	struct part *parts;
	uint32_t count, room;
	bool ends_open;			/* the last part is a tail that was put away: no cut by content */
	bool warming;
	bool digested;			/* of a conversation; content has it in its entry */
	struct am_digest digest;
	uint8_t *tail;
	uint32_t tail_bytes, tail_room;
	uint32_t tail_seen;		/* looked at for a cut: there is none in so many bytes */
	bool cutting;			/* one was found, or is looked for, behind those */
	int fd;				/* content: hot. Conversation: a snapshot of it as it is now. -1 */
	uint64_t fd_bytes;
	uint64_t fingerprint;
	uint64_t next_look_ms;
	uint32_t maps;			/* of all holders */
	uint8_t generation;
	struct body *next, *prev;	/* all bodies */
	struct body *next_print;	/* same slot of the fingerprints */
	struct op *changing;
	struct op *waiting, **waiting_end;
	uint32_t version;		/* of what it says; counts changes */
	struct fill *fill;		/* a memfd being made of the newest version */
};

struct body *body_new(struct content *content, struct unit *unit);
void body_free(struct content *content, struct body *body);
/* The memfd is there: the packed form goes. */
void body_is_back(struct content *content, struct body *body);
int body_add_part(struct content *content, struct body *body, struct block *block);
/* Keeps the first `count` parts. */
void body_cut_parts(struct content *content, struct body *body, uint32_t count);
uint64_t body_parts_bytes(const struct body *body);
/* The part with byte `offset`, or count. */
uint32_t body_find_part(const struct body *body, uint64_t offset);
void body_set_fd(struct content *content, struct body *body, int fd, uint64_t bytes);
int body_part_room(struct content *content, struct body *body, uint32_t count);
void body_set_tail(struct content *content, struct body *body, uint8_t *tail, uint32_t bytes, uint32_t room);
int body_tail_room(struct content *content, struct body *body, uint32_t bytes);
void body_print_add(struct content *content, struct body *body, uint64_t fingerprint);
struct body *body_print_find(const struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint);

/* A sealed memfd with all of the unit becomes body->fd; ready() has the unit's memfd there, or an error. */
void fill_want(struct content *content, struct unit *unit, struct waiter *waiter);

/* After each change of a tail: looks for a cut in what was not looked at, here or by a worker, which then makes the block. Costs by that alone. */
void tail_look(struct content *content, struct unit *unit);

#endif
