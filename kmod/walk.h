/* SPDX-License-Identifier: GPL-2.0 */
/* Who holds what, asked of all agents. */
#ifndef AM_WALK_H
#define AM_WALK_H

#include "contents.h"

struct am_agent *am_agent_next(unsigned long *number);
void am_each_content(struct am_agent *agent, void (*look)(struct am_content *content, void *context), void *context);
u32 am_mark_all(void);

/* By this walk, or by one that has begun since. */
static inline bool am_marked_since(const struct am_content *content, u32 mine)
{
	return (s32)(smp_load_acquire(&content->seen_walk) - mine) >= 0;
}

#endif
