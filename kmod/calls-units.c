// SPDX-License-Identifier: GPL-2.0
/* Requests about units: each finds the unit among the agent's own, and does it. */
#include "calls.h"
#include "contents.h"
#include "trace.h"

#define PIN_MS 300000u

static int give_fd(struct am_call *call, struct am_content *content, s32 *to)
{
	int fd = am_file_of(content, &call->file);

	if (fd < 0)
		return fd;
	call->fd = fd;
	*to = fd;
	return 0;
}

/* Content that was handed in: a conversation is filled as by APPEND. */
static struct am_unit *unit_from(struct am_agent *agent, const struct agentmem_abi_alloc *args)
{
	void __user *data = u64_to_user_ptr(args->data);
	struct am_content *content;
	struct am_unit *unit;
	int error;

	if (args->kind == AM_KIND_CONVERSATION) {
		unit = am_unit_new(agent->domain, args->kind);
		if (IS_ERR(unit) || !args->bytes)
			return unit;
		error = am_talk_append(unit, data, args->bytes);
		if (!error)
			return unit;
		am_unit_put(unit);
		return ERR_PTR(error);
	}
	content = am_content_from(agent->domain, am_source_user, (void __force *)data, args->bytes);
	return IS_ERR(content) ? ERR_CAST(content) : am_unit_of_content(content, args->kind);
}

/* By digest, what this agent holds itself: others make no difference. */
static struct am_unit *unit_by_digest(struct am_agent *agent, const struct agentmem_abi_alloc *args)
{
	struct am_content *content;
	struct am_unit *unit = NULL;
	struct am_digest digest;
	u64 number = 0;

	memcpy(digest.bytes, args->digest, sizeof(digest.bytes));
	content = am_content_find(agent->domain, &digest);
	if (content) {
		mutex_lock(&am_store_lock);
		if (content->unit)
			number = content->unit->number;
		mutex_unlock(&am_store_lock);
		am_content_put(content);
	}
	unit = am_unit_find(agent, number);
	if (!unit)
		return ERR_PTR(-ENOENT);
	if (unit->content && !memcmp(unit->content->entry.digest.bytes, args->digest, sizeof(digest.bytes)))
		return unit;
	am_unit_put(unit);
	return ERR_PTR(-ENOENT);
}

/* The same of conversations: those whose digest was asked for, and that have not changed since. */
static struct am_unit *talk_by_digest(struct am_agent *agent, const struct agentmem_abi_alloc *args)
{
	struct am_holding *holding;
	unsigned long number = 0;

	for (;;) {
		struct am_unit *unit = NULL;
		struct am_digest digest;

		rcu_read_lock();
		holding = xa_find_after(&agent->units, &number, ULONG_MAX, XA_PRESENT);
		if (holding && holding->unit->talk && READ_ONCE(holding->unit->talk->has_digest) && kref_get_unless_zero(&holding->unit->ref))
			unit = holding->unit;
		rcu_read_unlock();
		if (!holding)
			return ERR_PTR(-ENOENT);
		if (unit && am_talk_known(unit, &digest) && !memcmp(digest.bytes, args->digest, sizeof(digest.bytes)))
			return unit;
		if (unit)
			am_unit_put(unit);
		cond_resched();
	}
}

static int open_unit(struct am_call *call, struct am_unit *unit, s32 *fd)
{
	struct am_content *content = unit->content;

	if (!content)
		content = am_talk_snapshot(unit);
	else
		am_content_get(content);
	return IS_ERR(content) ? PTR_ERR(content) : give_fd(call, content, fd);
}

