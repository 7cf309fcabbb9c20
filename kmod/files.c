// SPDX-License-Identifier: GPL-2.0
/* Descriptors of contents: read-only files of a file system of the module's own, mapped page by page as they are touched. */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "contents.h"

#define MAGIC 0x61676d65
/* Pages that a fault maps at once, as of a file. */
#define AROUND 16u

static struct vfsmount *mount;

static int files_context(struct fs_context *context)
{
	return init_pseudo(context, MAGIC) ? 0 : -ENOMEM;
}

/* Without an owner: the mount is the module's own, and would pin it for ever. Open files do. */
static struct file_system_type file_system = {
	.name = "agentmem",
	.init_fs_context = files_context,
	.kill_sb = kill_anon_super,
};

int am_files_open(void)
{
	mount = kern_mount(&file_system);
	return PTR_ERR_OR_ZERO(mount);
}

void am_files_close(void)
{
	kern_unmount(mount);
}

static vm_fault_t insert(struct vm_fault *fault, struct am_content *content)
{
	struct vm_area_struct *vma = fault->vma;
	pgoff_t last = DIV_ROUND_UP_ULL(content->bytes, PAGE_SIZE);
	u32 extent = fault->pgoff / AM_EXTENT_PAGES, in_extent = fault->pgoff % AM_EXTENT_PAGES;
	unsigned long address = fault->address & PAGE_MASK;
	unsigned long count = min_t(unsigned long, AROUND, AM_EXTENT_PAGES - in_extent);
	struct page **pages = content->extents[extent].pages;
	int error;

	count = min_t(unsigned long, count, last - fault->pgoff);
	count = min_t(unsigned long, count, (vma->vm_end - address) >> PAGE_SHIFT);
	error = vm_insert_pages(vma, address, pages + in_extent, &count);
	/* Somebody was there before: in the first page, or in one behind it. */
	if (!error || error == -EBUSY)
		return VM_FAULT_NOPAGE;
	return vmf_error(error);
}

/* Inserts under content->lock: who sends the extent away unmaps what is there, and nothing comes after. */
static vm_fault_t content_fault(struct vm_fault *fault)
{
	struct am_content *content = fault->vma->vm_private_data;
	vm_fault_t result;

	if (fault->pgoff >= DIV_ROUND_UP_ULL(content->bytes, PAGE_SIZE))
		return VM_FAULT_SIGBUS;
	am_content_used(content);
	for (;;) {
		u32 extent = fault->pgoff / AM_EXTENT_PAGES;
		int error;

		down_read(&content->lock);
		if (content->extents[extent].pages) {
			result = insert(fault, content);
			up_read(&content->lock);
			return result;
		}
		up_read(&content->lock);
		error = am_extent_restore(content, extent);
		if (error == -EINTR)
			return VM_FAULT_NOPAGE;	/* A deadly signal: the fault is not repeated. */
		if (error)
			return error == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
	}
}

static const struct vm_operations_struct mapping_ops = {
	.fault = content_fault,
};

static int content_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	am_vma_set_up(vma);
	vma->vm_private_data = file->private_data;
	vma->vm_ops = &mapping_ops;
	am_content_used(file->private_data);
	return 0;
}

static ssize_t content_read(struct file *file, char __user *to, size_t bytes, loff_t *offset)
{
	ssize_t got;

	if (*offset < 0)
		return -EINVAL;
	got = am_content_read_user(file->private_data, *offset, to, bytes);
	if (got > 0)
		*offset += got;
	return got;
}

static loff_t content_seek(struct file *file, loff_t offset, int whence)
{
	struct am_content *content = file->private_data;

	return fixed_size_llseek(file, offset, whence, content->bytes);
}

static long content_ioctl(struct file *file, unsigned int number, unsigned long argument)
{
	void __user *user = (void __user *)argument;
	struct agentmem_abi_unit_stat stat;
	int error;

	if (number != AGENTMEM_IOC_STAT_UNIT)
		return -ENOTTY;
	error = am_take(&stat, sizeof(stat), 120, user);
	if (!error && (stat.flags || stat.unit))
		error = -EINVAL;
	if (!error)
		error = am_stat_unit(NULL, NULL, file->private_data, &stat);
	return error ?: am_give(user, &stat, sizeof(stat));
}

static int content_close(struct inode *inode, struct file *file)
{
	am_content_put(file->private_data);
	return 0;
}

static const struct file_operations content_ops = {
	.owner = THIS_MODULE,
	.read = content_read,
	.llseek = content_seek,
	.mmap = content_mmap,
	.unlocked_ioctl = content_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = content_close,
};

static int inode_of(struct am_content *content)
{
	struct inode *inode;

	if (smp_load_acquire(&content->inode))
		return 0;
	inode = alloc_anon_inode(mount->mnt_sb);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	inode->i_mode = S_IFREG | 0444;
	i_size_write(inode, content->bytes);
	mutex_lock(&am_store_lock);
	if (!content->inode) {
		/* Whoever sends pages away looks at it under the lock. */
		smp_store_release(&content->inode, inode);
		inode = NULL;
	}
	mutex_unlock(&am_store_lock);
	if (inode)
		iput(inode);
	return 0;
}

/* A descriptor to install or to give back, or an error; takes over the reference of the caller's in both cases. */
int am_file_of(struct am_content *content, struct file **to)
{
	struct file *file;
	int fd, error;

	error = inode_of(content);
	if (error)
		goto failed;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		error = fd;
		goto failed;
	}
	ihold(content->inode);
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(content->inode, mount, "unit", O_RDONLY | O_LARGEFILE, &content_ops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(content->inode);
		put_unused_fd(fd);
		error = PTR_ERR(file);
		goto failed;
	}
	file->private_data = content;
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD;
	*to = file;
	return fd;

failed:
	am_content_put(content);
	return error;
}

/* What a descriptor that somebody passed is of, with a reference. */
struct am_content *am_content_of_fd(int fd)
{
	struct file *file = fget(fd);
	struct am_content *content = ERR_PTR(-EBADF);

	if (!file)
		return content;
	if (file->f_op == &content_ops && am_content_get(file->private_data))
		content = file->private_data;
	fput(file);
	return content;
}
