/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker keeps: units, their blocks, and the tiers these lie in. It
 * knows agents by number only; sockets, messages and rights are its caller's
 * (front.h).
 *
 * All functions run on the broker's one main thread, which alone owns every
 * table. Digests, packing, unpacking and disk are jobs of worker threads that
 * get plain buffers; their results come back through content_event(). A
 * `done` is called on the main thread, before the function returns or later,
 * exactly once; with `error` not 0 the rest of the result is zero.
 *
 * A unit is one object with one number for all agents of a domain that hold
 * it. Content handed in twice is one unit. Each holder holds it as many times
 * as it was given; the last hold of the last holder frees it.
 */
#ifndef BROKER_CONTENT_H
#define BROKER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/protocol.h"
#include "core/policy.h"
#include "core/types.h"

struct content;

struct content_options {
	const char *store_folder;	/* of the cold tier; NULL: none */
	uint64_t store_most_bytes;
	uint64_t common_domain;		/* whose small units are packed with what they have in common; those of others learn nothing and tell nothing by their size */
	unsigned workers;		/* 0: as many as processors, at most 4 */
	struct am_policy policy;
	/* How an agent is now; false for one that is gone for good. */
	bool (*agent_view)(void *context, uint64_t agent, enum am_state *state, uint32_t *importance);
	void *context;
};

struct content_result {
	int error;
	uint64_t unit;
	uint64_t bytes;
	uint32_t kind;
	bool known;			/* the content was there before */
	bool has_digest;
	struct am_digest digest;
	int fd;				/* -1, or a sealed memfd that stays the content's own: send it, do not close it */
	const void *data;		/* or bytes, valid until `done` returns */
	uint64_t data_bytes;
	uint64_t total_bytes;
};
typedef void (*content_done)(void *context, const struct content_result *result);

/* Where data comes from: in a message, or a sealed memfd whose seals the caller has checked (content takes it over and closes it). */
struct content_source {
	const void *data;		/* copied before the function returns */
	int fd;				/* -1 where there is data */
	uint64_t bytes;
};

int content_open(struct content **content, const struct content_options *options);
void content_close(struct content *content);
/* Readable when content_event() has something to do. */
int content_fd(const struct content *content);
void content_event(struct content *content);
/* Ages, pressure, packing, writing out. Does a bounded piece of work; the time of CLOCK_MONOTONIC in ms by which it wants to be called again. */
uint64_t content_step(struct content *content, uint64_t now_ms);
void content_set_policy(struct content *content, const struct am_policy *policy);

/* A unit with this content, held by `agent` once more. */
void content_add(struct content *content, uint64_t agent, uint64_t domain, enum am_kind kind, struct content_source source, content_done done, void *context);
/*
 * Proof instead of handing in. `ask` begins to compute the tag of what the
 * domain has with that size and fingerprint, on a worker; `claim` compares. A
 * claim that does not match gives -ENOENT, after the same steps as one for
 * which there was no candidate.
 */
struct content_question;
struct content_question *content_ask(struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint, const uint8_t secret[256]);
/* Ends the question. */
void content_claim(struct content *content, struct content_question *question, uint64_t agent, enum am_kind kind, const struct am_digest *digest, uint64_t tag_low, uint64_t tag_high, content_done done, void *context);
void content_forget(struct content *content, struct content_question *question);

/* All of these give -ENOENT where `agent` does not hold the unit. */
void content_append(struct content *content, uint64_t agent, uint64_t unit, struct content_source source, content_done done, void *context);
void content_edit(struct content *content, uint64_t agent, uint64_t unit, uint64_t offset, uint64_t old_bytes, struct content_source source, content_done done, void *context);
void content_fork(struct content *content, uint64_t agent, uint64_t unit, uint64_t prefix_bytes, content_done done, void *context);
/* A sealed memfd with all of it (of a small unit: data). Counts as one mapping until content_unmap(). */
void content_map(struct content *content, uint64_t agent, uint64_t unit, content_done done, void *context);
int content_unmap(struct content *content, uint64_t agent, uint64_t unit);
void content_read(struct content *content, uint64_t agent, uint64_t unit, uint64_t offset, uint64_t bytes, content_done done, void *context);
void content_mark_hot(struct content *content, uint64_t agent, uint64_t unit, content_done done, void *context);
/* Computes a conversation's digest where it has none and is not large; larger ones go without. */
void content_stat(struct content *content, uint64_t agent, uint64_t unit, content_done done, void *context, struct broker_unit_stat *stat);
/* -ENOENT where the agent holds none with that digest, whoever else does. */
int content_find(struct content *content, uint64_t agent, uint64_t domain, const struct am_digest *digest, struct content_result *result);
int content_share(struct content *content, uint64_t agent, uint64_t unit, uint64_t other, uint64_t other_domain);
/* One hold less. */
int content_free(struct content *content, uint64_t agent, uint64_t unit);

/* What the agent holds, in plain bytes; kept up to date, so cheap. */
uint64_t content_agent_bytes(const struct content *content, uint64_t agent);
uint64_t content_unit_bytes(const struct content *content, uint64_t unit);
void content_agent_stat(struct content *content, uint64_t agent, struct broker_stat *stat);
/* Its units go: to the far tiers at once for SUSPENDED, back for ACTIVE, freed for one that is gone (content_agent_gone). */
void content_agent_state(struct content *content, uint64_t agent, enum am_state state);
void content_agent_gone(struct content *content, uint64_t agent);
/* Fills `user_` fields and the counts since start. */
void content_stat_all(struct content *content, struct broker_stat *stat);
void content_agent_line(struct content *content, uint64_t agent, struct broker_agent_line *line);
/* Lines with unit > after, of `agent` (0: all), smallest first; the count. */
unsigned content_unit_lines(struct content *content, uint64_t agent, uint64_t after, struct broker_unit_line *lines, unsigned most, bool *more);

/* Small records of the caller's about agents, kept with the cold store so that cold units find their holders again; durable with the units. */
int content_save_agent(struct content *content, uint64_t agent, const void *data, size_t bytes);
int content_each_agent(struct content *content, int (*look)(void *context, uint64_t agent, const void *data, size_t bytes), void *context);

#endif
