/* SPDX-License-Identifier: GPL-2.0 */
/* Figures summed up, for who gives them out. */
#ifndef AM_STATS_H
#define AM_STATS_H

#include "agentmem.h"

/* Sums over the parts of a unit. */
struct am_sums {
	u64 hot, warm, cold, stored;
	u32 sharers;
};

struct am_agent_sums {
	u64 units, bytes, shared, hot, warm, cold;
};

static inline u32 am_tier_of(const struct am_sums *sums)
{
	return sums->cold ? AM_TIER_COLD : sums->warm ? AM_TIER_WARM : AM_TIER_HOT;
}

static inline u64 am_plain_of(const struct am_sums *sums)
{
	return sums->hot + sums->warm + sums->cold;
}

static inline u64 am_since_ms(u64 ms)
{
	u64 now_ms = am_now_ms();

	return now_ms > ms ? now_ms - ms : 0;
}

/* Each adds to what is there. */
void am_sum_up(struct am_unit *unit, struct am_sums *sums);
void am_sum_agent(struct am_agent *agent, struct am_agent_sums *sums);
/* Of this user, or of all of them; EINTR where the caller is to die. */
int am_sum_all(kuid_t uid, bool everybody, struct agentmem_abi_all_stat *stat);

#endif
