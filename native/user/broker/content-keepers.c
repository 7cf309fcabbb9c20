/* SPDX-License-Identifier: Apache-2.0 */
/* Agents that hold units: found, looked at, forgotten when nobody knows them any more. */
#include "content-inner.h"
#include "content-cold.h"
#include "content-tiers.h"
#include "content-units.h"

struct keeper *keeper_find(const struct content *content, uint64_t agent)
{
	struct am_entry *entry = am_table_find(content->keepers, agent);

	return entry == NULL ? NULL : container(entry, struct keeper, entry);
}

struct keeper *keeper_get(struct content *content, uint64_t agent)
{
	struct keeper *keeper = keeper_find(content, agent);

	if (keeper != NULL)
		return keeper;
	keeper = mem_alloc(content, sizeof(*keeper));
	if (keeper == NULL)
		return NULL;
	keeper->entry.number = agent;
	keeper->state = AM_STATE_ACTIVE;
	keeper->used_ms = content->now_ms;
	if (!am_table_add(content->keepers, &keeper->entry)) {
		mem_free(content, keeper, sizeof(*keeper));
		return NULL;
	}
	keeper_look(content, keeper);
	return keeper;
}

void keeper_look(struct content *content, struct keeper *keeper)
{
	enum am_state state = AM_STATE_ACTIVE;
	uint32_t importance = 50;
	bool is_known = true;

	if (content->options.agent_view != NULL)
		is_known = content->options.agent_view(content->options.context, keeper->entry.number, &state, &importance);
	if (!is_known) {
		state = AM_STATE_GONE;
		importance = 0;
		if (keeper->missing_ms == 0)
			keeper->missing_ms = content->now_ms | 1;
	} else {
		keeper->missing_ms = 0;
	}
	if (state < AM_STATE_ACTIVE || state > AM_STATE_GONE)
		state = AM_STATE_ACTIVE;
	if (importance > AM_IMPORTANCE_MOST)
		importance = AM_IMPORTANCE_MOST;
	keeper->importance_now = importance;
	keeper_set(content, keeper, state);
}

void keeper_set(struct content *content, struct keeper *keeper, enum am_state state)
{
	uint32_t importance = keeper->importance_now;

	if (state == keeper->state && importance == keeper->importance)
		return;
	keeper->state = state;
	keeper->importance = importance;
	for (struct holder *holder = keeper->first; holder != NULL; holder = holder->keeper_next)
		unit_look(content, holder->unit);
}

void keeper_tidy(struct content *content, struct keeper *keeper)
{
	if (keeper->first != NULL || keeper->saved != NULL)
		return;
	am_table_remove(content->keepers, &keeper->entry);
	mem_free(content, keeper, sizeof(*keeper));
}

uint64_t content_agent_bytes(const struct content *content, uint64_t agent)
{
	const struct keeper *keeper = keeper_find(content, agent);

	return keeper == NULL ? 0 : keeper->bytes;
}

uint64_t content_unit_bytes(const struct content *content, uint64_t number)
{
	const struct unit *unit = unit_find(content, number);

	return unit == NULL ? 0 : unit->bytes;
}

#define ORPHANS_LOOK_MS (30u * 1000u)
/* A program that comes back after a restart has this long. */
#define ORPHAN_MS (10u * 60u * 1000u)

struct orphans {
	struct content *content;
	uint64_t agent;		/* one that has been missing for long; 0: none */
};

static bool look_for_orphan(void *context, struct am_entry *entry)
{
	struct orphans *orphans = context;
	struct keeper *keeper = container(entry, struct keeper, entry);

	keeper_look(orphans->content, keeper);
	if (keeper->missing_ms != 0 && orphans->content->now_ms - keeper->missing_ms >= ORPHAN_MS)
		orphans->agent = entry->number;
	return orphans->agent == 0;
}

void orphans_walk(struct content *content)
{
	struct orphans orphans = { .content = content };

	if (content->now_ms < content->next_orphan_ms)
		return;
	content->next_orphan_ms = content->now_ms + ORPHANS_LOOK_MS;
	do {
		orphans.agent = 0;
		am_table_each(content->keepers, look_for_orphan, &orphans);
		if (orphans.agent != 0)
			content_agent_gone(content, orphans.agent);
	} while (orphans.agent != 0);
}

void content_agent_state(struct content *content, uint64_t agent, enum am_state state)
{
	struct keeper *keeper = keeper_find(content, agent);
	enum am_state before;

	if (keeper == NULL)
		return;
	before = keeper->state;
	keeper_look(content, keeper);
	keeper_set(content, keeper, state);
	if (state == AM_STATE_ACTIVE && before == AM_STATE_SUSPENDED)
		for (struct holder *holder = keeper->first; holder != NULL; holder = holder->keeper_next)
			tier_bring_back(content, holder->unit, false);
	content->next_walk_ms = 0;
	content_wake(content);
}

void content_agent_gone(struct content *content, uint64_t agent)
{
	struct keeper *keeper = keeper_find(content, agent);
	void *saved;

	if (keeper == NULL)
		return;
	/* What is saved would keep the keeper; so the keeper goes with the last hold or here. */
	saved = keeper->saved;
	if (saved != NULL) {
		cold_forget_agent(content, agent);
		mem_free(content, saved, keeper->saved_bytes);
		keeper->saved = NULL;
	}
	if (keeper->first == NULL) {
		keeper_tidy(content, keeper);
		return;
	}
	while (true) {
		struct holder *holder = keeper->first;
		bool is_last = holder->keeper_next == NULL;

		unit_unhold(content, holder);
		if (is_last)
			return;
	}
}
