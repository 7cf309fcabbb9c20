/* SPDX-License-Identifier: Apache-2.0 */
/* kmod/core/policy.c and victims.c: promises that hold for views drawn at random. Exit 1 with each that is broken. */
#include "core-kit.h"

#include "core/policy.h"

enum { VIEWS = 20000, CANDIDATES = 400 };

#define MINUTE_MS 60000ull
#define DAY_MS (24 * 60 * MINUTE_MS)

static struct am_view some_view(uint64_t *seed)
{
	return (struct am_view){
		.idle_ms = drawn(seed) >> (24 + drawn_below(seed, 40)),
		.bytes = drawn(seed) >> (30 + drawn_below(seed, 34)),
		.importance = (am_u32)drawn_below(seed, 101),
		.generation = (am_u32)drawn_below(seed, 20),
		.state = (enum am_state)(1 + drawn_below(seed, 4)),
		.tier = (enum am_tier)(1 + drawn_below(seed, 3)),
		.kind = (enum am_kind)(1 + drawn_below(seed, 5)),
		.pinned = drawn_below(seed, 5) == 0,
	};
}

static struct am_policy some_policy(uint64_t *seed)
{
	struct am_policy policy = am_policy_default;

	if (drawn_below(seed, 2) == 0)
		policy.warm_after_ms = drawn_below(seed, 1000000);
	if (drawn_below(seed, 2) == 0)
		policy.cold_after_ms = drawn_below(seed, 100000000);
	if (drawn_below(seed, 2) == 0)
		policy.thorough_after_ms = drawn_below(seed, 10000000);
	policy.has_cold = drawn_below(seed, 3) != 0;
	return policy;
}

/* Where it ends up when nothing changes but its tier. */
static enum am_tier at_last(const struct am_policy *policy, struct am_view view, enum am_pressure pressure)
{
	enum am_tier tier = am_policy_tier(policy, &view, pressure);

	while (tier != view.tier) {
		view.tier = tier;
		tier = am_policy_tier(policy, &view, pressure);
	}
	return tier;
}

static void defaults(void)
{
	struct am_policy policy = am_policy_default;
	struct am_view view = { .bytes = 1 << 20, .importance = 50, .state = AM_STATE_IDLE, .tier = AM_TIER_HOT, .kind = AM_KIND_CONVERSATION };

	EXPECT(!policy.has_cold && policy.hot_most_bytes == 0 && policy.warm_most_bytes == 0);
	view.idle_ms = 5 * MINUTE_MS - 1;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == AM_TIER_HOT);
	view.idle_ms = 5 * MINUTE_MS;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == AM_TIER_WARM);
	view.importance = 100;
	view.state = AM_STATE_ACTIVE;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == AM_TIER_WARM);
	view.idle_ms = 2 * DAY_MS;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_HARD) == AM_TIER_WARM);
	policy.has_cold = true;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == AM_TIER_COLD);
	view.idle_ms--;
	EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == AM_TIER_WARM);

	view.idle_ms = 0;
	view.state = AM_STATE_SUSPENDED;
	EXPECT(at_last(&policy, view, AM_PRESSURE_NONE) == AM_TIER_WARM);
	EXPECT(at_last(&policy, view, AM_PRESSURE_SOME) == AM_TIER_COLD);
	view.state = AM_STATE_GONE;
	EXPECT(at_last(&policy, view, AM_PRESSURE_NONE) == AM_TIER_COLD);
	policy.has_cold = false;
	EXPECT(at_last(&policy, view, AM_PRESSURE_HARD) == AM_TIER_WARM);
	/* What is read all the time stays even when it is tight. */
	view.state = AM_STATE_ACTIVE;
	for (unsigned i = 0; i < 3; i++) {
		/* Ages by 8, 4 and 2; by 32, 16 and 8 when it is hard. */
		view.importance = i * 50;
		view.idle_ms = (5 * MINUTE_MS >> (3 - i)) - 1;
		EXPECT(at_last(&policy, view, AM_PRESSURE_SOME) == AM_TIER_HOT);
		view.idle_ms++;
		EXPECT(at_last(&policy, view, AM_PRESSURE_SOME) == AM_TIER_WARM);
		view.idle_ms = (5 * MINUTE_MS >> (5 - i)) - 1;
		EXPECT(at_last(&policy, view, AM_PRESSURE_HARD) == AM_TIER_HOT);
		view.idle_ms++;
		EXPECT(at_last(&policy, view, AM_PRESSURE_HARD) == AM_TIER_WARM);
	}
	view.idle_ms = 1000;
	EXPECT(at_last(&policy, view, AM_PRESSURE_HARD) == AM_TIER_HOT);
}

