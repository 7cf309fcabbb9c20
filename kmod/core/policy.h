/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * In which tier a unit belongs, and which goes first when memory is short: by
 * the state of its agent, then by age, then by importance. Pure functions: the
 * host brings the clock, the memory figures and the units.
 */
#ifndef AM_CORE_POLICY_H
#define AM_CORE_POLICY_H

#include "types.h"

/* The same numbers as in agentmem.h. Unit kinds: what content is expected to do. */
enum am_kind { AM_KIND_CONVERSATION = 1, AM_KIND_SYSTEM_PROMPT, AM_KIND_TOOL_DEFINITION, AM_KIND_TOOL_RESULT, AM_KIND_OTHER, AM_KIND_END };
enum am_state { AM_STATE_ACTIVE = 1, AM_STATE_IDLE, AM_STATE_SUSPENDED, AM_STATE_GONE, AM_STATE_END };
enum am_tier { AM_TIER_HOT = 1, AM_TIER_WARM, AM_TIER_COLD, AM_TIER_END };
enum am_pressure { AM_PRESSURE_NONE, AM_PRESSURE_SOME, AM_PRESSURE_HARD };
enum am_effort { AM_EFFORT_NONE, AM_EFFORT_FAST, AM_EFFORT_NORMAL, AM_EFFORT_THOROUGH };

#define AM_IMPORTANCE_MOST 100

struct am_policy {
	am_u64 warm_after_ms;		/* default 5 min */
	am_u64 cold_after_ms;		/* default 2 days */
	am_u64 thorough_after_ms;	/* default 1 h: packed once more, smaller */
	am_u64 hot_most_bytes;		/* 0: no limit of its own */
	am_u64 warm_most_bytes;		/* stored bytes in RAM; 0: no limit of its own */
	bool has_cold;			/* default false: the host knows whether there is a store */
};

extern const struct am_policy am_policy_default;

/* What the policy sees of a unit or block. The state and importance are the highest-standing ones among its holders'. */
struct am_view {
	am_u64 idle_ms;		/* since it was last read or mapped */
	am_u64 bytes;		/* what leaving its tier would free */
	am_u32 importance;	/* 0 to 100, higher stays */
	am_u32 generation;	/* 0 young: times it was looked at and left where it was */
	enum am_state state;
	enum am_tier tier;
	enum am_kind kind;
	bool pinned;		/* mapped now, or marked hot a moment ago: stays hot whatever its age */
};

/*
 * Where it belongs by its age, state and the pressure. Never nearer than it is:
 * only use brings a unit back.
 *
 * Without pressure the ages hold as they are set, for active and idle agents
 * alike: what an agent at work has not read for five minutes (the beginning of
 * its conversation) it will not read in the next. A suspended agent reads
 * nothing, so its units go warm at once, and cold at a quarter of the age; one
 * that has gone may be back in days, if at all: cold at once. Under pressure
 * ages shrink, less for what is important; all that is not read now and
 * belongs to nobody awake goes cold. Then nothing goes from hot to cold at
 * once: packing frees most of it sooner than a disk takes it.
 */
enum am_tier am_policy_tier(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure);
/*
 * How hard to pack it, by kind, age and pressure; NONE for what is not worth it.
 * Unpacking costs the same whatever the effort, so the effort pays by how long
 * it lies and how many hold it. Prompts and tool definitions are packed seldom
 * and shared by many: thorough at a quarter of the age. Results of tools are
 * most of all that is packed and soon forgotten: fast at first. Under hard
 * pressure all is fast: what counts is memory in the next second.
 */
enum am_effort am_policy_effort(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure);
/* When to look at it next, in ms from now, never 0: young ones often, old ones seldom, but none later than it is due. */
am_u64 am_policy_next_look_ms(const struct am_policy *policy, const struct am_view *view);

/* Higher goes first: state in the top bits, then age on a logarithmic scale of 1/4 octaves, then 100 - importance, then size, so that few are disturbed. 0 for what must stay. */
am_u64 am_policy_rank(const struct am_view *view);

/*
 * The best victims of a long walk, in a fixed room: offer each candidate, then
 * take them, first to go first. Frees `want_bytes` with the fewest, or all it holds.
 */
struct am_victim {
	am_u64 rank;
	am_u64 bytes;
	void *what;
};

struct am_victims {
	struct am_victim *room;	/* the caller's */
	am_u32 most;
	am_u32 count;
	am_u64 want_bytes;
	am_u64 held_bytes;
	bool taking;		/* in the order for taking, not for offers */
};

void am_victims_begin(struct am_victims *victims, struct am_victim *room, am_u32 most, am_u64 want_bytes);
void am_victims_offer(struct am_victims *victims, const struct am_view *view, void *what);
/* NULL when there are no more. */
void *am_victims_take(struct am_victims *victims);

#endif
