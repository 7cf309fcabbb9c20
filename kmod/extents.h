/* SPDX-License-Identifier: GPL-2.0 */
/* What an extent is made of, for the files that send it away and bring it back. */
#ifndef AM_EXTENTS_H
#define AM_EXTENTS_H

#include "contents.h"

static inline u32 am_extent_pages(const struct am_content *content, u32 extent)
{
	return DIV_ROUND_UP(am_extent_plain(content, extent), PAGE_SIZE);
}

/* Has it a compressed form? And its bytes. Under content->lock. */
static inline bool am_extent_has_copy(const struct am_content *content, u32 extent)
{
	return content->extents[extent].blob || content->run;
}

static inline u32 am_extent_copy_bytes(const struct am_content *content, u32 extent)
{
	if (content->extents[extent].blob)
		return content->extents[extent].blob->bytes;
	return content->run ? am_run_share(content->run, content->bytes) : 0;
}

#endif
