// SPDX-License-Identifier: GPL-2.0
/*
 * A node that has memory and no CPUs (CXL): hot pages that are read seldom move
 * there, the less important sooner, and come back when they are read. They are
 * mapped and read there as anywhere; it is only farther.
 */
#include <linux/gfp.h>
#include <linux/memcontrol.h>
#include <linux/nodemask.h>

#include "contents.h"

/* The first such node, where there is one and it is wanted. */
static int far = NUMA_NO_NODE;
static atomic64_t far_pages;

int am_node_open(void)
{
	int node;

	if (!am_far_node)
		return 0;
	for_each_node_state(node, N_MEMORY) {
		if (!node_state(node, N_CPU)) {
			far = node;
			pr_info("agentmem: node %d has memory and no CPUs: for what is read seldom\n", node);
			break;
		}
	}
	return 0;
}

void am_node_close(void)
{
	WARN_ON(atomic64_read(&far_pages));
}

u64 am_far_bytes(void)
{
	return (u64)atomic64_read(&far_pages) << PAGE_SHIFT;
}

void am_far_count(s64 pages)
{
	atomic64_add(pages, &far_pages);
}

/* An eighth of the age at which it is compressed, for the most important half of it. */
static bool wanted_far(const struct am_view *view, u64 warm_after_ms)
{
	return !view->pinned && view->idle_ms >= warm_after_ms / 8 << min(view->importance, 100u) / 34;
}

/* Under content->lock for writing. Both are the same bytes, so who maps it next sees no difference. */
static int move(struct am_content *content, u32 index, bool to_far)
{
	struct am_extent *extent = &content->extents[index];
	u32 count = DIV_ROUND_UP(am_extent_plain(content, index), PAGE_SIZE);
	gfp_t gfp = AM_GFP | (to_far ? __GFP_THISNODE : 0);
	int node = to_far ? far : numa_mem_id();
	struct page **pages;
	struct inode *inode;
	u32 ready = 0;

	if (!extent->pages || extent->far == to_far)
		return 0;
	pages = kcalloc(count, sizeof(*pages), AM_GFP);
	if (!pages)
		return -ENOMEM;
	for (; ready < count; ready++) {
		pages[ready] = alloc_pages_node(node, gfp, 0);
		if (!pages[ready])
			break;
		copy_page(page_address(pages[ready]), page_address(extent->pages[ready]));
	}
	if (ready == count) {
		swap(pages, extent->pages);
		extent->far = to_far;
		am_far_count(to_far ? count : -(s64)count);
		inode = READ_ONCE(content->inode);
		if (inode)
			unmap_mapping_range(inode->i_mapping, (loff_t)index * AM_EXTENT_BYTES, (loff_t)count << PAGE_SHIFT, 1);
	}
	/* The old ones, or as many of the new as there were. */
	for (u32 i = 0; i < ready; i++)
		put_page(pages[i]);
	kfree(pages);
	return ready == count ? 0 : -ENOMEM;
}

/* From the thread, with what it sees of it. */
int am_content_place(struct am_content *content, const struct am_view *view, u64 warm_after_ms)
{
	bool to_far = wanted_far(view, warm_after_ms);
	struct mem_cgroup *before;
	int error = 0;

	if (far == NUMA_NO_NODE)
		return 0;
	for (u32 i = 0; i < content->extents_count && !error; i++) {
		if (!down_write_trylock(&content->lock))
			return -EAGAIN;
		before = set_active_memcg(content->memcg);
		error = move(content, i, to_far);
		set_active_memcg(before);
		up_write(&content->lock);
		cond_resched();
	}
	return error;
}
