// SPDX-License-Identifier: GPL-2.0
/* The way back of what left memory, and reading. */
#include <linux/sched/signal.h>

#include "extents.h"
#include "trace.h"

/* From the backing file, through pages of its own where it is compressed. */
static int fetch(const struct am_blob *blob, struct page **pages, u32 plain)
{
	u32 count = DIV_ROUND_UP(blob->bytes, PAGE_SIZE);
	struct page **room;
	int error;

	if (blob->plain)
		return am_cold_read(blob, pages);
	room = am_pages_new(count, GFP_KERNEL);
	if (!room)
		return -ENOMEM;
	error = am_cold_read(blob, room);
	if (!error)
		error = am_unpack_pages(room, blob->bytes, pages, plain);
	am_pages_free(room, count);
	return error;
}

/* Under content->lock for writing. */
int am_extent_restore_locked(struct am_content *content, u32 index, gfp_t gfp)
{
	struct am_extent *extent = &content->extents[index];
	u32 plain = am_extent_plain(content, index);
	u32 count = am_extent_pages(content, index);
	struct page **pages;
	int error;

	if (extent->pages)
		return 0;
	if (extent->blob && extent->blob->where == AM_LOST)
		return -EIO;
	pages = am_pages_new(count, gfp);
	if (!pages)
		return -ENOMEM;
	if (!extent->blob)
		error = am_run_unpack(content->run, content->run_offset, pages, plain);
	else
		error = extent->blob->where == AM_IN_MEMORY ? am_unpack(extent->blob, pages, plain) : fetch(extent->blob, pages, plain);
	if (error)
		goto failed;
	am_extent_count_out(content, index, -1);
	extent->pages = pages;
	WRITE_ONCE(content->hot_pages, content->hot_pages + count);
	am_count_pages(content, count);
	trace_agentmem_restore(content->entry.number, index, plain, am_extent_copy_bytes(content, index));
	return 0;

failed:
	am_pages_free(pages, count);
	return error;
}

int am_extent_restore(struct am_content *content, u32 index)
{
	int error;

	if (down_write_killable(&content->lock))
		return -EINTR;
	error = am_extent_restore_locked(content, index, AM_GFP_BACK);
	up_write(&content->lock);
	return error;
}

/* All of it. */
int am_content_restore(struct am_content *content)
{
	for (u32 i = 0; i < content->extents_count; i++) {
		int error = am_extent_restore(content, i);

		if (error)
			return error;
		cond_resched();
	}
	return 0;
}

/* A page with a reference of the caller's, brought back where it must be. */
struct page *am_content_page(struct am_content *content, u64 index)
{
	u32 extent = index / AM_EXTENT_PAGES;
	struct page *page = NULL;
	int error;

	for (;;) {
		if (down_read_killable(&content->lock))
			return ERR_PTR(-EINTR);
		if (content->extents[extent].pages) {
			page = content->extents[extent].pages[index % AM_EXTENT_PAGES];
			get_page(page);
		}
		up_read(&content->lock);
		if (page)
			return page;
		error = am_extent_restore(content, extent);
		if (error)
			return ERR_PTR(error);
	}
}

static ssize_t read_to(struct am_content *content, u64 offset, void __user *user, u8 *kernel, size_t bytes)
{
	size_t done = 0;

	if (offset >= content->bytes)
		return 0;
	bytes = min_t(u64, bytes, content->bytes - offset);
	am_content_used(content);
	while (done < bytes) {
		u64 at = offset + done;
		size_t in_page = at % PAGE_SIZE;
		size_t piece = min_t(size_t, PAGE_SIZE - in_page, bytes - done);
		struct page *page;
		size_t left = 0;

		if (fatal_signal_pending(current))
			return done ? done : -EINTR;
		page = am_content_page(content, at / PAGE_SIZE);
		if (IS_ERR(page))
			return done ? done : PTR_ERR(page);
		/* The page is held, no lock is: the caller's memory may fault, into this very content too. */
		if (kernel)
			memcpy(kernel + done, page_address(page) + in_page, piece);
		else
			left = copy_to_user(user + done, page_address(page) + in_page, piece);
		put_page(page);
		if (left)
			return done ? done : -EFAULT;
		done += piece;
		cond_resched();
	}
	return done;
}

ssize_t am_content_read_user(struct am_content *content, u64 offset, void __user *to, size_t bytes)
{
	return read_to(content, offset, to, NULL, bytes);
}

/* All of what is asked for, or an error. */
int am_content_read(struct am_content *content, u64 offset, u8 *to, size_t bytes)
{
	ssize_t got = read_to(content, offset, NULL, to, bytes);

	if (got < 0)
		return got;
	return (size_t)got == bytes ? 0 : -EINTR;
}
