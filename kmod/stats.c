// SPDX-License-Identifier: GPL-2.0
/* What is stored: of a unit, an agent, a user, all. */
#include "contents.h"
#include "stats.h"

struct am_counts am_all;

static void add(struct am_sums *sums, struct am_content *content, u32 holders)
{
	u64 warm, cold;

	/* Both of one moment, so that they add up. */
	down_read(&content->lock);
	warm = content->warm_bytes;
	cold = content->cold_bytes;
	up_read(&content->lock);
	sums->warm += warm;
	sums->cold += cold;
	sums->hot += content->bytes - warm - cold;
	sums->stored += div_u64(am_content_stored(content), holders ?: 1);
	sums->sharers = max(sums->sharers, holders);
}

void am_sum_up(struct am_unit *unit, struct am_sums *sums)
{
	struct am_talk *talk = unit->talk;
	u32 holders = READ_ONCE(unit->holder_count);

	if (unit->content) {
		add(sums, unit->content, holders);
		return;
	}
	down_read(&talk->lock);
	for (u32 i = 0; i < talk->count; i++)
		add(sums, talk->blocks[i].content, refcount_read(&talk->blocks[i].content->ref));
	sums->hot += talk->tail_bytes;
	sums->stored = div_u64(sums->stored + talk->tail_room, holders ?: 1);
	up_read(&talk->lock);
	sums->sharers = max(sums->sharers, holders);
}

/* Of a unit, or of a content behind a descriptor. */
int am_stat_unit(struct am_agent *agent, struct am_unit *unit, struct am_content *content, struct agentmem_abi_unit_stat *stat)
{
	struct am_sums sums = { };
	u32 size = stat->size, flags = stat->flags;
	struct am_digest digest;

	if (unit)
		am_sum_up(unit, &sums);
	else
		add(&sums, content, 1);
	*stat = (struct agentmem_abi_unit_stat){
		.size = size,
		.flags = flags,
		.unit = unit ? unit->number : 0,
		.bytes = am_plain_of(&sums),
		.stored_bytes = sums.stored,
		.hot_bytes = sums.hot,
		.warm_bytes = sums.warm,
		.cold_bytes = sums.cold,
		.idle_ms = am_since_ms(content ? READ_ONCE(content->used_ms) : READ_ONCE(unit->used_ms)),
		.has_digest = content != NULL,
		.kind = unit ? unit->kind : AM_KIND_OTHER,
		.tier = am_tier_of(&sums),
		.sharers = sums.sharers,
		.importance = agent ? READ_ONCE(agent->importance) : 0,
	};
	if (content) {
		memcpy(stat->digest, content->entry.digest.bytes, sizeof(stat->digest));
	} else if (am_talk_known(unit, &digest)) {
		memcpy(stat->digest, digest.bytes, sizeof(stat->digest));
		stat->has_digest = 1;
	}
	return 0;
}

static void sum_unit(struct am_unit *unit, struct am_agent_sums *to)
{
	struct am_sums sums = { };

	am_sum_up(unit, &sums);
	to->units++;
	to->bytes += am_plain_of(&sums);
	to->hot += sums.hot;
	to->warm += sums.warm;
	to->cold += sums.cold;
	if (READ_ONCE(unit->holder_count) > 1)
		to->shared += am_plain_of(&sums);
}

void am_sum_agent(struct am_agent *agent, struct am_agent_sums *sums)
{
	unsigned long number = 0;
	struct am_unit *unit;

	while ((unit = am_unit_next(agent, &number))) {
		sum_unit(unit, sums);
		am_unit_put(unit);
		number++;
		cond_resched();
	}
}

int am_stat_agent(struct am_agent *agent, struct agentmem_abi_agent_stat *stat)
{
	struct am_agent_sums sums = { };
	u32 size = stat->size;

	am_sum_agent(agent, &sums);
	*stat = (struct agentmem_abi_agent_stat){
		.size = size,
		.agent = agent->number,
		.state = am_agent_state(agent),
		.importance = READ_ONCE(agent->importance),
		.units = sums.units,
		.bytes = sums.bytes,
		.shared_bytes = sums.shared,
		.quota_bytes = agent->quota_bytes,
	};
	memcpy(stat->token, agent->token, sizeof(stat->token));
	return 0;
}

/* Under am_agents_lock. */
static void add_user(struct agentmem_abi_all_stat *stat, struct am_user *user)
{
	stat->agents += atomic_read(&user->agents);
	stat->units += atomic64_read(&user->units);
	stat->bytes += atomic64_read(&user->bytes);
	stat->contents += atomic64_read(&user->counts.contents);
	stat->content_bytes += atomic64_read(&user->counts.content_bytes);
	stat->hot_bytes += atomic64_read(&user->counts.hot_bytes);
	stat->warm_bytes += atomic64_read(&user->counts.warm_bytes);
	stat->cold_bytes += atomic64_read(&user->counts.cold_bytes);
}

int am_sum_all(kuid_t uid, bool everybody, struct agentmem_abi_all_stat *stat)
{
	struct am_user *user;
	u32 size = stat->size;

	*stat = (struct agentmem_abi_all_stat){ .size = size };
	if (mutex_lock_killable(&am_agents_lock))
		return -EINTR;
	list_for_each_entry(user, &am_users, link) {
		if (everybody || uid_eq(user->uid, uid))
			add_user(stat, user);
	}
	mutex_unlock(&am_agents_lock);
	if (everybody)
		stat->own_bytes = am_store_bytes();
	return 0;
}

int am_stat_all(struct agentmem_abi_all_stat *stat)
{
	return am_sum_all(current_euid(), capable(CAP_SYS_ADMIN), stat);
}
