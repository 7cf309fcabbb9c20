// SPDX-License-Identifier: GPL-2.0
/* Requests about an agent, all agents, and the module: state, figures, settings. */
#include <linux/capability.h>

#include "calls.h"
#include "contents.h"

int am_do_state(struct am_call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (value->reserved || !value->value || value->value >= AM_STATE_END)
		return -EINVAL;
	if (value->value == AM_STATE_GONE)
		am_unit_free_all(call->agent);
	return am_agent_set_state(call->agent, value->value);
}

int am_do_importance(struct am_call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (value->reserved || value->value > AGENTMEM_ABI_IMPORTANCE_MOST)
		return -EINVAL;
	WRITE_ONCE(call->agent->importance, value->value);
	return 0;
}

int am_do_stat_agent(struct am_call *call)
{
	return am_stat_agent(call->agent, call->args);
}

int am_do_stat_all(struct am_call *call)
{
	return am_stat_all(call->args);
}

int am_do_list_agents(struct am_call *call)
{
	return am_list_agents(call->args);
}

int am_do_list_units(struct am_call *call)
{
	if (call->agent && READ_ONCE(call->agent->gone))
		return -ENOENT;
	return am_list_units(call->agent, call->args);
}

int am_do_pressure(struct am_call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (value->reserved || value->value > AM_PRESSURE_HARD)
		return -EINVAL;
	am_evict_kick(value->value);
	return 0;
}

int am_do_settings(struct am_call *call)
{
	struct agentmem_abi_settings *args = call->args;
	bool changes = args->warm_after_ms || args->cold_after_ms || args->hot_most_bytes || args->warm_most_bytes || args->quota_bytes || args->user_most_bytes || args->cold_most_bytes;

	if (changes && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (args->quota_bytes > S64_MAX || args->user_most_bytes > S64_MAX)
		return -EINVAL;
	if (args->warm_after_ms)
		WRITE_ONCE(am_warm_after_ms, args->warm_after_ms);
	if (args->hot_most_bytes)
		WRITE_ONCE(am_hot_most_bytes, args->hot_most_bytes);
	if (args->quota_bytes)
		WRITE_ONCE(am_quota_bytes, args->quota_bytes);
	if (args->user_most_bytes)
		WRITE_ONCE(am_user_most_bytes, args->user_most_bytes);
	if (args->cold_after_ms)
		WRITE_ONCE(am_cold_after_ms, args->cold_after_ms);
	if (args->warm_most_bytes)
		WRITE_ONCE(am_warm_most_bytes, args->warm_most_bytes);
	if (args->cold_most_bytes)
		WRITE_ONCE(am_cold_most_bytes, args->cold_most_bytes);
	args->cold_after_ms = READ_ONCE(am_cold_after_ms);
	args->warm_most_bytes = READ_ONCE(am_warm_most_bytes);
	args->cold_most_bytes = READ_ONCE(am_cold_most_bytes);
	args->warm_after_ms = READ_ONCE(am_warm_after_ms);
	args->hot_most_bytes = READ_ONCE(am_hot_most_bytes);
	args->quota_bytes = READ_ONCE(am_quota_bytes);
	args->user_most_bytes = READ_ONCE(am_user_most_bytes);
	if (changes)
		am_evict_kick_same();
	return 0;
}

int am_do_backing(struct am_call *call)
{
	int error;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = am_cold_backing(call->args);
	if (!error)
		am_evict_kick_same();
	return error;
}
