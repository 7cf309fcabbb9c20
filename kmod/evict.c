// SPDX-License-Identifier: GPL-2.0
/* Who goes: a thread that compresses and writes to the backing file by the policy of the core. */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/wait.h>

#include "walk.h"

/* A look at everything is due at least this often. */
#define LOOK_MOST_MS 10000u
#define LOOK_LEAST_MS 100u
/* Two looks have at least this much between them, however much there is to do. */
#define LOOK_REST_MS 20u
#define VICTIMS 512u
#define GENERATIONS 16u

static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(wake);
static u32 pressure_now;
static bool kicked;
/* Something is set in another way: what is not due is looked at, too. */
static bool changed;
/* The shrinker was called: some pressure for one look. */
static bool short_of;

/* One look at everything. */
struct look {
	u32 mine;	/* of am_mark_all(); 0: not called yet */
	u32 pressure;
	u64 now_ms;
	bool busy;	/* Something due was held by somebody: it is looked at again soon. */
};

static struct am_view view_of(struct am_content *content, u32 mine, u64 now_ms)
{
	u64 used_ms = READ_ONCE(content->used_ms), pinned_ms = READ_ONCE(content->pinned_until_ms);
	bool seen = am_marked_since(content, mine);
	u64 hot = (u64)READ_ONCE(content->hot_pages) * PAGE_SIZE;
	/* What does not get smaller is as far from memory as what is compressed. */
	bool is_hot = hot && !READ_ONCE(content->incompressible);
	u32 tier = is_hot ? AM_TIER_HOT : hot || READ_ONCE(content->warm_bytes) ? AM_TIER_WARM : AM_TIER_COLD;

	return (struct am_view){
		.idle_ms = now_ms > used_ms ? now_ms - used_ms : 0,
		.bytes = tier == AM_TIER_HOT ? hot : tier == AM_TIER_WARM ? READ_ONCE(content->packed_bytes) : 0,
		.importance = seen ? READ_ONCE(content->seen_importance) : 0,
		.generation = READ_ONCE(content->generation),
		.state = seen ? READ_ONCE(content->seen_state) : AM_STATE_GONE,
		.tier = tier,
		.kind = READ_ONCE(content->kind) ?: AM_KIND_CONVERSATION,
		.pinned = pinned_ms > now_ms,
	};
}

/* By the policy, each content that is due; the thread alone. */
static void look_at(struct am_content *content, const struct am_policy *policy, struct am_packer *packer, struct look *look)
{
	struct am_view view = view_of(content, look->mine, look->now_ms);
	u32 tier = am_policy_tier(policy, &view, look->pressure);
	u32 generation = view.generation;
	s64 moved = 0;

	if (tier == AM_TIER_WARM && view.tier == AM_TIER_HOT && am_compress_ready() && am_policy_effort(policy, &view, look->pressure) != AM_EFFORT_NONE)
		moved = am_content_pack(content, packer, true);
	else if (tier == AM_TIER_COLD && view.tier != AM_TIER_COLD)
		moved = am_content_chill(content, packer);
	else if (view.tier == AM_TIER_HOT)
		moved = am_content_place(content, &view, policy->warm_after_ms);
	if (moved == -EAGAIN) {
		WRITE_ONCE(content->look_ms, look->now_ms);
		look->busy = true;
		return;
	}
	if (moved > 0)
		generation = 0;
	else if (generation < GENERATIONS)
		generation++;
	WRITE_ONCE(content->generation, generation);
	/* As it is now, and not as it was. */
	view = view_of(content, look->mine, look->now_ms);
	WRITE_ONCE(content->look_ms, look->now_ms + am_policy_next_look_ms(policy, &view));
}

/* `number`: what falls out of the room is not told, so no reference is kept. */
static void choose(struct am_victims *victims, u32 tier, const struct look *look)
{
	unsigned long number = 0;
	struct am_content *content;

	while ((content = am_content_next(&number))) {
		struct am_view view = view_of(content, look->mine, look->now_ms);

		/* Compressed bytes leave with what has been brought back from them, too. */
		if (tier == AM_TIER_WARM)
			view.bytes = READ_ONCE(content->packed_bytes);
		if (view.bytes && (tier == AM_TIER_WARM || view.tier == tier))
			am_victims_offer(victims, &view, (void *)number);
		am_content_put(content);
		number++;
		cond_resched();
	}
}

/* So many bytes leave this tier; who goes is chosen among all. */
static void send(struct am_packer *packer, struct am_victim *room, u32 tier, u64 want_bytes, const struct look *look)
{
	struct am_victims victims;
	struct am_content *content;
	unsigned long number;

	am_victims_begin(&victims, room, VICTIMS, want_bytes);
	choose(&victims, tier, look);
	while ((number = (unsigned long)am_victims_take(&victims))) {
		unsigned long at = number;

		content = am_content_next(&at);
		if (!content)
			continue;
		if (at == number && tier == AM_TIER_HOT)
			am_content_pack(content, packer, true);
		else if (at == number)
			am_content_chill(content, packer);
		am_content_put(content);
		if (kthread_should_stop())
			return;
	}
}

