/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of agents, units and settings, as objects. Names are those of agentmem.h in camel case. */
#include <stdlib.h>

#include "calls.h"
#include "work.h"

/* Lines that are asked for at once; index.ts asks for more behind the last. */
#define LINES_MOST 512

typedef int (*runner)(struct work *work, agentmem_t *am);
typedef napi_value (*maker)(napi_env env, struct work *work);

static napi_value begin(struct arguments *arguments, struct work *work, size_t own_bytes, runner run, maker result)
{
	struct handle *handle = handle_at(arguments, 0);

	work->run = run;
	work->result = result;
	if (work->own == NULL)
		work->own = calloc(1, own_bytes);
	return work->own == NULL || arguments->is_wrong ? work_refuse(work) : work_start(work, handle);
}

static int run_stat(struct work *work, agentmem_t *am)
{
	struct agentmem_stat *stat = work->own;

	stat->size = sizeof(*stat);
	return agentmem_stat(am, stat);
}

static napi_value token_of(napi_env env, const uint8_t *token)
{
	napi_value buffer, array = NULL;
	void *bytes;

	if (napi_create_arraybuffer(env, AGENTMEM_TOKEN_BYTES, &bytes, &buffer) != napi_ok)
		return NULL;
	for (size_t i = 0; i < AGENTMEM_TOKEN_BYTES; i++)
		((uint8_t *)bytes)[i] = token[i];
	napi_create_typedarray(env, napi_uint8_array, AGENTMEM_TOKEN_BYTES, buffer, 0, &array);
	return array;
}

static napi_value stat_result(napi_env env, struct work *work)
{
	const struct agentmem_stat *stat = work->own;
	napi_value object = new_object(env);

	set_big(env, object, "agent", stat->agent);
	set_value(env, object, "token", token_of(env, stat->token));
	set_size(env, object, "backend", stat->backend);
	set_size(env, object, "state", stat->state);
	set_size(env, object, "units", stat->units);
	set_size(env, object, "bytes", stat->bytes);
	set_size(env, object, "sharedBytes", stat->shared_bytes);
	set_size(env, object, "quotaBytes", stat->quota_bytes);
	set_size(env, object, "userAgents", stat->user_agents);
	set_size(env, object, "userUnits", stat->user_units);
	set_size(env, object, "userBytes", stat->user_bytes);
	set_size(env, object, "userHotBytes", stat->user_hot_bytes);
	set_size(env, object, "userWarmBytes", stat->user_warm_bytes);
	set_size(env, object, "userColdBytes", stat->user_cold_bytes);
	set_size(env, object, "userOwnBytes", stat->user_own_bytes);
	return object;
}

napi_value call_stat(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	return work == NULL ? NULL : begin(&arguments, work, sizeof(struct agentmem_stat), run_stat, stat_result);
}

static int run_stat_unit(struct work *work, agentmem_t *am)
{
	struct agentmem_unit_stat *stat = work->own;

	stat->size = sizeof(*stat);
	return agentmem_stat_unit(am, work->unit, stat);
}

static napi_value stat_unit_result(napi_env env, struct work *work)
{
	const struct agentmem_unit_stat *stat = work->own;
	napi_value object = new_object(env);

	set_big(env, object, "unit", stat->unit);
	set_size(env, object, "bytes", stat->bytes);
	set_size(env, object, "storedBytes", stat->stored_bytes);
	set_hex(env, object, "digest", stat->digest, stat->has_digest != 0 ? sizeof(stat->digest) : 0);
	set_size(env, object, "kind", stat->kind);
	set_size(env, object, "tier", stat->tier);
	set_size(env, object, "sharers", stat->sharers);
	set_size(env, object, "importance", stat->importance);
	set_size(env, object, "idleMs", stat->idle_ms);
	set_size(env, object, "hotBytes", stat->hot_bytes);
	set_size(env, object, "warmBytes", stat->warm_bytes);
	set_size(env, object, "coldBytes", stat->cold_bytes);
	return object;
}

napi_value call_stat_unit(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	return begin(&arguments, work, sizeof(struct agentmem_unit_stat), run_stat_unit, stat_unit_result);
}

static napi_value list_of(napi_env env, struct work *work, napi_value (*line)(napi_env env, const void *lines, uint32_t at))
{
	napi_value list = NULL;

	if (napi_create_array_with_length(env, work->count, &list) != napi_ok)
		return NULL;
	for (uint32_t i = 0; i < work->count; i++) {
		napi_handle_scope scope;

		if (napi_open_handle_scope(env, &scope) != napi_ok)
			return NULL;
		napi_set_element(env, list, i, line(env, work->own, i));
		napi_close_handle_scope(env, scope);
	}
	return list;
}

