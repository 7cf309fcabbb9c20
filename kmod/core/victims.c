// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * While candidates are offered the room is a heap with the one that would go
 * last on top, the first to be let off; for taking it is turned over.
 */
#include "policy.h"

/* Does `a` belong nearer to the top than `b`? */
static bool above(const struct am_victims *victims, const struct am_victim *a, const struct am_victim *b)
{
	return victims->taking ? a->rank > b->rank : a->rank < b->rank;
}

static void exchange(struct am_victim *a, struct am_victim *b)
{
	struct am_victim kept = *a;

	*a = *b;
	*b = kept;
}

static void sink(struct am_victims *victims, am_u32 at)
{
	struct am_victim *room = victims->room;

	for (;;) {
		am_u32 best = at;

		for (am_u32 child = 2 * at + 1; child <= 2 * at + 2 && child < victims->count; child++) {
			if (above(victims, &room[child], &room[best]))
				best = child;
		}
		if (best == at)
			return;
		exchange(&room[at], &room[best]);
		at = best;
	}
}

static void rise(struct am_victims *victims, am_u32 at)
{
	struct am_victim *room = victims->room;

	while (at > 0 && above(victims, &room[at], &room[(at - 1) / 2])) {
		exchange(&room[at], &room[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

static void drop_top(struct am_victims *victims)
{
	victims->held_bytes -= victims->room[0].bytes;
	victims->room[0] = victims->room[--victims->count];
	sink(victims, 0);
}

static void turn_to(struct am_victims *victims, bool taking)
{
	if (victims->taking == taking)
		return;
	victims->taking = taking;
	for (am_u32 at = victims->count / 2; at > 0; at--)
		sink(victims, at - 1);
}

void am_victims_begin(struct am_victims *victims, struct am_victim *room, am_u32 most, am_u64 want_bytes)
{
	*victims = (struct am_victims){ .room = room, .most = most, .want_bytes = want_bytes };
}

void am_victims_offer(struct am_victims *victims, const struct am_view *view, void *what)
{
	struct am_victim victim = { .rank = am_policy_rank(view), .bytes = view->bytes, .what = what };

	turn_to(victims, false);
	if (victim.rank == 0 || victims->most == 0 || victims->want_bytes == 0)
		return;
	/* A sum that cannot be: such a size is a mistake of the caller's. */
	if (victim.bytes > ~(am_u64)0 - victims->held_bytes)
		return;
	if (victims->count > 0 && victim.rank <= victims->room[0].rank && (victims->held_bytes >= victims->want_bytes || victims->count == victims->most))
		return;
	if (victims->count == victims->most)
		drop_top(victims);
	victims->room[victims->count] = victim;
	victims->held_bytes += victim.bytes;
	rise(victims, victims->count++);
	/* Who would go last may stay where the others are enough. */
	while (victims->held_bytes - victims->room[0].bytes >= victims->want_bytes)
		drop_top(victims);
}

void *am_victims_take(struct am_victims *victims)
{
	void *what;

	turn_to(victims, true);
	if (victims->count == 0)
		return NULL;
	what = victims->room[0].what;
	drop_top(victims);
	return what;
}
