/* SPDX-License-Identifier: Apache-2.0 */
/* Units: made, found, looked at, gone. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-cold.h"
#include "content-units.h"

#include <sys/random.h>

bool unit_is_conversation(const struct unit *unit)
{
	return unit->kind == AM_KIND_CONVERSATION;
}

/* They fit a JavaScript number. */
#define NUMBER_MOST ((UINT64_C(1) << 53) - 1)

/*
 * Drawn, not counted: nobody learns from his own how many others make. Never
 * given twice, not by the next broker either and whatever its clock says. 0
 * where nothing can be drawn.
 */
static uint64_t new_number(struct content *content)
{
	uint64_t number = content->wanted_unit;

	content->wanted_unit = 0;
	while (number == 0 || am_table_find(content->units, number) != NULL) {
		if (content->number_count == 0) {
			if (getrandom(content->numbers, sizeof(content->numbers), 0) != (ssize_t)sizeof(content->numbers))
				return 0;
			content->number_count = sizeof(content->numbers) / sizeof(content->numbers[0]);
		}
		number = content->numbers[--content->number_count] & NUMBER_MOST;
	}
	return number;
}

struct unit *unit_new(struct content *content, uint64_t domain, enum am_kind kind, bool big)
{
	struct unit *unit = mem_alloc(content, sizeof(*unit));

	if (unit == NULL)
		return NULL;
	unit->entry.number = new_number(content);
	if (unit->entry.number == 0) {
		mem_free(content, unit, sizeof(*unit));
		return NULL;
	}
	unit->entry.domain = domain;
	unit->kind = (uint8_t)kind;
	unit->state = AM_STATE_ACTIVE;
	unit->used_ms = content->now_ms;
	unit->big = big;
	if (big) {
		unit->body = body_new(content, unit);
		if (unit->body == NULL) {
			mem_free(content, unit, sizeof(*unit));
			return NULL;
		}
	}
	if (!am_table_add(content->units, &unit->entry)) {
		if (big)
			body_free(content, unit->body);
		mem_free(content, unit, sizeof(*unit));
		return NULL;
	}
	return unit;
}

static void unit_free(struct content *content, struct unit *unit)
{
	if (unit->big)
		body_free(content, unit->body);
	mem_free(content, unit, sizeof(*unit));
}

void unit_drop(struct content *content, struct unit *unit)
{
	if (unit->dead)
		return;
	unit->dead = true;
	am_table_remove(content->units, &unit->entry);
	content->plain_bytes -= unit->bytes;
	cold_forget_unit(content, unit);
	if (!unit->big)
		small_drop(content, unit);
	if (unit->pins == 0)
		unit_free(content, unit);
}

void unit_pin(struct unit *unit)
{
	unit->pins++;
}

void unit_unpin(struct content *content, struct unit *unit)
{
	if (--unit->pins == 0 && unit->dead)
		unit_free(content, unit);
}

struct unit *unit_find(const struct content *content, uint64_t number)
{
	struct am_entry *entry = am_table_find(content->units, number);

	return entry == NULL ? NULL : container(entry, struct unit, entry);
}

static void move_uses(struct content *content, struct unit *unit, enum am_state from, enum am_state to)
{
	if (!unit->big) {
		if (unit->slab != NULL)
			block_move_use(content, unit->slab, from, to, unit->importance);
		return;
	}
	for (uint32_t i = 0; i < unit->body->count; i++)
		block_move_use(content, unit->body->parts[i].block, from, to, unit->importance);
	unit->body->next_look_ms = 0;
}

void unit_look(struct content *content, struct unit *unit)
{
	enum am_state state = AM_STATE_GONE;
	uint32_t importance = 0;
	uint8_t before = unit->state;

	for (const struct holder *holder = &unit->first_holder; holder != NULL; holder = holder->next) {
		if (holder->keeper == NULL)
			continue;
		if (holder->keeper->state < state)
			state = holder->keeper->state;
		if (holder->keeper->importance > importance)
			importance = holder->keeper->importance;
	}
	if (unit->state == state && unit->importance == importance)
		return;
	unit->state = (uint8_t)state;
	unit->importance = (uint8_t)importance;
	move_uses(content, unit, before, state);
	content->next_walk_ms = 0;
}

void unit_used(struct content *content, struct unit *unit)
{
	if (unit->used_ms < content->now_ms)
		unit->used_ms = content->now_ms;
}

void unit_set_bytes(struct content *content, struct unit *unit, uint64_t bytes)
{
	for (struct holder *holder = &unit->first_holder; holder != NULL; holder = holder->next)
		if (holder->keeper != NULL)
			holder->keeper->bytes += bytes - unit->bytes;
	if (!unit->dead)
		content->plain_bytes += bytes - unit->bytes;
	unit->bytes = bytes;
}

void unit_forget_digest(struct unit *unit)
{
	if (!unit->body->digested)
		return;
	unit->body->digested = false;
	for (struct holder *holder = &unit->first_holder; holder != NULL; holder = holder->next)
		if (holder->keeper != NULL)
			holder->keeper->digested--;
}

int content_find(struct content *content, uint64_t agent, uint64_t domain, const struct am_digest *digest, struct content_result *result)
{
	struct am_entry *entry = am_table_find_digest(content->units, domain, digest);
	struct unit *unit = entry == NULL ? NULL : container(entry, struct unit, entry);
	const struct keeper *keeper;

	*result = (struct content_result){ .error = -ENOENT, .fd = -1 };
	if (unit != NULL && unit_holder(unit, agent) != NULL) {
		result_of(unit, result);
		result->known = true;
		return 0;
	}
	/* Conversations may be equal to each other, and are in no table by digest. */
	keeper = keeper_find(content, agent);
	if (keeper == NULL || keeper->digested == 0)
		return -ENOENT;
	for (const struct holder *holder = keeper->first; holder != NULL; holder = holder->keeper_next) {
		if (!unit_is_conversation(holder->unit) || !holder->unit->body->digested || memcmp(holder->unit->body->digest.bytes, digest->bytes, sizeof(digest->bytes)) != 0)
			continue;
		result_of(holder->unit, result);
		result->known = true;
		return 0;
	}
	return -ENOENT;
}
