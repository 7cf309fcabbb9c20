/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <string.h>

/* As in the broker. */
#define TALK_DIGEST_MOST_BYTES (16u * 1024u * 1024u)

/* A conversation's digest is made when somebody asks, unless it is large, or some of it would have to come back to memory for that. */
static bool wants_digest(const struct agentmem_abi_unit_stat *args)
{
	return args->kind == AGENTMEM_CONVERSATION && args->has_digest == 0 && args->bytes > 0 && args->bytes <= TALK_DIGEST_MOST_BYTES && args->warm_bytes == 0 && args->cold_bytes == 0;
}

int module_stat_unit(void *state, agentmem_unit_t unit, struct agentmem_unit_stat *stat)
{
	struct agentmem_abi_unit_stat args = ABI(unit_stat, .unit = unit), more = ABI(unit_stat, .unit = unit, .flags = AGENTMEM_ABI_STAT_DIGEST);
	int error = module_ask(state, AGENTMEM_IOC_STAT_UNIT, &args);

	if (error != 0)
		return error;
	/* Right without a digest too, where there is no memory for it, or no such flag yet. */
	if (wants_digest(&args) && module_ask(state, AGENTMEM_IOC_STAT_UNIT, &more) == 0)
		args = more;
	*stat = (struct agentmem_unit_stat){
		.unit = unit, .bytes = args.bytes, .stored_bytes = args.stored_bytes, .has_digest = args.has_digest, .kind = args.kind, .tier = args.tier, .sharers = args.sharers,
		.importance = args.importance, .idle_ms = args.idle_ms, .hot_bytes = args.hot_bytes, .warm_bytes = args.warm_bytes, .cold_bytes = args.cold_bytes,
	};
	memcpy(stat->digest, args.digest, sizeof(stat->digest));
	return 0;
}

int module_stat(void *state, struct agentmem_stat *stat)
{
	const struct module *module = state;
	struct agentmem_abi_agent_stat agent = ABI(agent_stat);
	struct agentmem_abi_all_stat all = ABI(all_stat);
	int error = module_ask(module, AGENTMEM_IOC_STAT_ALL, &all);

	if (error == 0 && !module->is_observer)
		error = module_ask(module, AGENTMEM_IOC_STAT_AGENT, &agent);
	if (error != 0)
		return error;
	/* All zero for an observer. */
	*stat = (struct agentmem_stat){
		.agent = agent.agent, .state = agent.state, .units = agent.units, .bytes = agent.bytes, .shared_bytes = agent.shared_bytes, .quota_bytes = agent.quota_bytes,
		.user_agents = all.agents, .user_units = all.units, .user_bytes = all.bytes, .user_hot_bytes = all.hot_bytes, .user_warm_bytes = all.warm_bytes,
		.user_cold_bytes = all.cold_bytes, .user_own_bytes = all.own_bytes,
	};
	memcpy(stat->token, agent.token, sizeof(stat->token));
	return 0;
}

int module_settings(void *state, struct agentmem_settings *settings)
{
	struct agentmem_abi_settings args = ABI(settings, .warm_after_ms = settings->warm_after_ms, .cold_after_ms = settings->cold_after_ms, .hot_most_bytes = settings->hot_most_bytes,
						.warm_most_bytes = settings->warm_most_bytes, .cold_most_bytes = settings->cold_most_bytes, .quota_bytes = settings->quota_bytes);
	int error;

	/* It has none. */
	if (settings->thorough_after_ms != 0)
		return -EOPNOTSUPP;
	error = module_ask(state, AGENTMEM_IOC_SETTINGS, &args);
	if (error != 0)
		return error;
	*settings = (struct agentmem_settings){
		.warm_after_ms = args.warm_after_ms, .cold_after_ms = args.cold_after_ms, .hot_most_bytes = args.hot_most_bytes,
		.warm_most_bytes = args.warm_most_bytes, .cold_most_bytes = args.cold_most_bytes, .quota_bytes = args.quota_bytes,
	};
	return 0;
}
