/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "broker.h"

int broker_find(void *state, const uint8_t *digest, agentmem_unit_t *unit)
{
	struct broker *broker = state;
	struct broker_find body;
	struct call call = CALL(.type = BROKER_FIND, .body = &body, .body_bytes = sizeof(body));
	struct request request = { .call = &call, .can_repeat = true };
	struct am_digest wanted;
	struct known *known;
	int error;

	memcpy(wanted.bytes, digest, sizeof(wanted.bytes));
	pthread_mutex_lock(&broker->units_lock);
	known = (struct known *)am_table_find_digest(broker->units, 0, &wanted);
	if (known != NULL && (known->holds == 0 || known->is_lost || known->generation != atomic_load(&broker->generation)))
		known = NULL;
	*unit = known == NULL ? 0 : known->entry.number;
	pthread_mutex_unlock(&broker->units_lock);
	if (known != NULL)
		return 0;
	memcpy(body.digest, digest, sizeof(body.digest));
	error = broker_call(broker, &request);
	if (error == 0) {
		*unit = known_number(broker, request.generation, &call.reply.unit);
		if (*unit == 0)
			error = -ENOMEM;
	}
	call_end(&call);
	return error;
}

int broker_stat_unit(void *state, agentmem_unit_t unit, struct agentmem_unit_stat *stat)
{
	struct broker_number number = { .unit = unit };
	struct call call = CALL(.type = BROKER_STAT_UNIT, .body = &number, .body_bytes = sizeof(number));
	struct request request = { .call = &call, .unit = unit, .remote = &number.unit, .can_repeat = true };
	int error = broker_call(state, &request);
	const struct broker_unit_stat *from = &call.reply.unit_stat;

	if (error == 0) {
		*stat = (struct agentmem_unit_stat){
			.unit = unit, .bytes = from->bytes, .stored_bytes = from->stored_bytes, .has_digest = from->has_digest, .kind = from->kind, .tier = from->tier,
			.sharers = from->sharers, .importance = from->importance, .idle_ms = from->idle_ms,
			.hot_bytes = from->hot_bytes, .warm_bytes = from->warm_bytes, .cold_bytes = from->cold_bytes,
		};
		memcpy(stat->digest, from->digest, sizeof(stat->digest));
	}
	call_end(&call);
	return error;
}

int broker_stat(void *state, struct agentmem_stat *stat)
{
	struct broker *broker = state;
	struct call call = CALL(.type = BROKER_STAT);
	struct request request = { .call = &call, .can_repeat = true };
	int error = broker_call(broker, &request);
	const struct broker_stat *from = &call.reply.stat;

	if (error == 0) {
		*stat = (struct agentmem_stat){
			.agent = from->agent, .state = from->state, .units = from->units, .bytes = from->bytes, .shared_bytes = from->shared_bytes, .quota_bytes = from->quota_bytes,
			.user_agents = from->user_agents, .user_units = from->user_units, .user_bytes = from->user_bytes, .user_hot_bytes = from->user_hot_bytes,
			.user_warm_bytes = from->user_warm_bytes, .user_cold_bytes = from->user_cold_bytes, .user_own_bytes = from->user_own_bytes,
		};
		memcpy(stat->token, from->token, sizeof(stat->token));
	}
	call_end(&call);
	return error;
}

/* The lines of one message, up to `room`, by `copy`; how many, or a negative errno. `more`: there are others behind. */
static int list(struct broker *broker, const struct broker_list *body, unsigned room, int (*copy)(const struct reply *reply, unsigned from, void *lines, unsigned at), void *lines, unsigned at, bool *more)
{
	struct call call = CALL(.type = BROKER_LIST, .body = body, .body_bytes = sizeof(*body));
	struct request request = { .call = &call, .can_repeat = true };
	int error = broker_call(broker, &request);
	unsigned count = call.reply.listed.count < room ? call.reply.listed.count : room;

	for (unsigned i = 0; error == 0 && i < count; i++)
		error = copy(&call.reply, i, lines, at + i);
	*more = call.reply.listed.more != 0 && count > 0;
	call_end(&call);
	return error != 0 ? error : (int)count;
}

static int copy_agent(const struct reply *reply, unsigned from, void *lines, unsigned at)
{
	struct agentmem_agent_line *line = (struct agentmem_agent_line *)lines + at;

	/* Field by field the same. */
	_Static_assert(sizeof(*line) == sizeof(struct broker_agent_line) && offsetof(struct agentmem_agent_line, name) == offsetof(struct broker_agent_line, name), "agent lines differ");
	line->agent = 0;
	if (reply_line(reply, from, line, sizeof(*line)) != 0)
		return -EPROTO;
	line->name[sizeof(line->name) - 1] = '\0';
	line->domain[sizeof(line->domain) - 1] = '\0';
	return 0;
}

static int copy_unit(const struct reply *reply, unsigned from, void *lines, unsigned at)
{
	struct agentmem_unit_line *line = (struct agentmem_unit_line *)lines + at;

	_Static_assert(sizeof(*line) == sizeof(struct broker_unit_line) && offsetof(struct agentmem_unit_line, digest) == offsetof(struct broker_unit_line, digest), "unit lines differ");
	return reply_line(reply, from, line, sizeof(*line));
}

int broker_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most)
{
	struct broker_list body = { .what = 0, .after = after };
	unsigned done = 0;
	bool more = true;

	while (more && done < most) {
		int count = list(state, &body, most - done, copy_agent, lines, done, &more);

		if (count < 0)
			return count;
		done += (unsigned)count;
		if (done > 0)
			body.after = lines[done - 1].agent;
	}
	return (int)done;
}

int broker_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	struct broker_list body = { .what = 1, .agent = agent, .after = after };
	unsigned done = 0;
	bool more = true;

	while (more && done < most) {
		int count = list(state, &body, most - done, copy_unit, lines, done, &more);

		if (count < 0)
			return count;
		done += (unsigned)count;
		if (done > 0)
			body.after = lines[done - 1].unit;
	}
	return (int)done;
}

int broker_settings(void *state, struct agentmem_settings *settings)
{
	struct broker_settings body = {
		.warm_after_ms = settings->warm_after_ms, .cold_after_ms = settings->cold_after_ms, .thorough_after_ms = settings->thorough_after_ms,
		.hot_most_bytes = settings->hot_most_bytes, .warm_most_bytes = settings->warm_most_bytes, .cold_most_bytes = settings->cold_most_bytes, .quota_bytes = settings->quota_bytes,
	};
	struct call call = CALL(.type = BROKER_SETTINGS, .body = &body, .body_bytes = sizeof(body));
	struct request request = { .call = &call, .can_repeat = true };
	int error = broker_call(state, &request);
	const struct broker_settings *from = &call.reply.settings;

	if (error == 0) {
		*settings = (struct agentmem_settings){
			.warm_after_ms = from->warm_after_ms, .cold_after_ms = from->cold_after_ms, .thorough_after_ms = from->thorough_after_ms,
			.hot_most_bytes = from->hot_most_bytes, .warm_most_bytes = from->warm_most_bytes, .cold_most_bytes = from->cold_most_bytes, .quota_bytes = from->quota_bytes,
		};
	}
	call_end(&call);
	return error;
}