int am_do_alloc(struct am_call *call)
{
	struct agentmem_abi_alloc *args = call->args;
	bool by_digest = args->flags & AGENTMEM_ABI_BY_DIGEST;
	struct am_agent *agent = call->agent;
	struct am_unit *unit;
	int error;

	if (!args->kind || args->kind >= AM_KIND_END)
		return -EINVAL;
	if (by_digest ? args->data || args->bytes : !args->bytes && args->kind != AM_KIND_CONVERSATION)
		return -EINVAL;
	if (!by_digest && memchr_inv(args->digest, 0, sizeof(args->digest)))
		return -EINVAL;
	if (args->bytes > AGENTMEM_ABI_UNIT_MOST)
		return -E2BIG;
	if (by_digest) {
		unit = args->kind == AM_KIND_CONVERSATION ? talk_by_digest(agent, args) : unit_by_digest(agent, args);
	} else {
		/* What is being handed in counts too: any number of threads may be at it. */
		error = am_agent_charge(agent, args->bytes);
		if (error)
			return error;
		unit = unit_from(agent, args);
		am_agent_uncharge(agent, args->bytes);
	}
	if (IS_ERR(unit))
		return PTR_ERR(unit);
	args->unit = unit->number;
	args->bytes = READ_ONCE(unit->bytes);
	args->fd = -1;
	if (unit->content)
		memcpy(args->digest, unit->content->entry.digest.bytes, sizeof(args->digest));
	error = args->flags & AGENTMEM_ABI_WANT_FD ? open_unit(call, unit, &args->fd) : 0;
	if (!error)
		error = am_unit_hold(agent, unit);
	if (!error)
		trace_agentmem_allocate(agent->number, unit->number, unit->kind, args->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

int am_do_append(struct am_call *call)
{
	struct agentmem_abi_edit *args = call->args;
	struct am_unit *unit;
	int error;

	if (args->offset || args->old_bytes)
		return -EINVAL;
	if (args->bytes > AGENTMEM_ABI_UNIT_MOST)
		return -E2BIG;
	unit = am_unit_find(call->agent, args->unit);
	if (!unit)
		return -ENOENT;
	error = unit->talk ? am_talk_append(unit, u64_to_user_ptr(args->data), args->bytes) : -EINVAL;
	if (!error)
		trace_agentmem_allocate(call->agent->number, unit->number, unit->kind, args->bytes);
	args->total_bytes = READ_ONCE(unit->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

int am_do_edit(struct am_call *call)
{
	struct agentmem_abi_edit *args = call->args;
	struct am_unit *unit;
	int error;

	if (args->bytes > AGENTMEM_ABI_UNIT_MOST)
		return -E2BIG;
	unit = am_unit_find(call->agent, args->unit);
	if (!unit)
		return -ENOENT;
	error = unit->talk ? am_talk_edit(unit, args->offset, args->old_bytes, u64_to_user_ptr(args->data), args->bytes) : -EINVAL;
	if (!error)
		trace_agentmem_allocate(call->agent->number, unit->number, unit->kind, args->bytes);
	args->total_bytes = READ_ONCE(unit->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

int am_do_fork(struct am_call *call)
{
	struct agentmem_abi_fork *args = call->args;
	struct am_unit *unit, *fork;
	int error = -EINVAL;

	if (args->reserved)
		return -EINVAL;
	unit = am_unit_find(call->agent, args->unit);
	if (!unit)
		return -ENOENT;
	fork = unit->talk ? am_talk_fork(unit, args->prefix_bytes) : ERR_PTR(-EINVAL);
	am_unit_put(unit);
	if (IS_ERR(fork))
		return PTR_ERR(fork);
	args->fork = fork->number;
	args->fd = -1;
	error = args->flags & AGENTMEM_ABI_WANT_FD ? open_unit(call, fork, &args->fd) : 0;
	if (!error)
		error = am_unit_hold(call->agent, fork);
	/* What it shares with the one it comes of is not handed in. */
	if (!error)
		trace_agentmem_allocate(call->agent->number, fork->number, fork->kind, 0);
	am_unit_put(fork);
	return error;
}

static int do_take(struct am_call *call, struct agentmem_abi_share *args)
{
	struct am_content *content = am_content_of_fd(args->fd);
	struct am_unit *unit;
	int error;

	if (IS_ERR(content))
		return PTR_ERR(content);
	if (content->domain != call->agent->domain) {
		am_content_put(content);
		return -EPERM;
	}
	unit = am_unit_of_content(content, AM_KIND_OTHER);
	if (IS_ERR(unit))
		return PTR_ERR(unit);
	error = am_unit_hold(call->agent, unit);
	args->unit = unit->number;
	if (!error)
		trace_agentmem_share(call->agent->number, call->agent->number, unit->number);
	am_unit_put(unit);
	return error;
}

int am_do_share(struct am_call *call)
{
	struct agentmem_abi_share *args = call->args;
	struct am_agent *other;
	struct am_unit *unit;
	int error = -ENOENT;

	if (args->reserved)
		return -EINVAL;
	if (!args->agent)
		return args->unit ? -EINVAL : do_take(call, args);
	if (args->fd != -1)
		return -EINVAL;
	unit = am_unit_find(call->agent, args->unit);
	other = am_agent_find(args->agent);
	if (unit && other && other->domain == call->agent->domain)
		error = am_unit_hold(other, unit);
	if (!error)
		trace_agentmem_share(call->agent->number, other->number, unit->number);
	if (unit)
		am_unit_put(unit);
	if (other)
		am_agent_put(other);
	return error;
}

int am_do_mark_hot(struct am_call *call)
{
	const struct agentmem_abi_unit *args = call->args;
	struct am_unit *unit = am_unit_find(call->agent, args->unit);
	int error = 0;

	if (!unit)
		return -ENOENT;
	for (u64 at = 0, start; !error;) {
		struct am_content *content = am_unit_content_at(unit, at, &start);

		if (!content)
			break;
		WRITE_ONCE(content->pinned_until_ms, am_now_ms() + PIN_MS);
		error = am_content_restore(content);
		am_content_used(content);
		at = start + content->bytes;
		am_content_put(content);
	}
	am_unit_put(unit);
	return error;
}

int am_do_open(struct am_call *call)
{
	struct agentmem_abi_open *args = call->args;
	struct am_unit *unit;
	int error;

	if (args->kind)
		return -EINVAL;
	unit = am_unit_find(call->agent, args->unit);
	if (!unit)
		return -ENOENT;
	error = open_unit(call, unit, &args->fd);
	if (!error)
		args->bytes = i_size_read(file_inode(call->file));
	args->kind = unit->kind;
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

int am_do_read(struct am_call *call)
{
	struct agentmem_abi_read *args = call->args;
	struct am_unit *unit = am_unit_find(call->agent, args->unit);
	void __user *to = u64_to_user_ptr(args->data);
	size_t bytes = min_t(u64, args->bytes, MAX_RW_COUNT);
	ssize_t got;

	if (!unit)
		return -ENOENT;
	got = unit->talk ? am_talk_read(unit, args->offset, to, bytes) : am_content_read_user(unit->content, args->offset, to, bytes);
	args->bytes = got;
	args->total_bytes = READ_ONCE(unit->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return got < 0 ? got : 0;
}

int am_do_free(struct am_call *call)
{
	const struct agentmem_abi_unit *args = call->args;

	return am_unit_free(call->agent, args->unit);
}

int am_do_stat_unit(struct am_call *call)
{
	struct agentmem_abi_unit_stat *args = call->args;
	struct am_unit *unit = am_unit_find(call->agent, args->unit);
	int error;

	if (!unit)
		return -ENOENT;
	error = unit->talk && (args->flags & AGENTMEM_ABI_STAT_DIGEST) ? am_talk_digest(unit) : 0;
	if (!error)
		error = am_stat_unit(call->agent, unit, unit->content, args);
	am_unit_put(unit);
	return error;
}
