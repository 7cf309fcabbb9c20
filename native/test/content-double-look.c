/* SPDX-License-Identifier: Apache-2.0 */
/* What is held: found, added up, listed, gone with an agent. */
#include "content-double.h"

uint32_t double_sharers(const struct unit *unit)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < HOLDERS_MOST; i++)
		count += unit->holders[i].holds > 0;
	return count;
}

void content_stat(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context, struct broker_unit_stat *stat)
{
	struct unit *unit = double_unit(content, agent, number);

	if (unit != NULL) {
		*stat = (struct broker_unit_stat){ .unit = number, .bytes = unit->bytes, .stored_bytes = unit->bytes / double_sharers(unit), .hot_bytes = unit->bytes, .has_digest = 1, .kind = unit->kind, .tier = AM_TIER_HOT, .sharers = double_sharers(unit), .importance = 50 };
		memcpy(stat->digest, unit->digest.bytes, sizeof(stat->digest));
	}
	double_say(done, context, unit, unit == NULL ? -ENOENT : 0);
}

int content_find(struct content *content, uint64_t agent, uint64_t domain, const struct am_digest *digest, struct content_result *result)
{
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next) {
		if (unit->domain != domain || memcmp(&unit->digest, digest, sizeof(*digest)) != 0 || double_holder(unit, agent, false) == NULL)
			continue;
		double_fill(unit, true, result);
		return 0;
	}
	return -ENOENT;
}

static void add_up(const struct content *content, uint64_t agent, uint64_t *units, uint64_t *bytes, uint64_t *shared_bytes)
{
	*units = *bytes = *shared_bytes = 0;
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next) {
		if (agent != 0 && double_holder(unit, agent, false) == NULL)
			continue;
		(*units)++;
		*bytes += unit->bytes;
		*shared_bytes += double_sharers(unit) > 1 ? unit->bytes : 0;
	}
}

uint64_t content_agent_bytes(const struct content *content, uint64_t agent)
{
	uint64_t units, bytes, shared_bytes;

	add_up(content, agent, &units, &bytes, &shared_bytes);
	return bytes;
}

uint64_t content_unit_bytes(const struct content *content, uint64_t number)
{
	const struct unit *unit = content->units;

	while (unit != NULL && unit->number != number)
		unit = unit->next;
	return unit == NULL ? 0 : unit->bytes;
}

void content_agent_stat(struct content *content, uint64_t agent, struct broker_stat *stat)
{
	add_up(content, agent, &stat->units, &stat->bytes, &stat->shared_bytes);
}

void content_agent_state(struct content *content, uint64_t agent, enum am_state state)
{
	(void)content;
	(void)agent;
	(void)state;
}

void content_agent_gone(struct content *content, uint64_t agent)
{
	for (struct unit *unit = content->units, *next; unit != NULL; unit = next) {
		struct holder *holder = double_holder(unit, agent, false);

		next = unit->next;
		if (holder == NULL)
			continue;
		holder->holds = 0;
		double_drop(content, unit);
	}
}

void content_stat_all(struct content *content, struct broker_stat *stat)
{
	uint64_t shared_bytes;

	add_up(content, 0, &stat->user_units, &stat->user_bytes, &shared_bytes);
	stat->user_hot_bytes = stat->user_bytes;
	/* What tests look at: mappings that somebody still has. */
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next)
		for (unsigned i = 0; i < HOLDERS_MOST; i++)
			stat->restored_blocks += unit->holders[i].holds > 0 ? unit->holders[i].maps : 0;
}

void content_agent_line(struct content *content, uint64_t agent, struct broker_agent_line *line)
{
	add_up(content, agent, &line->units, &line->bytes, &line->shared_bytes);
	line->hot_bytes = line->bytes;
}

unsigned content_unit_lines(struct content *content, uint64_t agent, uint64_t after, struct broker_unit_line *lines, unsigned most, bool *more)
{
	unsigned count = 0;

	*more = false;
	for (uint64_t number = after + 1; number <= content->last_number; number++) {
		struct unit *unit = content->units;

		while (unit != NULL && unit->number != number)
			unit = unit->next;
		if (unit == NULL || (agent != 0 && double_holder(unit, agent, false) == NULL))
			continue;
		if (count == most) {
			*more = true;
			break;
		}
		lines[count] = (struct broker_unit_line){ .unit = number, .agent = agent, .bytes = unit->bytes, .kind = unit->kind, .tier = AM_TIER_HOT, .sharers = double_sharers(unit) };
		memcpy(lines[count++].digest, unit->digest.bytes, 8);
	}
	return count;
}
