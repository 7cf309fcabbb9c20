// SPDX-License-Identifier: GPL-2.0
/* Suspending and resuming: what an agent holds goes at once, but for what somebody awake holds too, and comes back. */
#include <linux/cgroup.h>
#include <linux/pid.h>
#include <linux/sched.h>

#include "walk.h"

/* Each conversation of an agent. */
static void each_talk(struct am_agent *agent, void (*look)(struct am_unit *unit, void *context), void *context)
{
	unsigned long number = 0;
	struct am_unit *unit;

	while ((unit = am_unit_next(agent, &number))) {
		if (unit->talk)
			look(unit, context);
		am_unit_put(unit);
		number++;
		cond_resched();
	}
}

struct sending {
	struct am_packer *packer;
	struct am_run_packer *run_packer;	/* NULL until it is needed, or where there is none */
	bool tried;
	s64 freed;
	u32 walk;
};

/* What somebody awake holds too stays. */
static bool sleeps(struct am_content *content, void *context)
{
	const struct sending *sending = context;

	return am_marked_since(content, sending->walk) && READ_ONCE(content->seen_state) >= AM_STATE_SUSPENDED;
}

static void close_tail(struct am_unit *unit, void *context)
{
	am_talk_close_tail(unit);
}

static void pack_talk(struct am_unit *unit, void *context)
{
	struct sending *sending = context;
	struct am_talk *talk = unit->talk;

	/* Of one block none is made; what makes them is large. */
	if (READ_ONCE(talk->count) < 2)
		return;
	if (!sending->run_packer && !sending->tried) {
		sending->run_packer = am_run_packer_new();
		sending->tried = true;
	}
	sending->freed += am_run_talk(sending->run_packer, talk, sleeps, sending);
}

static void pack_one(struct am_content *content, void *context)
{
	struct sending *sending = context;

	WRITE_ONCE(content->look_ms, 0);
	if (sleeps(content, context))
		sending->freed += max_t(s64, am_content_pack(content, sending->packer, false), 0);
}

/* Sends what only it holds, and others that sleep. */
s64 am_evict_agent(struct am_agent *agent)
{
	struct sending sending = { .packer = am_compress_ready() ? am_packer_new() : NULL };

	if (!sending.packer)
		return 0;
	/* Before the walk, which marks what sleeps: blocks that come of it are new. */
	each_talk(agent, close_tail, NULL);
	sending.walk = am_mark_all();
	if (sending.walk) {
		each_talk(agent, pack_talk, &sending);
		am_each_content(agent, pack_one, &sending);
	}
	am_run_packer_free(sending.run_packer);
	am_packer_free(sending.packer);
	return sending.freed;
}

static void restore_one(struct am_content *content, void *context)
{
	int *error = context;

	if (!*error) {
		*error = am_content_restore(content);
		am_content_used(content);
	}
}

/* As much of its units as fits; the rest comes when it is touched. */
int am_restore_agent(struct am_agent *agent)
{
	int error = 0;

	am_each_content(agent, restore_one, &error);
	return error == -EINTR ? error : 0;
}

/* Under RCU. The cgroup is told to freeze: a process that is stopped by a signal or a debugger is none of that. */
static bool in_frozen_cgroup(struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	return test_bit(CGRP_FREEZE, &task_dfl_cgroup(task)->flags);
#else
	return false;
#endif
}

static bool is_frozen(const struct am_agent *agent)
{
	struct task_struct *task;
	bool frozen;

	rcu_read_lock();
	task = pid_task(agent->pid, PIDTYPE_TGID);
	frozen = task && in_frozen_cgroup(task);
	rcu_read_unlock();
	return frozen;
}

static void look_soon(struct am_content *content, void *context)
{
	WRITE_ONCE(content->look_ms, 0);
}

/*
 * Agents are suspended from outside, too: their cgroup is frozen, and none of
 * them can say so. From then on it counts as one that did, and the look that
 * follows sends what it alone holds. Tails of conversations stay, since what
 * they become would be charged to nobody here. After thawing all comes back as
 * it is touched, or when the agent says that it is active.
 */
void am_follow_freezing(void)
{
	unsigned long number = 0;
	struct am_agent *agent;

	while ((agent = am_agent_next(&number))) {
		bool frozen = is_frozen(agent);

		if (frozen != agent->frozen) {
			WRITE_ONCE(agent->frozen, frozen);
			if (frozen) {
				WRITE_ONCE(agent->sent, true);
				am_each_content(agent, look_soon, NULL);
			}
		}
		am_agent_put(agent);
		number++;
		cond_resched();
	}
}
