// SPDX-License-Identifier: GPL-2.0
/* Pages by the dozen: of an extent, and of what is on its way to one. */
#include "contents.h"

/* Larger ones are seldom at hand, and each CPU keeps some up to these. */
#define ORDER_MOST 3u

void am_pages_free(struct page **pages, u32 count)
{
	if (!pages)
		return;
	for (u32 i = 0; i < count; i++) {
		if (pages[i])
			put_page(pages[i]);
	}
	kfree(pages);
}

/*
 * Each can be given back by itself. Where there are some beside each other they
 * are taken at once, which is less to ask for, to charge, and to tell a device;
 * nothing is moved or written away to get them.
 */
struct page **am_pages_new(u32 count, gfp_t gfp)
{
	struct page **pages = kcalloc(count, sizeof(*pages), gfp);
	u32 order = ORDER_MOST, done = 0;

	while (pages && done < count) {
		struct page *first;

		while (order && 1u << order > count - done)
			order--;
		first = order ? alloc_pages((gfp & ~__GFP_RECLAIM) | __GFP_NOWARN, order) : alloc_page(gfp);
		if (!first && order) {
			order = 0;
			continue;
		}
		if (!first) {
			am_pages_free(pages, count);
			return NULL;
		}
		if (order)
			split_page(first, order);
		for (u32 i = 0; i < 1u << order; i++)
			pages[done++] = first + i;
	}
	return pages;
}
