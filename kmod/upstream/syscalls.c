// SPDX-License-Identifier: GPL-2.0
/*
 * The calls that need no device node: a descriptor that can be an agent, and
 * what is done most. The structs, results and checks are those of the ABI's
 * requests, which go on to work on such a descriptor too.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/syscalls.h>

#include "agentmem.h"

static int call_release(struct inode *inode, struct file *file)
{
	return file->private_data ? am_device_ops.release(inode, file) : 0;
}

static long call_ioctl(struct file *file, unsigned int number, unsigned long argument)
{
	return am_device_ops.unlocked_ioctl(file, number, argument);
}

static const struct file_operations call_ops = {
	.owner = THIS_MODULE,
	.release = call_release,
	.unlocked_ioctl = call_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

SYSCALL_DEFINE1(agentmem_open, unsigned int, flags)
{
	struct file *file;
	int error, fd;

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	fd = get_unused_fd_flags(flags);
	if (fd < 0)
		return fd;
	file = anon_inode_getfile("[agentmem]", &call_ops, NULL, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	error = am_device_ops.open(file_inode(file), file);
	if (error) {
		put_unused_fd(fd);
		fput(file);
		return error;
	}
	fd_install(fd, file);
	return fd;
}

/* Of a descriptor of the call above, or of the device. */
static long call(int fd, unsigned int number, void __user *args)
{
	struct file *file = fget(fd);
	long result = -EBADF;

	if (!file)
		return result;
	if (file->f_op == &call_ops || file->f_op == &am_device_ops)
		result = am_device_ops.unlocked_ioctl(file, number, (unsigned long)args);
	fput(file);
	return result;
}

SYSCALL_DEFINE2(agentmem_alloc, int, fd, struct agentmem_abi_alloc __user *, args)
{
	return call(fd, AGENTMEM_IOC_ALLOC, args);
}

SYSCALL_DEFINE2(agentmem_fork, int, fd, struct agentmem_abi_fork __user *, args)
{
	return call(fd, AGENTMEM_IOC_FORK, args);
}

SYSCALL_DEFINE2(agentmem_share, int, fd, struct agentmem_abi_share __user *, args)
{
	return call(fd, AGENTMEM_IOC_SHARE, args);
}
