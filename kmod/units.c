// SPDX-License-Identifier: GPL-2.0
/* Units, and which agent holds which. */
#include <linux/sched/signal.h>

#include "contents.h"

static void unit_release(struct kref *ref)
{
	struct am_unit *unit = container_of(ref, struct am_unit, ref);

	if (unit->content) {
		mutex_lock(&am_store_lock);
		if (unit->content->unit == unit)
			unit->content->unit = NULL;
		mutex_unlock(&am_store_lock);
		am_content_put(unit->content);
	}
	am_talk_free(unit->talk);
	am_domain_put(unit->domain);
	kfree_rcu(unit, rcu);
}

void am_unit_put(struct am_unit *unit)
{
	kref_put(&unit->ref, unit_release);
}

struct am_unit *am_unit_new(struct am_domain *domain, u32 kind)
{
	struct am_unit *unit = kzalloc(sizeof(*unit), GFP_KERNEL_ACCOUNT);

	if (!unit)
		return ERR_PTR(-ENOMEM);
	kref_init(&unit->ref);
	spin_lock_init(&unit->holders_lock);
	INIT_LIST_HEAD(&unit->holders);
	am_domain_get(domain);
	unit->domain = domain;
	unit->kind = kind;
	unit->number = atomic64_inc_return(&domain->last_unit);
	unit->used_ms = am_now_ms();
	if (kind != AM_KIND_CONVERSATION)
		return unit;
	unit->talk = am_talk_new();
	if (unit->talk)
		return unit;
	am_unit_put(unit);
	return ERR_PTR(-ENOMEM);
}

/* The one unit of it. Takes over the caller's reference to the content, also where it fails. */
struct am_unit *am_unit_of_content(struct am_content *content, u32 kind)
{
	struct am_unit *fresh = am_unit_new(content->domain, kind);
	struct am_unit *unit;

	if (IS_ERR(fresh)) {
		am_content_put(content);
		return fresh;
	}
	fresh->content = content;
	fresh->bytes = content->bytes;
	mutex_lock(&am_store_lock);
	unit = content->unit;
	if (unit && kref_get_unless_zero(&unit->ref)) {
		mutex_unlock(&am_store_lock);
		am_unit_put(fresh);
		return unit;
	}
	content->unit = fresh;
	WRITE_ONCE(content->kind, kind);
	mutex_unlock(&am_store_lock);
	return fresh;
}

/* Without a lock: what the agent holds is read under RCU. */
struct am_unit *am_unit_find(struct am_agent *agent, u64 number)
{
	struct am_holding *holding;
	struct am_unit *unit = NULL;

	if (number > ULONG_MAX)
		return NULL;
	rcu_read_lock();
	holding = xa_load(&agent->units, number);
	if (holding) {
		unit = holding->unit;
		if (!kref_get_unless_zero(&unit->ref))
			unit = NULL;
	}
	rcu_read_unlock();
	return unit;
}

/* A unit whose last holder lets go of it now is passed over. */
struct am_unit *am_unit_next(struct am_agent *agent, unsigned long *number)
{
	struct am_holding *holding;
	struct am_unit *unit;

	rcu_read_lock();
	holding = xa_find(&agent->units, number, ULONG_MAX, XA_PRESENT);
	while (holding && !kref_get_unless_zero(&holding->unit->ref))
		holding = xa_find_after(&agent->units, number, ULONG_MAX, XA_PRESENT);
	unit = holding ? holding->unit : NULL;
	rcu_read_unlock();
	return unit;
}

void am_unit_used(struct am_unit *unit)
{
	WRITE_ONCE(unit->used_ms, am_now_ms());
	if (unit->content)
		am_content_used(unit->content);
}

/* Under agent->lock. */
static int holding_add(struct am_agent *agent, struct am_unit *unit)
{
	struct am_holding *holding;
	int error;

	if (atomic64_read(&agent->count) >= READ_ONCE(am_agent_units_most))
		return -EDQUOT;
	holding = kzalloc(sizeof(*holding), GFP_KERNEL_ACCOUNT);
	if (!holding)
		return -ENOMEM;
	holding->agent = agent;
	holding->unit = unit;
	holding->holds = 1;
	error = xa_insert(&agent->units, unit->number, holding, GFP_KERNEL_ACCOUNT);
	if (error)
		goto no_place;
	/* Beside a growing unit: either the grower sees this holder, or this one what was grown. */
	spin_lock(&unit->holders_lock);
	error = am_agent_charge(agent, unit->bytes);
	if (!error) {
		list_add(&holding->on_unit, &unit->holders);
		unit->holder_count++;
	}
	spin_unlock(&unit->holders_lock);
	if (error)
		goto no_room;
	kref_get(&unit->ref);
	atomic64_inc(&agent->count);
	atomic64_inc(&agent->domain->user->units);
	return 0;

no_room:
	xa_erase(&agent->units, unit->number);
	kfree_rcu(holding, rcu);
	return error;
no_place:
	kfree(holding);
	return error;
}