static void tiers(uint64_t seed)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		struct am_policy policy = some_policy(&seed);
		struct am_view view = some_view(&seed);
		struct am_view other = view;
		enum am_pressure pressure = (enum am_pressure)drawn_below(&seed, 3);
		enum am_tier tier = am_policy_tier(&policy, &view, pressure);
		enum am_tier end = at_last(&policy, view, pressure);

		EXPECT(tier >= view.tier && tier < AM_TIER_END);
		EXPECT(!view.pinned || tier == view.tier);
		EXPECT(policy.has_cold || view.tier == AM_TIER_COLD || tier < AM_TIER_COLD);
		EXPECT(pressure == AM_PRESSURE_NONE || view.tier != AM_TIER_HOT || tier < AM_TIER_COLD);
		if (pressure < AM_PRESSURE_HARD)
			EXPECT(at_last(&policy, view, pressure + 1) >= end);
		other.idle_ms += drawn_below(&seed, 1000000);
		EXPECT(at_last(&policy, other, pressure) >= end);
		other = view;
		other.state = view.state < AM_STATE_GONE ? view.state + 1 : AM_STATE_GONE;
		EXPECT(at_last(&policy, other, pressure) >= end);
		other = view;
		other.importance = (am_u32)drawn_below(&seed, view.importance + 1);
		EXPECT(at_last(&policy, other, pressure) >= end);
		/* Out of range: as an active agent's, and as the most important. */
		other = view;
		view.state = AM_STATE_ACTIVE;
		other.state = drawn_below(&seed, 2) == 0 ? (enum am_state)0 : AM_STATE_END;
		EXPECT(am_policy_tier(&policy, &other, pressure) == am_policy_tier(&policy, &view, pressure) && am_policy_rank(&other) == am_policy_rank(&view));
		view.importance = 100;
		other.importance = ~0u;
		EXPECT(am_policy_tier(&policy, &other, pressure) == am_policy_tier(&policy, &view, pressure) && am_policy_rank(&other) == am_policy_rank(&view));
	}
}

static void efforts(uint64_t seed)
{
	struct am_view view = { .idle_ms = 6 * MINUTE_MS, .bytes = 1 << 20, .state = AM_STATE_IDLE, .tier = AM_TIER_HOT, .kind = AM_KIND_CONVERSATION };

	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_NORMAL);
	view.kind = AM_KIND_TOOL_RESULT;
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_FAST);
	view.idle_ms = 15 * MINUTE_MS;
	view.kind = AM_KIND_TOOL_DEFINITION;
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_THOROUGH);
	view.kind = AM_KIND_CONVERSATION;
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_NORMAL);
	view.idle_ms = 60 * MINUTE_MS;
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_THOROUGH);
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_SOME) == AM_EFFORT_NORMAL);
	view.bytes = 100;
	EXPECT(am_policy_effort(&am_policy_default, &view, AM_PRESSURE_NONE) == AM_EFFORT_NONE);
	for (unsigned i = 0; i < VIEWS; i++) {
		struct am_policy policy = some_policy(&seed);
		struct am_view drawn_view = some_view(&seed);
		enum am_effort easy = am_policy_effort(&policy, &drawn_view, AM_PRESSURE_NONE);
		enum am_effort some = am_policy_effort(&policy, &drawn_view, AM_PRESSURE_SOME);
		enum am_effort hard = am_policy_effort(&policy, &drawn_view, AM_PRESSURE_HARD);

		EXPECT(easy >= some && some >= hard && easy <= AM_EFFORT_THOROUGH);
		EXPECT((easy == AM_EFFORT_NONE) == (drawn_view.bytes < 128) && (hard == AM_EFFORT_NONE) == (easy == AM_EFFORT_NONE));
		drawn_view.idle_ms += drawn_below(&seed, 10000000);
		EXPECT(am_policy_effort(&policy, &drawn_view, AM_PRESSURE_NONE) >= easy);
	}
}

