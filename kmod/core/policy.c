// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "policy.h"

#define SECOND_MS 1000ull
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)

/* Less is not worth a header, let alone the time. */
#define PACK_LEAST_BYTES 128u
/* Looking more often than this costs more than it could free; more seldom, and a changed setting would not be noticed for days. */
#define LOOK_LEAST_MS 250ull
#define LOOK_MOST_MS (2 * HOUR_MS)
#define GENERATIONS 16u

const struct am_policy am_policy_default = {
	.warm_after_ms = 5 * MINUTE_MS,
	.cold_after_ms = 48 * HOUR_MS,
	.thorough_after_ms = HOUR_MS,
};

static am_u64 least(am_u64 a, am_u64 b)
{
	return a < b ? a : b;
}

static am_u64 most(am_u64 a, am_u64 b)
{
	return a > b ? a : b;
}

/* What is out of range is treated as what is disturbed least. */
static enum am_state state_of(const struct am_view *view)
{
	return view->state > AM_STATE_ACTIVE && view->state < AM_STATE_END ? view->state : AM_STATE_ACTIVE;
}

static am_u32 importance_of(const struct am_view *view)
{
	return view->importance < AM_IMPORTANCE_MOST ? view->importance : AM_IMPORTANCE_MOST;
}

static bool is_away(const struct am_view *view)
{
	return state_of(view) >= AM_STATE_SUSPENDED;
}

/* By 8, 4 or 2 with some pressure, by importance; four times that when it is hard. */
static am_u64 shrunk(am_u64 age_ms, const struct am_view *view, enum am_pressure pressure)
{
	unsigned shift = 3 - importance_of(view) / 34;

	if (pressure == AM_PRESSURE_NONE)
		return age_ms;
	return age_ms >> (pressure >= AM_PRESSURE_HARD ? shift + 2 : shift);
}

static am_u64 warm_age_ms(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure)
{
	return is_away(view) ? 0 : shrunk(policy->warm_after_ms, view, pressure);
}

static am_u64 cold_age_ms(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure)
{
	enum am_state state = state_of(view);

	if (state == AM_STATE_GONE || (state == AM_STATE_SUSPENDED && pressure != AM_PRESSURE_NONE))
		return 0;
	return shrunk(state == AM_STATE_SUSPENDED ? policy->cold_after_ms / 4 : policy->cold_after_ms, view, pressure);
}

static am_u64 thorough_age_ms(const struct am_policy *policy, const struct am_view *view)
{
	bool lasting = view->kind == AM_KIND_SYSTEM_PROMPT || view->kind == AM_KIND_TOOL_DEFINITION;

	return lasting ? policy->thorough_after_ms / 4 : policy->thorough_after_ms;
}

enum am_tier am_policy_tier(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure)
{
	if (view->pinned || view->tier >= AM_TIER_COLD)
		return view->tier;
	if (policy->has_cold && view->idle_ms >= cold_age_ms(policy, view, pressure) && (view->tier == AM_TIER_WARM || pressure == AM_PRESSURE_NONE))
		return AM_TIER_COLD;
	return view->tier == AM_TIER_WARM || view->idle_ms >= warm_age_ms(policy, view, pressure) ? AM_TIER_WARM : AM_TIER_HOT;
}

enum am_effort am_policy_effort(const struct am_policy *policy, const struct am_view *view, enum am_pressure pressure)
{
	if (view->bytes < PACK_LEAST_BYTES)
		return AM_EFFORT_NONE;
	if (pressure >= AM_PRESSURE_HARD)
		return AM_EFFORT_FAST;
	if (view->idle_ms >= thorough_age_ms(policy, view))
		return pressure == AM_PRESSURE_NONE ? AM_EFFORT_THOROUGH : AM_EFFORT_NORMAL;
	if (view->kind == AM_KIND_TOOL_RESULT && !is_away(view))
		return AM_EFFORT_FAST;
	return AM_EFFORT_NORMAL;
}

/* Until it reaches an age; LOOK_MOST_MS where it has, or never will. */
static am_u64 until_ms(am_u64 idle_ms, am_u64 age_ms)
{
	return idle_ms < age_ms ? age_ms - idle_ms : LOOK_MOST_MS;
}

am_u64 am_policy_next_look_ms(const struct am_policy *policy, const struct am_view *view)
{
	am_u64 first_ms = most(policy->warm_after_ms / 8, LOOK_LEAST_MS);
	unsigned generation = view->generation < GENERATIONS ? view->generation : GENERATIONS;
	am_u64 wait_ms = least(first_ms, LOOK_MOST_MS) << generation;

	/* What is pinned has no date: someone holds it, and says so when he lets go. */
	if (!view->pinned && view->tier < AM_TIER_WARM)
		wait_ms = least(wait_ms, until_ms(view->idle_ms, warm_age_ms(policy, view, AM_PRESSURE_NONE)));
	if (!view->pinned && view->tier == AM_TIER_WARM)
		wait_ms = least(wait_ms, until_ms(view->idle_ms, thorough_age_ms(policy, view)));
	if (!view->pinned && view->tier < AM_TIER_COLD && policy->has_cold)
		wait_ms = least(wait_ms, until_ms(view->idle_ms, cold_age_ms(policy, view, AM_PRESSURE_NONE)));
	return most(least(wait_ms, LOOK_MOST_MS), LOOK_LEAST_MS);
}

/* Quarters of octaves: 4 * log2 and the two bits below the highest. Grows with `value`, up to 255. */
static am_u64 quarters(am_u64 value)
{
	unsigned top;

	if (value < 4)
		return value;
	top = 63u - (unsigned)__builtin_clzll(value);
	return (am_u64)top * 4 + (value >> (top - 2) & 3u);
}

am_u64 am_policy_rank(const struct am_view *view)
{
	am_u64 age = quarters(view->idle_ms);
	am_u64 dispensable = AM_IMPORTANCE_MOST - importance_of(view);

	if (view->pinned || view->bytes == 0)
		return 0;
	return (am_u64)state_of(view) << 60 | age << 48 | dispensable << 40 | quarters(view->bytes) << 32;
}
