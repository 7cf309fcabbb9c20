// SPDX-License-Identifier: GPL-2.0
/* /dev/agentmem: takes the structs of the ABI in, checks them, and calls what does the work. */
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/user_namespace.h>

#include "agentmem.h"
#include "trace.h"

#define PIN_MS 300000u

struct client {
	struct mutex lock;
	struct am_agent *agent;	/* once set it stays until the descriptor is closed */
};

struct call {
	struct client *client;
	struct am_agent *agent;	/* NULL where the descriptor is none */
	void *args;
	/* A descriptor to give out with the answer, and not before. */
	struct file *file;
	int fd;
};

/* A struct of the caller's, longer or shorter than the one that is known here; `first` is the size it had at first. */
int am_take(void *to, size_t known, size_t first, void __user *from)
{
	u32 size;
	int error;

	if (get_user(size, (u32 __user *)from))
		return -EFAULT;
	if (size < first)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	error = copy_struct_from_user(to, known, from, size);
	/* It may have been changed in between. */
	*(u32 *)to = size;
	return error;
}

int am_give(void __user *to, const void *from, size_t known)
{
	size_t size = min_t(size_t, *(const u32 *)from, known);

	return copy_to_user(to, from, size) ? -EFAULT : 0;
}

static int give_fd(struct call *call, struct am_content *content, s32 *to)
{
	int fd = am_file_of(content, &call->file);

	if (fd < 0)
		return fd;
	call->fd = fd;
	*to = fd;
	return 0;
}

static int do_info(struct call *call)
{
	struct agentmem_abi_info *info = call->args;
	u32 size = info->size;

	*info = (struct agentmem_abi_info){
		.size = size,
		.abi_version = AGENTMEM_ABI_VERSION,
		.page_bytes = PAGE_SIZE,
		.features = AGENTMEM_ABI_FEATURE_CONVERSATIONS | AGENTMEM_ABI_FEATURE_EDIT | (am_compress_ready() ? AGENTMEM_ABI_FEATURE_COMPRESS : 0) | (am_cold_there() ? AGENTMEM_ABI_FEATURE_COLD : 0) |
			    AGENTMEM_ABI_FEATURE_BACKING | AGENTMEM_ABI_FEATURE_TALK_DIGEST,
		.unit_most_bytes = AGENTMEM_ABI_UNIT_MOST,
		.chunk_min_bytes = am_talk_sizes.min,
		.chunk_average_bytes = am_talk_sizes.average,
		.chunk_max_bytes = am_talk_sizes.max,
		.extent_bytes = AM_EXTENT_BYTES,
	};
	strscpy(info->compressor, am_compressor, sizeof(info->compressor));
	strscpy(info->driver, am_compress_driver(), sizeof(info->driver));
	return 0;
}

static int do_register(struct call *call)
{
	struct am_agent *agent;
	int error = -EBUSY;

	if (mutex_lock_killable(&call->client->lock))
		return -EINTR;
	if (!call->client->agent) {
		error = am_agent_register(call->args, &agent);
		if (!error)
			smp_store_release(&call->client->agent, agent);
	}
	mutex_unlock(&call->client->lock);
	return error;
}

static int do_state(struct call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (value->reserved || !value->value || value->value >= AM_STATE_END)
		return -EINVAL;
	if (value->value == AM_STATE_GONE)
		am_unit_free_all(call->agent);
	return am_agent_set_state(call->agent, value->value);
}

static int do_importance(struct call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (value->reserved || value->value > AGENTMEM_ABI_IMPORTANCE_MOST)
		return -EINVAL;
	WRITE_ONCE(call->agent->importance, value->value);
	return 0;
}

static int do_pressure(struct call *call)
{
	const struct agentmem_abi_value *value = call->args;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (value->reserved || value->value > AM_PRESSURE_HARD)
		return -EINVAL;
	am_evict_kick(value->value);
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

static int open_unit(struct call *call, struct am_unit *unit, s32 *fd)
{
	struct am_content *content = unit->content;

	if (!content)
		content = am_talk_snapshot(unit);
	else
		am_content_get(content);
	return IS_ERR(content) ? PTR_ERR(content) : give_fd(call, content, fd);
}

static int do_alloc(struct call *call)
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

static int do_append(struct call *call)
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
	args->total_bytes = READ_ONCE(unit->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

static int do_edit(struct call *call)
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
	args->total_bytes = READ_ONCE(unit->bytes);
	am_unit_used(unit);
	am_unit_put(unit);
	return error;
}

static int do_fork(struct call *call)
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
	am_unit_put(fork);
	return error;
}

static int do_take(struct call *call, struct agentmem_abi_share *args)
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
	am_unit_put(unit);
	return error;
}

static int do_share(struct call *call)
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

static int do_mark_hot(struct call *call)
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

static int do_open(struct call *call)
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

static int do_read(struct call *call)
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

static int do_free(struct call *call)
{
	const struct agentmem_abi_unit *args = call->args;

	return am_unit_free(call->agent, args->unit);
}

static int do_stat_unit(struct call *call)
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

static int do_stat_agent(struct call *call)
{
	return am_stat_agent(call->agent, call->args);
}

static int do_stat_all(struct call *call)
{
	return am_stat_all(call->args);
}

static int do_list_agents(struct call *call)
{
	return am_list_agents(call->args);
}

