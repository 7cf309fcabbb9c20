// SPDX-License-Identifier: GPL-2.0
/* The cold tier's file or device: what it may be, reading and writing. */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/bvec.h>
#include <linux/completion.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "backing.h"
#include "contents.h"

static struct workqueue_struct *queue;

int am_backing_check(struct file *file)
{
	struct inode *inode = file->f_mapping->host;
	umode_t mode = file_inode(file)->i_mode;

	if (!S_ISREG(mode) && !S_ISBLK(mode))
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ) || !(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (!file->f_op->read_iter || !file->f_op->write_iter || file->f_flags & O_APPEND)
		return -EINVAL;
	return IS_SWAPFILE(inode) ? -ETXTBSY : 0;
}

void am_backing_set(struct am_backing *backing, struct file *file)
{
	backing->direct = file->f_flags & O_DIRECT;
	/* What was written through the page cache may be newer there. */
	backing->device = backing->direct && S_ISBLK(file_inode(file)->i_mode) ? I_BDEV(file->f_mapping->host) : NULL;
	/* Others look whether there is one. */
	WRITE_ONCE(backing->file, file);
}

/* Through the file. What went through the page cache does not stay there. */
static int transfer(const struct am_backing *backing, u64 begin, struct page *const *pages, u32 bytes, bool writing)
{
	struct address_space *mapping = backing->file->f_mapping;
	struct bio_vec parts[AM_EXTENT_PAGES];
	u32 whole = round_up(bytes, SLOT_BYTES), done = 0;
	loff_t at = begin;
	int error = 0;

	while (done < whole) {
		u32 count = 0;
		struct iov_iter iter;
		ssize_t got;

		for (u32 from = done; from < whole; from = round_down(from, PAGE_SIZE) + PAGE_SIZE) {
			u32 in_page = from % PAGE_SIZE;

			parts[count++] = (struct bio_vec){ .bv_page = pages[from / PAGE_SIZE], .bv_len = min_t(u32, PAGE_SIZE - in_page, whole - from), .bv_offset = in_page };
		}
		iov_iter_bvec(&iter, writing ? ITER_SOURCE : ITER_DEST, parts, count, whole - done);
		got = writing ? am_iter_write(backing->file, &iter, &at) : vfs_iter_read(backing->file, &iter, &at, 0);
		if (got <= 0) {
			error = got ?: writing ? -ENOSPC : -EIO;
			break;
		}
		done += got;
	}
	if (!backing->direct) {
		if (writing && !error)
			error = filemap_write_and_wait_range(mapping, begin, begin + whole - 1);
		invalidate_mapping_pages(mapping, begin >> PAGE_SHIFT, (begin + whole - 1) >> PAGE_SHIFT);
	}
	return error;
}

int am_backing_write(const struct am_backing *backing, u64 at, struct page *const *pages, u32 bytes)
{
	return transfer(backing, at, pages, bytes, true);
}

/*
 * A request of the caller's own, as for a page of swap: on its way there is no
 * lock of a file system's, and memory that is needed for it waits for no other
 * request.
 */
static int read_device(struct block_device *device, u64 at, struct page *const *pages, u32 bytes)
{
	struct bio_vec parts[AM_EXTENT_PAGES];
	u32 whole = round_up(bytes, SLOT_BYTES);
	unsigned int before = memalloc_noio_save();
	struct bio bio;
	int error = 0;

	bio_init(&bio, device, parts, ARRAY_SIZE(parts), REQ_OP_READ);
	bio.bi_iter.bi_sector = at >> SECTOR_SHIFT;
	for (u32 done = 0; done < whole && !error; done += PAGE_SIZE) {
		u32 piece = min_t(u32, whole - done, PAGE_SIZE);

		if (bio_add_page(&bio, pages[done / PAGE_SIZE], piece, 0) != piece)
			error = -EIO;
	}
	if (!error)
		error = submit_bio_wait(&bio);
	bio_uninit(&bio);
	memalloc_noio_restore(before);
	return error;
}

struct reading {
	struct work_struct work;
	struct completion done;
	const struct am_backing *backing;
	u64 at;
	struct page *const *pages;
	u32 bytes;
	int error;
};

static void read_work(struct work_struct *work)
{
	struct reading *reading = container_of(work, struct reading, work);

	reading->error = transfer(reading->backing, reading->at, reading->pages, reading->bytes, false);
	complete(&reading->done);
}

/*
 * A file in a thread of its own: the caller may be in a fault, with whatever
 * locks of a file system its program's call has taken.
 */
int am_backing_read(const struct am_backing *backing, u64 at, struct page *const *pages, u32 bytes)
{
	struct reading reading = { .backing = backing, .at = at, .pages = pages, .bytes = bytes };

	if (backing->device)
		return read_device(backing->device, at, pages, bytes);
	INIT_WORK_ONSTACK(&reading.work, read_work);
	init_completion(&reading.done);
	queue_work(queue, &reading.work);
	wait_for_completion(&reading.done);
	destroy_work_on_stack(&reading.work);
	return reading.error;
}

/* Somebody waits for each of them. */
int am_backing_open(void)
{
	queue = alloc_workqueue("agentmem-read", WQ_UNBOUND | WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	return queue ? 0 : -ENOMEM;
}

void am_backing_close(void)
{
	destroy_workqueue(queue);
}
