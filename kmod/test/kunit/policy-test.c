// SPDX-License-Identifier: GPL-2.0
/* Who goes first, and where to: promises that hold for whatever is drawn. */
#include "core/policy.h"
#include "kit.h"

#define VIEWS 5000u
#define CANDIDATES 200u
#define ROOM 32u

static struct am_view some_view(u64 *seed)
{
	return (struct am_view){
		.idle_ms = (u64)kit_random(seed) << (kit_random(seed) % 8),
		.bytes = kit_random(seed) >> (kit_random(seed) % 24),
		.importance = kit_random(seed) % 101,
		.generation = kit_random(seed) % 20,
		.state = 1 + kit_random(seed) % 4,
		.tier = AM_TIER_HOT,
		.kind = 1 + kit_random(seed) % 5,
		.pinned = kit_random(seed) % 5 == 0,
	};
}

static void tiers(struct kunit *test)
{
	const struct am_policy *policy = &am_policy_default;
	u32 left = 0, wrong = 0;
	u64 seed = 2;

	for (u32 i = 0; i < VIEWS; i++) {
		struct am_view view = some_view(&seed), older, asleep;
		enum am_tier tier = am_policy_tier(policy, &view, AM_PRESSURE_NONE);

		older = asleep = view;
		older.idle_ms = view.idle_ms * 2 + 1;
		asleep.state = AM_STATE_SUSPENDED;
		/* Never nearer than it is; older goes as far at least; who sleeps no later than who is awake; nothing cold without a store. */
		wrong += tier < view.tier || tier > AM_TIER_WARM;
		wrong += am_policy_tier(policy, &older, AM_PRESSURE_NONE) < tier;
		wrong += view.state < AM_STATE_SUSPENDED && am_policy_tier(policy, &asleep, AM_PRESSURE_NONE) < tier;
		wrong += am_policy_tier(policy, &view, AM_PRESSURE_HARD) < tier;
		wrong += view.pinned && tier != AM_TIER_HOT;
		wrong += am_policy_next_look_ms(policy, &view) == 0;
		left += tier != AM_TIER_HOT;
	}
	KUNIT_EXPECT_EQ(test, wrong, 0u);
	KUNIT_EXPECT_GT(test, left, 0u);
	KUNIT_EXPECT_LT(test, left, VIEWS);
}

static void victims(struct kunit *test)
{
	struct am_victim *room = kunit_kcalloc(test, ROOM, sizeof(*room), GFP_KERNEL);
	u64 *ranks = kunit_kcalloc(test, CANDIDATES + 1, sizeof(*ranks), GFP_KERNEL);
	struct am_victims chosen;
	u64 seed = 3, last = U64_MAX;
	u32 taken = 0, wrong = 0, better = 0;
	void *what;

	KUNIT_ASSERT_NOT_NULL(test, room);
	KUNIT_ASSERT_NOT_NULL(test, ranks);
	am_victims_begin(&chosen, room, ROOM, U64_MAX);
	for (u32 i = 1; i <= CANDIDATES; i++) {
		struct am_view view = some_view(&seed);

		ranks[i] = am_policy_rank(&view);
		wrong += view.pinned && ranks[i] != 0;
		am_victims_offer(&chosen, &view, (void *)(unsigned long)i);
	}
	while ((what = am_victims_take(&chosen))) {
		u64 rank = ranks[(unsigned long)what];

		wrong += rank > last || !rank;
		last = rank;
		taken++;
	}
	for (u32 i = 1; i <= CANDIDATES; i++)
		better += ranks[i] > last;
	KUNIT_EXPECT_EQ(test, wrong, 0u);
	/* All that it has room for, and none that stays goes before one that went. */
	KUNIT_EXPECT_EQ(test, taken, ROOM);
	KUNIT_EXPECT_LT(test, better, ROOM);
}

struct kunit_case policy_cases[] = { KUNIT_CASE(tiers), KUNIT_CASE(victims), {} };
