// SPDX-License-Identifier: GPL-2.0
/* /dev/agentmem: takes the structs of the ABI in, gives the answers out, and calls what does the work. */
#include <linux/file.h>

#include "calls.h"
#include "contents.h"

struct am_client {
	struct mutex lock;
	struct am_agent *agent;	/* once set it stays until the descriptor is closed */
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

static int do_info(struct am_call *call)
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

static int do_register(struct am_call *call)
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

union args {
	struct agentmem_abi_info info;
	struct agentmem_abi_register reg;
	struct agentmem_abi_unit_stat unit_stat;
	struct agentmem_abi_alloc alloc;
};

/* `first` is the size of version 1: it stays when a struct grows. */
static const struct {
	int (*run)(struct am_call *call);
	u16 known, first;
	u32 flags;
	bool any;	/* also where the descriptor is no agent */
} calls[] = {
#define CALL(number, function, type, first_bytes, ...) [_IOC_NR(number)] = { .run = function, .known = sizeof(struct type), .first = first_bytes, __VA_ARGS__ }
	CALL(AGENTMEM_IOC_INFO, do_info, agentmem_abi_info, 144, .any = true),
	CALL(AGENTMEM_IOC_REGISTER, do_register, agentmem_abi_register, 176, .any = true),
	CALL(AGENTMEM_IOC_STATE, am_do_state, agentmem_abi_value, 16),
	CALL(AGENTMEM_IOC_IMPORTANCE, am_do_importance, agentmem_abi_value, 16),
	CALL(AGENTMEM_IOC_ALLOC, am_do_alloc, agentmem_abi_alloc, 72, .flags = AGENTMEM_ABI_BY_DIGEST | AGENTMEM_ABI_WANT_FD),
	CALL(AGENTMEM_IOC_APPEND, am_do_append, agentmem_abi_edit, 56),
	CALL(AGENTMEM_IOC_FORK, am_do_fork, agentmem_abi_fork, 40, .flags = AGENTMEM_ABI_WANT_FD),
	CALL(AGENTMEM_IOC_EDIT, am_do_edit, agentmem_abi_edit, 56),
	CALL(AGENTMEM_IOC_SHARE, am_do_share, agentmem_abi_share, 32),
	CALL(AGENTMEM_IOC_MARK_HOT, am_do_mark_hot, agentmem_abi_unit, 16),
	CALL(AGENTMEM_IOC_OPEN, am_do_open, agentmem_abi_open, 32),
	CALL(AGENTMEM_IOC_READ, am_do_read, agentmem_abi_read, 48),
	CALL(AGENTMEM_IOC_FREE, am_do_free, agentmem_abi_unit, 16),
	CALL(AGENTMEM_IOC_STAT_UNIT, am_do_stat_unit, agentmem_abi_unit_stat, 120, .flags = AGENTMEM_ABI_STAT_DIGEST),
	CALL(AGENTMEM_IOC_STAT_AGENT, am_do_stat_agent, agentmem_abi_agent_stat, 72),
	CALL(AGENTMEM_IOC_STAT_ALL, am_do_stat_all, agentmem_abi_all_stat, 80, .any = true),
	CALL(AGENTMEM_IOC_LIST_AGENTS, am_do_list_agents, agentmem_abi_list, 48, .any = true),
	CALL(AGENTMEM_IOC_LIST_UNITS, am_do_list_units, agentmem_abi_list, 48, .any = true),
	CALL(AGENTMEM_IOC_PRESSURE, am_do_pressure, agentmem_abi_value, 16, .any = true),
	CALL(AGENTMEM_IOC_SETTINGS, am_do_settings, agentmem_abi_settings, 56, .any = true),
	CALL(AGENTMEM_IOC_BACKING, am_do_backing, agentmem_abi_backing, 72, .flags = AGENTMEM_ABI_BACKING_GIVE | AGENTMEM_ABI_BACKING_TAKE, .any = true),
};

static long device_ioctl(struct file *file, unsigned int number, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	union args args = { };
	struct am_call call = { .client = file->private_data, .args = &args, .fd = -1 };
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
	struct am_client *client = kzalloc(sizeof(*client), GFP_KERNEL_ACCOUNT);

	if (!client)
		return -ENOMEM;
	mutex_init(&client->lock);
	file->private_data = client;
	return 0;
}

static int device_close(struct inode *inode, struct file *file)
{
	struct am_client *client = file->private_data;

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
