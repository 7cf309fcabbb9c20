/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds a unit, how often, and what of it is mapped. */
#include "content-inner.h"
#include "content-bodies.h"
#include "content-units.h"

struct holder *unit_holder(const struct unit *unit, uint64_t agent)
{
	const struct holder *first = &unit->first_holder;

	for (const struct holder *holder = first->keeper == NULL ? first->next : first; holder != NULL; holder = holder->next)
		if (holder->keeper->entry.number == agent)
			return (struct holder *)(uintptr_t)holder;
	return NULL;
}

struct unit *unit_of(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = unit_find(content, number);

	return unit == NULL || unit_holder(unit, agent) == NULL ? NULL : unit;
}

unsigned unit_sharers(const struct unit *unit)
{
	unsigned count = unit->first_holder.keeper != NULL;

	for (const struct holder *holder = unit->first_holder.next; holder != NULL; holder = holder->next)
		count++;
	return count;
}

static void record_changed(struct content *content, struct unit *unit)
{
	unit->record_stale = true;
	if (unit->recorded)
		content->records_stale = true;
}

static void keeper_add(struct keeper *keeper, struct holder *holder)
{
	holder->keeper = keeper;
	holder->keeper_prev = NULL;
	holder->keeper_next = keeper->first;
	if (keeper->first != NULL)
		keeper->first->keeper_prev = holder;
	keeper->first = holder;
	keeper->units++;
	keeper->bytes += holder->unit->bytes;
	if (unit_is_conversation(holder->unit) && holder->unit->body->digested)
		keeper->digested++;
}

static void keeper_remove(struct content *content, struct holder *holder)
{
	struct keeper *keeper = holder->keeper;

	if (holder->keeper_prev != NULL)
		holder->keeper_prev->keeper_next = holder->keeper_next;
	else
		keeper->first = holder->keeper_next;
	if (holder->keeper_next != NULL)
		holder->keeper_next->keeper_prev = holder->keeper_prev;
	keeper->units--;
	keeper->bytes -= holder->unit->bytes;
	if (unit_is_conversation(holder->unit) && holder->unit->body->digested)
		keeper->digested--;
	holder->keeper = NULL;
	keeper_tidy(content, keeper);
}

int unit_hold(struct content *content, struct unit *unit, uint64_t agent)
{
	struct holder *holder = unit_holder(unit, agent);
	struct keeper *keeper;

	if (holder != NULL) {
		if (holder->holds == UINT32_MAX)
			return -EOVERFLOW;
		holder->holds++;
		record_changed(content, unit);
		return 0;
	}
	keeper = keeper_get(content, agent);
	if (keeper == NULL)
		return -ENOMEM;
	if (unit->first_holder.keeper == NULL) {
		holder = &unit->first_holder;
	} else {
		holder = mem_alloc(content, sizeof(*holder));
		if (holder == NULL) {
			keeper_tidy(content, keeper);
			return -ENOMEM;
		}
		holder->next = unit->first_holder.next;
		unit->first_holder.next = holder;
	}
	holder->unit = unit;
	holder->holds = 1;
	keeper_add(keeper, holder);
	keeper->used_ms = content->now_ms;
	record_changed(content, unit);
	unit_look(content, unit);
	return 0;
}

void unit_unhold(struct content *content, struct holder *holder)
{
	struct unit *unit = holder->unit;

	if (unit->big) {
		unit->body->maps -= holder->maps;
		unit->body->next_look_ms = 0;
	}
	holder->maps = 0;
	keeper_remove(content, holder);
	if (holder != &unit->first_holder) {
		struct holder **at = &unit->first_holder.next;

		while (*at != holder)
			at = &(*at)->next;
		*at = holder->next;
		mem_free(content, holder, sizeof(*holder));
	}
	record_changed(content, unit);
	if (unit->first_holder.keeper == NULL && unit->first_holder.next == NULL)
		unit_drop(content, unit);
	else
		unit_look(content, unit);
}

void forget_holders(struct content *content, struct unit *unit)
{
	unit_pin(unit);
	while (!unit->dead && (unit->first_holder.keeper != NULL || unit->first_holder.next != NULL))
		unit_unhold(content, unit->first_holder.keeper != NULL ? &unit->first_holder : unit->first_holder.next);
	unit_drop(content, unit);
	unit_unpin(content, unit);
}

int content_share(struct content *content, uint64_t agent, uint64_t number, uint64_t other, uint64_t other_domain)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL || unit->entry.domain != other_domain)
		return -ENOENT;
	return unit_hold(content, unit, other);
}

int content_free(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = unit_find(content, number);
	struct holder *holder = unit == NULL ? NULL : unit_holder(unit, agent);

	if (holder == NULL)
		return -ENOENT;
	if (--holder->holds > 0) {
		record_changed(content, unit);
		return 0;
	}
	unit_unhold(content, holder);
	return 0;
}

int content_unmap(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = unit_find(content, number);
	struct holder *holder = unit == NULL ? NULL : unit_holder(unit, agent);

	if (holder == NULL || holder->maps == 0)
		return holder == NULL ? -ENOENT : -EINVAL;
	holder->maps--;
	if (unit->big) {
		unit->body->maps--;
		unit->body->next_look_ms = 0;
		content->next_walk_ms = 0;
	}
	unit_used(content, unit);
	return 0;
}