static void looks(uint64_t seed)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		struct am_policy policy = some_policy(&seed);
		struct am_view view = some_view(&seed);
		am_u64 wait = am_policy_next_look_ms(&policy, &view);
		enum am_tier tier = am_policy_tier(&policy, &view, AM_PRESSURE_NONE);

		EXPECT(wait >= 250 && wait <= 2 * 60 * MINUTE_MS);
		/* Until just before that it would stay where it is: nothing is overslept. */
		if (tier == view.tier && wait > 250) {
			view.idle_ms += wait - 1;
			EXPECT(am_policy_tier(&policy, &view, AM_PRESSURE_NONE) == tier);
			view.idle_ms -= wait - 1;
		}
		view.generation++;
		EXPECT(am_policy_next_look_ms(&policy, &view) >= wait);
		/* An old one that is nowhere near an age is looked at seldom. */
		view.generation = 16;
		view.pinned = true;
		EXPECT(policy.warm_after_ms < 1000 || am_policy_next_look_ms(&policy, &view) == 2 * 60 * MINUTE_MS);
	}
}

/* 4 * log2 in whole numbers, by counting up: each octave in four steps of the same width. */
static unsigned step_of(uint64_t value)
{
	uint64_t octave = 4;
	unsigned step = 8;

	if (value < 4)
		return (unsigned)value;
	while (value / 2 >= octave) {
		octave *= 2;
		step += 4;
	}
	return step + (unsigned)((value - octave) / (octave / 4));
}

static int by_the_book(const struct am_view *a, const struct am_view *b)
{
	if (a->state != b->state)
		return a->state > b->state ? 1 : -1;
	if (step_of(a->idle_ms) != step_of(b->idle_ms))
		return step_of(a->idle_ms) > step_of(b->idle_ms) ? 1 : -1;
	if (a->importance != b->importance)
		return a->importance < b->importance ? 1 : -1;
	return step_of(a->bytes) == step_of(b->bytes) ? 0 : step_of(a->bytes) > step_of(b->bytes) ? 1 : -1;
}

static void ranks(uint64_t seed)
{
	for (unsigned i = 0; i < VIEWS; i++) {
		struct am_view a = some_view(&seed);
		struct am_view b = drawn_below(&seed, 2) == 0 ? a : some_view(&seed);
		am_u64 a_rank;
		am_u64 b_rank;

		/* Often alike but for one thing. */
		if (drawn_below(&seed, 2) == 0)
			b.idle_ms = drawn_below(&seed, 2) == 0 ? a.idle_ms : a.idle_ms + a.idle_ms / 3;
		if (drawn_below(&seed, 4) == 0)
			b.importance = (am_u32)drawn_below(&seed, 101);
		a.bytes += a.bytes == 0;
		b.bytes += b.bytes == 0;
		a_rank = am_policy_rank(&a);
		b_rank = am_policy_rank(&b);
		EXPECT((a_rank == 0) == a.pinned && (b_rank == 0) == b.pinned);
		if (!a.pinned && !b.pinned)
			EXPECT((a_rank > b_rank) - (a_rank < b_rank) == by_the_book(&a, &b));
		a.bytes = 0;
		EXPECT(am_policy_rank(&a) == 0);
	}
}