/* The agent holds it, once more where it does already. The caller keeps its own reference. */
int am_unit_hold(struct am_agent *agent, struct am_unit *unit)
{
	struct am_holding *holding;
	int error = 0;

	if (mutex_lock_killable(&agent->lock))
		return -EINTR;
	holding = xa_load(&agent->units, unit->number);
	if (agent->gone)
		error = -ENOENT;
	else if (!holding)
		error = holding_add(agent, unit);
	else if (holding->holds == U32_MAX)
		error = -EDQUOT;
	else
		holding->holds++;
	mutex_unlock(&agent->lock);
	return error;
}

/* Under agent->lock; the unit's reference is the caller's now. */
static struct am_unit *holding_end(struct am_holding *holding)
{
	struct am_agent *agent = holding->agent;
	struct am_unit *unit = holding->unit;

	xa_erase(&agent->units, unit->number);
	spin_lock(&unit->holders_lock);
	list_del(&holding->on_unit);
	unit->holder_count--;
	am_agent_uncharge(agent, unit->bytes);
	spin_unlock(&unit->holders_lock);
	atomic64_dec(&agent->count);
	atomic64_dec(&agent->domain->user->units);
	kfree_rcu(holding, rcu);
	return unit;
}

int am_unit_free(struct am_agent *agent, u64 number)
{
	struct am_unit *unit = NULL;
	struct am_holding *holding;

	if (number > ULONG_MAX)
		return -ENOENT;
	if (mutex_lock_killable(&agent->lock))
		return -EINTR;
	holding = xa_load(&agent->units, number);
	if (holding && --holding->holds == 0)
		unit = holding_end(holding);
	mutex_unlock(&agent->lock);
	if (unit)
		am_unit_put(unit);
	return holding ? 0 : -ENOENT;
}

/* Nothing comes after: the agent is gone. */
void am_unit_free_all(struct am_agent *agent)
{
	struct am_holding *holding;
	unsigned long number = 0;

	do {
		struct am_unit *unit = NULL;

		mutex_lock(&agent->lock);
		agent->gone = true;
		holding = xa_find(&agent->units, &number, ULONG_MAX, XA_PRESENT);
		if (holding)
			unit = holding_end(holding);
		mutex_unlock(&agent->lock);
		if (unit)
			am_unit_put(unit);
		cond_resched();
	} while (holding);
}

/* All who hold it pay, or it does not grow. */
int am_unit_grow(struct am_unit *unit, u64 bytes)
{
	struct am_holding *holding;
	int error = 0;

	spin_lock(&unit->holders_lock);
	if (unit->bytes + bytes > AGENTMEM_ABI_UNIT_MOST)
		error = -E2BIG;
	else
		list_for_each_entry(holding, &unit->holders, on_unit) {
			error = am_agent_charge(holding->agent, bytes);
			if (error)
				break;
		}
	if (!error)
		unit->bytes += bytes;
	else if (error != -E2BIG)
		list_for_each_entry_continue_reverse(holding, &unit->holders, on_unit)
			am_agent_uncharge(holding->agent, bytes);
	spin_unlock(&unit->holders_lock);
	return error;
}

void am_unit_shrink(struct am_unit *unit, u64 bytes)
{
	struct am_holding *holding;

	spin_lock(&unit->holders_lock);
	list_for_each_entry(holding, &unit->holders, on_unit)
		am_agent_uncharge(holding->agent, bytes);
	unit->bytes -= bytes;
	spin_unlock(&unit->holders_lock);
}

/* What holds the byte at `offset`, with a reference; NULL at the end. A conversation's tail is nobody's content: NULL too. */
struct am_content *am_unit_content_at(struct am_unit *unit, u64 offset, u64 *start)
{
	struct am_talk *talk = unit->talk;
	struct am_content *content = NULL;
	u32 low = 0, high;

	if (unit->content) {
		*start = 0;
		if (offset >= unit->content->bytes || !am_content_get(unit->content))
			return NULL;
		return unit->content;
	}
	down_read(&talk->lock);
	high = talk->count;
	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (talk->blocks[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < talk->count && am_content_get(talk->blocks[low].content)) {
		content = talk->blocks[low].content;
		*start = talk->blocks[low].end - content->bytes;
	}
	up_read(&talk->lock);
	return content;
}