static int do_list_units(struct call *call)
{
	if (call->agent && READ_ONCE(call->agent->gone))
		return -ENOENT;
	return am_list_units(call->agent, call->args);
}

static int do_settings(struct call *call)
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

static int do_backing(struct call *call)
{
	int error;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	error = am_cold_backing(call->args);
	if (!error)
		am_evict_kick_same();
	return error;
}

union args {
	struct agentmem_abi_info info;
	struct agentmem_abi_register reg;
	struct agentmem_abi_unit_stat unit_stat;
	struct agentmem_abi_alloc alloc;
};

/* `first` is the size of version 1: it stays when a struct grows. */
static const struct {
	int (*run)(struct call *call);
	u16 known, first;
	u32 flags;
	bool any;	/* also where the descriptor is no agent */
} calls[] = {
#define CALL(number, function, type, first_bytes, ...) [_IOC_NR(number)] = { .run = function, .known = sizeof(struct type), .first = first_bytes, __VA_ARGS__ }
	CALL(AGENTMEM_IOC_INFO, do_info, agentmem_abi_info, 144, .any = true),
	CALL(AGENTMEM_IOC_REGISTER, do_register, agentmem_abi_register, 176, .any = true),
	CALL(AGENTMEM_IOC_STATE, do_state, agentmem_abi_value, 16),
	CALL(AGENTMEM_IOC_IMPORTANCE, do_importance, agentmem_abi_value, 16),
	CALL(AGENTMEM_IOC_ALLOC, do_alloc, agentmem_abi_alloc, 72, .flags = AGENTMEM_ABI_BY_DIGEST | AGENTMEM_ABI_WANT_FD),
	CALL(AGENTMEM_IOC_APPEND, do_append, agentmem_abi_edit, 56),
	CALL(AGENTMEM_IOC_FORK, do_fork, agentmem_abi_fork, 40, .flags = AGENTMEM_ABI_WANT_FD),
	CALL(AGENTMEM_IOC_EDIT, do_edit, agentmem_abi_edit, 56),
	CALL(AGENTMEM_IOC_SHARE, do_share, agentmem_abi_share, 32),
	CALL(AGENTMEM_IOC_MARK_HOT, do_mark_hot, agentmem_abi_unit, 16),
	CALL(AGENTMEM_IOC_OPEN, do_open, agentmem_abi_open, 32),
	CALL(AGENTMEM_IOC_READ, do_read, agentmem_abi_read, 48),
	CALL(AGENTMEM_IOC_FREE, do_free, agentmem_abi_unit, 16),
	CALL(AGENTMEM_IOC_STAT_UNIT, do_stat_unit, agentmem_abi_unit_stat, 120, .flags = AGENTMEM_ABI_STAT_DIGEST),
	CALL(AGENTMEM_IOC_STAT_AGENT, do_stat_agent, agentmem_abi_agent_stat, 72),
	CALL(AGENTMEM_IOC_STAT_ALL, do_stat_all, agentmem_abi_all_stat, 80, .any = true),
	CALL(AGENTMEM_IOC_LIST_AGENTS, do_list_agents, agentmem_abi_list, 48, .any = true),
	CALL(AGENTMEM_IOC_LIST_UNITS, do_list_units, agentmem_abi_list, 48, .any = true),
	CALL(AGENTMEM_IOC_PRESSURE, do_pressure, agentmem_abi_value, 16, .any = true),
	CALL(AGENTMEM_IOC_SETTINGS, do_settings, agentmem_abi_settings, 56, .any = true),
	CALL(AGENTMEM_IOC_BACKING, do_backing, agentmem_abi_backing, 72, .flags = AGENTMEM_ABI_BACKING_GIVE | AGENTMEM_ABI_BACKING_TAKE, .any = true),
};

static long device_ioctl(struct file *file, unsigned int number, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	union args args = { };
	struct call call = { .client = file->private_data, .args = &args, .fd = -1 };
	unsigned int index = _IOC_NR(number);
	int error;

	if (number != AGENTMEM_ABI_IOC(index) || index >= ARRAY_SIZE(calls) || !calls[index].run)
		return -ENOTTY;
	BUILD_BUG_ON(sizeof(union args) < sizeof(struct agentmem_abi_register));
	error = am_take(&args, calls[index].known, calls[index].first, user);
	if (error)
		return error;
	/* flags stands behind size in each of them. */
	if (((u32 *)&args)[1] & ~calls[index].flags)
		return -EINVAL;
	call.agent = smp_load_acquire(&call.client->agent);
	if (!calls[index].any) {
		if (!call.agent || READ_ONCE(call.agent->gone))
			return -ENOENT;
		WRITE_ONCE(call.agent->used_ms, am_now_ms());
	}
	error = calls[index].run(&call);
	if (!error)
		error = am_give(user, &args, calls[index].known);
	if (call.file && !error) {
		fd_install(call.fd, call.file);
	} else if (call.file) {
		put_unused_fd(call.fd);
		fput(call.file);
	}
	return error;
}

static int device_open(struct inode *inode, struct file *file)
{
	struct client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return -ENOMEM;
	mutex_init(&client->lock);
	file->private_data = client;
	return 0;
}

static int device_close(struct inode *inode, struct file *file)
{
	struct client *client = file->private_data;

	if (client->agent)
		am_agent_leave(client->agent);
	kfree(client);
	return 0;
}

const struct file_operations am_device_ops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_close,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};