/* What of this much is over the limit; the shorter memory is, the lower that one. 0: there is none. */
static u64 over(u64 bytes, u64 limit, u32 pressure)
{
	limit -= pressure == AM_PRESSURE_HARD ? limit / 2 : pressure == AM_PRESSURE_SOME ? limit / 4 : 0;
	return limit && bytes > limit ? bytes - limit : 0;
}

/* Below the low mark of what the machine has left, as much as is missing to the high one. */
static u64 missing(u32 pressure)
{
	u64 total = (u64)totalram_pages() << PAGE_SHIFT;
	u64 left = (u64)max(si_mem_available(), 0l) << PAGE_SHIFT;
	u64 low = READ_ONCE(am_free_least_bytes) ?: total / 32;

	low <<= pressure;
	return left < min(low, total / 2) ? min(low, total / 2) * 5 / 4 - left : 0;
}

/* Whether something that was due is still to be done. */
static bool look_at_all(struct am_packer *packer, struct am_victim *room, u32 pressure, bool asked)
{
	const struct am_policy policy = {
		.warm_after_ms = READ_ONCE(am_warm_after_ms), .cold_after_ms = READ_ONCE(am_cold_after_ms), .thorough_after_ms = ~0ull, .has_cold = am_cold_ready(),
	};
	struct look look = { .now_ms = am_now_ms(), .pressure = pressure };
	struct am_content *content;
	unsigned long number = 0;
	u64 want;

	while ((content = am_content_next(&number))) {
		if (asked || pressure || READ_ONCE(content->look_ms) <= look.now_ms) {
			/* Who holds what is looked up for the first one that is due. */
			if (!look.mine)
				look.mine = am_mark_all();
			look_at(content, &policy, packer, &look);
		}
		am_content_put(content);
		number++;
		cond_resched();
		if (kthread_should_stop())
			return false;
	}
	want = max(over(atomic64_read(&am_all.hot_bytes), READ_ONCE(am_hot_most_bytes), pressure), missing(pressure));
	if (want && atomic64_read(&am_all.hot_bytes)) {
		look.mine = look.mine ?: am_mark_all();
		if (am_compress_ready())
			send(packer, room, AM_TIER_HOT, want, &look);
		/* Reclaim frees what has a copy without this thread. */
		want = missing(pressure);
	}
	want = max(over(atomic64_read(&am_all.warm_bytes), READ_ONCE(am_warm_most_bytes), pressure), want);
	if (want && am_cold_ready()) {
		look.mine = look.mine ?: am_mark_all();
		send(packer, room, AM_TIER_WARM, want, &look);
	}
	return look.busy;
}

static int evict_thread(void *context)
{
	struct am_packer *packer = am_packer_new();
	struct am_victim *room = kvmalloc_array(VICTIMS, sizeof(*room), GFP_KERNEL);
	bool busy = false;

	while (packer && room && !kthread_should_stop()) {
		u64 least_ms = min(READ_ONCE(am_warm_after_ms), READ_ONCE(am_cold_after_ms));
		u32 wait_ms = clamp_t(u64, least_ms / 8, LOOK_LEAST_MS, busy ? LOOK_LEAST_MS : LOOK_MOST_MS);
		bool asked;

		wait_event_interruptible_timeout(wake, READ_ONCE(kicked) || kthread_should_stop(), msecs_to_jiffies(wait_ms));
		WRITE_ONCE(kicked, false);
		asked = xchg(&changed, false);
		if (!kthread_should_stop())
			am_follow_freezing();
		if (!kthread_should_stop() && (am_compress_ready() || am_cold_ready()))
			busy = look_at_all(packer, room, max(READ_ONCE(pressure_now), xchg(&short_of, false) ? (u32)AM_PRESSURE_SOME : 0u), asked);
		msleep_interruptible(LOOK_REST_MS);
	}
	kvfree(room);
	am_packer_free(packer);
	while (!kthread_should_stop())
		wait_event_interruptible(wake, kthread_should_stop());
	return 0;
}

void am_evict_kick_same(void)
{
	am_evict_kick(READ_ONCE(pressure_now));
}

void am_evict_kick(u32 pressure)
{
	WRITE_ONCE(pressure_now, pressure);
	WRITE_ONCE(changed, true);
	WRITE_ONCE(kicked, true);
	wake_up(&wake);
}

/* More pages than may be hot are there, or will be in a moment: the thread need not wait for its time. */
void am_evict_over(void)
{
	if (READ_ONCE(kicked))
		return;
	WRITE_ONCE(kicked, true);
	wake_up(&wake);
}

/* From reclaim: it got less than it wants. */
void am_evict_short(void)
{
	WRITE_ONCE(short_of, true);
	am_evict_kick_same();
}

int am_evict_open(void)
{
	thread = kthread_run(evict_thread, NULL, "agentmem");
	return PTR_ERR_OR_ZERO(thread);
}

void am_evict_close(void)
{
	kthread_stop(thread);
}
