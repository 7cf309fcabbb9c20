/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and views at random, out of range too: tiers never come nearer, and victims are those that sorting gives. */
#include "core-take.h"

#include "core/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 };

static struct am_view view_of(struct bytes *input)
{
	struct am_view view = { .idle_ms = taken(input, 8), .bytes = taken(input, 4) };
	uint64_t rest = taken(input, 4);

	view.idle_ms >>= rest & 63;
	view.importance = (am_u32)(rest >> 6 & 127);
	view.generation = (am_u32)(rest >> 13 & 31);
	view.state = (enum am_state)(rest >> 18 & 7);
	view.tier = (enum am_tier)((rest >> 21 & 3) % 3 + 1);
	view.kind = (enum am_kind)(rest >> 23 & 7);
	view.pinned = (rest >> 26 & 3) == 0;
	return view;
}

static int higher_first(const void *a, const void *b)
{
	am_u64 a_rank = am_policy_rank(a);
	am_u64 b_rank = am_policy_rank(b);

	return (a_rank < b_rank) - (a_rank > b_rank);
}

static void check_view(const struct am_policy *policy, const struct am_view *view)
{
	for (enum am_pressure pressure = AM_PRESSURE_NONE; pressure <= AM_PRESSURE_HARD; pressure++) {
		enum am_tier tier = am_policy_tier(policy, view, pressure);
		enum am_effort effort = am_policy_effort(policy, view, pressure);

		must(tier >= view->tier && tier < AM_TIER_END && (!view->pinned || tier == view->tier));
		must(policy->has_cold || tier == view->tier || tier < AM_TIER_COLD);
		must(effort <= AM_EFFORT_THOROUGH);
	}
	must(am_policy_next_look_ms(policy, view) > 0);
	must((am_policy_rank(view) == 0) == (view->pinned || view->bytes == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { data, data + size };
	struct am_policy policy = { .warm_after_ms = taken(&input, 8), .cold_after_ms = taken(&input, 8), .thorough_after_ms = taken(&input, 8), .has_cold = (taken(&input, 1) & 1) != 0 };
	am_u32 most = (am_u32)taken(&input, 1) % MOST;
	am_u64 want = taken(&input, 5);
	struct am_victim room[MOST];
	struct am_victims victims;
	struct am_view views[MOST];
	struct am_view sorted[MOST];
	size_t count = 0;
	am_u64 held = 0;
	am_u32 expected = 0;

	am_victims_begin(&victims, room, most, want);
	while (input.at < input.end && count < MOST) {
		size_t same = 0;

		views[count] = view_of(&input);
		check_view(&policy, &views[count]);
		/* Equal ones could be taken in any order: leave them out. */
		while (same < count && am_policy_rank(&views[same]) != am_policy_rank(&views[count]))
			same++;
		if (same < count)
			continue;
		am_victims_offer(&victims, &views[count], &views[count]);
		sorted[count] = views[count];
		count++;
	}
	qsort(sorted, count, sizeof(sorted[0]), higher_first);
	while (expected < count && expected < most && held < want && am_policy_rank(&sorted[expected]) != 0)
		held += sorted[expected++].bytes;
	must(victims.count == expected && victims.held_bytes == held);
	for (am_u32 i = 0; i < expected; i++)
		must(am_policy_rank(am_victims_take(&victims)) == am_policy_rank(&sorted[i]));
	must(am_victims_take(&victims) == NULL);
	return 0;
}
