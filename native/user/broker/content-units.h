/* SPDX-License-Identifier: Apache-2.0 */
/* Units, the agents that hold them, and the order of operations on one. */
#ifndef BROKER_CONTENT_UNITS_H
#define BROKER_CONTENT_UNITS_H

#include "content-inner.h"

/* ---- keepers: the agents as this room knows them ---- */

/* One agent's hold of one unit. */
struct holder {
	struct keeper *keeper;		/* NULL: not in use (the one inside a unit) */
	struct unit *unit;
	struct holder *next;		/* of the same unit */
	struct holder *keeper_next, *keeper_prev;
	uint32_t holds;
	uint32_t maps;
};

struct keeper {
	struct am_entry entry;		/* number: the agent */
	struct holder *first;
	uint64_t bytes;			/* plain, of all units it holds */
	uint64_t units;
	uint64_t used_ms;
	uint64_t missing_ms;		/* since when nobody knows this agent; 0: is known */
	uint32_t digested;		/* conversations of it that have a digest */
	enum am_state state;
	uint32_t importance;
	uint32_t importance_now;	/* as last asked; `importance` is what its units know */
	void *saved;			/* record of the caller's */
	uint32_t saved_bytes;
};

struct keeper *keeper_find(const struct content *content, uint64_t agent);
struct keeper *keeper_get(struct content *content, uint64_t agent);
/* Asks the caller how the agent is now, and tells its units where that changed. */
void keeper_look(struct content *content, struct keeper *keeper);
void keeper_set(struct content *content, struct keeper *keeper, enum am_state state);
/* Those that nobody knows any more go after a while. */
void orphans_walk(struct content *content);
/* Frees it where it holds nothing and nothing is saved for it. */
void keeper_tidy(struct content *content, struct keeper *keeper);

/* ---- units ---- */

struct unit {
	struct am_entry entry;
	struct holder first_holder;
	uint64_t bytes;
	uint64_t used_ms;
	union {
		struct body *body;	/* big ones */
		struct block *slab;	/* small ones */
	};
	uint32_t slab_offset;
	uint32_t pins;			/* operations and jobs on it; freed only without */
	uint8_t kind;
	uint8_t state;			/* enum am_state: the best of its holders' */
	uint8_t importance;		/* the highest of its holders' */
	bool big : 1;
	bool dead : 1;			/* in no table any more */
	bool recorded : 1;		/* the store has its manifest */
	bool record_stale : 1;		/* whose holders have changed since */
	bool recording : 1;
	bool unrecording : 1;		/* its manifest is on its way out */
};

struct unit *unit_new(struct content *content, uint64_t domain, enum am_kind kind, bool big);
/* Not held by anybody (any more): out of the tables, freed when nothing looks at it. */
void unit_drop(struct content *content, struct unit *unit);
void unit_pin(struct unit *unit);
void unit_unpin(struct content *content, struct unit *unit);
struct unit *unit_find(const struct content *content, uint64_t number);
/* NULL where the agent does not hold it. */
struct holder *unit_holder(const struct unit *unit, uint64_t agent);
struct unit *unit_of(struct content *content, uint64_t agent, uint64_t number);
/* -ENOMEM. */
int unit_hold(struct content *content, struct unit *unit, uint64_t agent);
/* Holders or their states have changed. */
void unit_look(struct content *content, struct unit *unit);
void unit_used(struct content *content, struct unit *unit);
void unit_set_bytes(struct content *content, struct unit *unit, uint64_t bytes);
/* One agent does not hold it any more: the unit may be gone afterwards. */
void unit_unhold(struct content *content, struct holder *holder);
/* Nobody holds it any more: it goes. */
void forget_holders(struct content *content, struct unit *unit);
unsigned unit_sharers(const struct unit *unit);
bool unit_is_conversation(const struct unit *unit);
/* Digest of a conversation that is no longer so. */
void unit_forget_digest(struct unit *unit);

/* ---- operations on one ---- */

/* An operation that changes a conversation keeps others waiting until it is through. */
struct op {
	struct op *next;
	struct content *content;
	struct unit *unit;
	bool changes;
	void (*run)(struct op *op);
};

void op_start(struct op *op);
/* Of one that changes: lets the next ones run. */
void op_end(struct op *op);

/* Up to BROKER_INLINE_MOST bytes. */
void read_start(struct content *content, uint64_t agent, struct unit *unit, uint64_t offset, uint64_t bytes, bool maps, content_done done, void *context);

void conversation_add(struct content *content, uint64_t agent, uint64_t domain, struct content_source source, content_done done, void *context);

void stat_fill(const struct content *content, struct unit *unit, struct broker_unit_stat *stat);

/* ---- small ones, which lie in slabs ---- */

int small_put(struct content *content, struct unit *unit, const void *data, size_t bytes);
void small_drop(struct content *content, struct unit *unit);
/* Moves what is left out of a closed slab that is mostly empty. */
void small_tidy(struct content *content, struct block *slab);

#endif