struct candidate {
	struct am_view view;
	am_u64 rank;
};

static int higher_first(const void *a, const void *b)
{
	am_u64 a_rank = (*(struct candidate *const *)a)->rank;
	am_u64 b_rank = (*(struct candidate *const *)b)->rank;

	return (a_rank < b_rank) - (a_rank > b_rank);
}

/* Against sorting all of them. */
static void victims(uint64_t seed)
{
	static struct candidate candidates[CANDIDATES];
	static struct candidate *sorted[CANDIDATES];
	static struct am_victim room[CANDIDATES];

	for (unsigned round = 0; round < 600; round++) {
		am_u32 count = (am_u32)drawn_below(&seed, CANDIDATES);
		am_u32 most = (am_u32)drawn_below(&seed, round % 3 == 0 ? 10 : CANDIDATES);
		am_u64 want = drawn_below(&seed, 3) == 0 ? drawn_below(&seed, 4) : drawn(&seed) >> (20 + drawn_below(&seed, 30));
		am_u64 held = 0;
		am_u32 expected = 0;
		struct am_victims victims;

		am_victims_begin(&victims, room, most, want);
		for (am_u32 i = 0; i < count; i++) {
			candidates[i] = (struct candidate){ .view = some_view(&seed) };
			/* All ranks different: age and importance by place. */
			candidates[i].view.idle_ms = 1ull << (i % 40);
			candidates[i].view.importance = i / 40;
			candidates[i].rank = am_policy_rank(&candidates[i].view);
			sorted[i] = &candidates[i];
			am_victims_offer(&victims, &candidates[i].view, &candidates[i]);
			EXPECT(victims.count <= most);
		}
		qsort(sorted, count, sizeof(sorted[0]), higher_first);
		while (expected < count && expected < most && held < want && sorted[expected]->rank != 0)
			held += sorted[expected++]->view.bytes;
		EXPECT(victims.held_bytes == held && victims.count == expected);
		for (am_u32 i = 0; i < expected; i++)
			EXPECT(am_victims_take(&victims) == sorted[i]);
		EXPECT(victims.held_bytes == 0 && victims.count == 0 && am_victims_take(&victims) == NULL);
	}
}

/* After one was taken, offers go on as if the rest had just been offered. */
static void offered_later(uint64_t seed)
{
	static struct am_view views[CANDIDATES];
	static struct am_victim room[CANDIDATES];
	static struct am_victim other_room[CANDIDATES];

	for (unsigned round = 0; round < 200; round++) {
		am_u64 want = drawn(&seed) >> (20 + drawn_below(&seed, 20));
		am_u32 most = 1 + (am_u32)drawn_below(&seed, 60);
		struct am_victims victims;
		struct am_victims other;

		am_victims_begin(&victims, room, most, want);
		am_victims_begin(&other, other_room, most, want);
		for (am_u32 i = 0; i < CANDIDATES; i++) {
			views[i] = some_view(&seed);
			views[i].idle_ms = 1ull << (i % 40);
			views[i].importance = i / 40;
			am_victims_offer(&victims, &views[i], &views[i]);
			if (i == CANDIDATES / 2) {
				(void)am_victims_take(&victims);
				for (am_u32 k = 0; k < victims.count; k++)
					am_victims_offer(&other, victims.room[k].what, victims.room[k].what);
			}
			if (i > CANDIDATES / 2)
				am_victims_offer(&other, &views[i], &views[i]);
		}
		EXPECT(victims.count == other.count && victims.held_bytes == other.held_bytes);
		while (other.count > 0)
			EXPECT(am_victims_take(&victims) == am_victims_take(&other));
	}
}

int main(void)
{
	defaults();
	tiers(1);
	efforts(2);
	looks(3);
	ranks(4);
	victims(5);
	offered_later(6);
	return failures == 0 ? 0 : 1;
}