/* How many lines were written, or an error. */
static int counted(struct work *work, int count)
{
	work->count = count < 0 ? 0 : (uint64_t)count;
	return count < 0 ? count : 0;
}

static int run_agents(struct work *work, agentmem_t *am)
{
	return counted(work, agentmem_agents(am, work->offset, work->own, LINES_MOST));
}

static napi_value agent_line(napi_env env, const void *lines, uint32_t at)
{
	const struct agentmem_agent_line *line = (const struct agentmem_agent_line *)lines + at;
	napi_value object = new_object(env);

	set_big(env, object, "agent", line->agent);
	set_size(env, object, "pid", line->pid);
	set_size(env, object, "state", line->state);
	set_size(env, object, "importance", line->importance);
	set_size(env, object, "processes", line->processes);
	set_size(env, object, "units", line->units);
	set_size(env, object, "bytes", line->bytes);
	set_size(env, object, "sharedBytes", line->shared_bytes);
	set_size(env, object, "hotBytes", line->hot_bytes);
	set_size(env, object, "warmBytes", line->warm_bytes);
	set_size(env, object, "coldBytes", line->cold_bytes);
	set_size(env, object, "idleMs", line->idle_ms);
	set_text(env, object, "name", line->name);
	set_text(env, object, "domain", line->domain);
	return object;
}

static napi_value agents_result(napi_env env, struct work *work)
{
	return list_of(env, work, agent_line);
}

napi_value call_agents(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->offset = big_at(&arguments, 1);
	return begin(&arguments, work, LINES_MOST * sizeof(struct agentmem_agent_line), run_agents, agents_result);
}

static int run_units(struct work *work, agentmem_t *am)
{
	return counted(work, agentmem_units(am, work->agent, work->offset, work->own, LINES_MOST));
}

static napi_value unit_line(napi_env env, const void *lines, uint32_t at)
{
	const struct agentmem_unit_line *line = (const struct agentmem_unit_line *)lines + at;
	napi_value object = new_object(env);

	set_big(env, object, "unit", line->unit);
	set_big(env, object, "agent", line->agent);
	set_size(env, object, "bytes", line->bytes);
	set_size(env, object, "storedBytes", line->stored_bytes);
	set_size(env, object, "idleMs", line->idle_ms);
	set_size(env, object, "kind", line->kind);
	set_size(env, object, "tier", line->tier);
	set_size(env, object, "sharers", line->sharers);
	set_size(env, object, "importance", line->importance);
	set_hex(env, object, "digest", line->digest, sizeof(line->digest));
	return object;
}

static napi_value units_result(napi_env env, struct work *work)
{
	return list_of(env, work, unit_line);
}

napi_value call_units(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->agent = big_at(&arguments, 1);
	work->offset = big_at(&arguments, 2);
	return begin(&arguments, work, LINES_MOST * sizeof(struct agentmem_unit_line), run_units, units_result);
}

static int run_settings(struct work *work, agentmem_t *am)
{
	return agentmem_settings(am, work->own);
}

static const struct {
	const char *name;
	size_t at;
} fields[] = {
	{ "warmAfterMs", offsetof(struct agentmem_settings, warm_after_ms) },
	{ "coldAfterMs", offsetof(struct agentmem_settings, cold_after_ms) },
	{ "thoroughAfterMs", offsetof(struct agentmem_settings, thorough_after_ms) },
	{ "hotMostBytes", offsetof(struct agentmem_settings, hot_most_bytes) },
	{ "warmMostBytes", offsetof(struct agentmem_settings, warm_most_bytes) },
	{ "coldMostBytes", offsetof(struct agentmem_settings, cold_most_bytes) },
	{ "quotaBytes", offsetof(struct agentmem_settings, quota_bytes) },
};

static uint64_t *field(void *settings, size_t i)
{
	return (uint64_t *)(void *)((char *)settings + fields[i].at);
}

static napi_value settings_result(napi_env env, struct work *work)
{
	napi_value object = new_object(env);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		set_size(env, object, fields[i].name, *field(work->own, i));
	return object;
}

napi_value call_settings(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	struct agentmem_settings *settings;

	if (work == NULL)
		return NULL;
	settings = work->own = calloc(1, sizeof(*settings));
	if (settings == NULL)
		return work_refuse(work);
	settings->size = sizeof(*settings);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		*field(settings, i) = size_in(&arguments, arguments.value[1], fields[i].name, 0);
	return begin(&arguments, work, sizeof(*settings), run_settings, settings_result);
}
