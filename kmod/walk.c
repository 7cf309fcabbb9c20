// SPDX-License-Identifier: GPL-2.0
/* Who holds what: contents of an agent, and a walk over all agents that leaves at each content what its holders are. */
#include "walk.h"

/* Only one walk at a time marks. */
static DEFINE_MUTEX(walk_lock);
static u32 walk;

static void mark(struct am_content *content, const struct am_agent *agent)
{
	u32 state = am_agent_state(agent), importance = READ_ONCE(agent->importance);

	/* Read without the lock: what is torn costs a wrong choice, nothing else. */
	if (content->seen_walk != walk) {
		WRITE_ONCE(content->seen_state, state);
		WRITE_ONCE(content->seen_importance, importance);
		smp_store_release(&content->seen_walk, walk);
		return;
	}
	WRITE_ONCE(content->seen_state, min(content->seen_state, state));
	WRITE_ONCE(content->seen_importance, max(content->seen_importance, importance));
}

/* Each content of an agent; a conversation that somebody writes to now is passed over. */
void am_each_content(struct am_agent *agent, void (*look)(struct am_content *content, void *context), void *context)
{
	unsigned long number = 0;
	struct am_unit *unit;

	while ((unit = am_unit_next(agent, &number))) {
		if (unit->content) {
			look(unit->content, context);
		} else if (down_read_trylock(&unit->talk->lock)) {
			for (u32 i = 0; i < unit->talk->count; i++)
				look(unit->talk->blocks[i].content, context);
			up_read(&unit->talk->lock);
		}
		am_unit_put(unit);
		number++;
		cond_resched();
	}
}

static void mark_one(struct am_content *content, void *context)
{
	mark(content, context);
}

/* Like am_agent_find(), the next one from `*number` on. */
struct am_agent *am_agent_next(unsigned long *number)
{
	struct am_agent *agent;

	rcu_read_lock();
	agent = xa_find(&am_agents, number, ULONG_MAX, XA_PRESENT);
	while (agent && !kref_get_unless_zero(&agent->ref))
		agent = xa_find_after(&am_agents, number, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return agent;
}

/* The number of the walk, or 0 where the caller is to die. */
u32 am_mark_all(void)
{
	unsigned long number = 0;
	struct am_agent *agent;
	u32 mine;

	if (mutex_lock_killable(&walk_lock))
		return 0;
	walk += walk == U32_MAX ? 2 : 1;
	mine = walk;
	while ((agent = am_agent_next(&number))) {
		am_each_content(agent, mark_one, agent);
		am_agent_put(agent);
		number++;
	}
	mutex_unlock(&walk_lock);
	return mine;
}
