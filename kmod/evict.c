// SPDX-License-Identifier: GPL-2.0
/* Who goes: a thread that compresses by the policy of the core, and a shrinker for when memory is short. */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/wait.h>

#include "agentmem.h"

/* A look at everything is due at least this often. */
#define LOOK_MOST_MS 10000u
#define LOOK_LEAST_MS 100u
/* Two looks have at least this much between them, however much there is to do. */
#define LOOK_REST_MS 20u
#define VICTIMS 512u

static struct task_struct *thread;
static struct shrinker *shrinker;
static DECLARE_WAIT_QUEUE_HEAD(wake);
static u32 pressure_now;
static bool kicked;
/* The shrinker was called: some pressure for one look. */
static bool short_of;
/* Only one walk at a time marks. */
static DEFINE_MUTEX(walk_lock);
static u32 walk;

static void mark(struct am_content *content, const struct am_agent *agent)
{
	u32 state = READ_ONCE(agent->state), importance = READ_ONCE(agent->importance);

	/* Read without the lock: what is torn costs a wrong choice, nothing else. */
	if (content->seen_walk != walk) {
		WRITE_ONCE(content->seen_state, state);
		WRITE_ONCE(content->seen_importance, importance);
		smp_store_release(&content->seen_walk, walk);
		return;
	}
	WRITE_ONCE(content->seen_state, min(content->seen_state, state));
	WRITE_ONCE(content->seen_importance, max(content->seen_importance, importance));
}

/* Each content of an agent; a conversation that somebody writes to now is passed over. */
static void each_content(struct am_agent *agent, void (*look)(struct am_content *content, void *context), void *context)
{
	struct am_holding *holding;
	unsigned long number = 0;

	for (;;) {
		struct am_unit *unit = NULL;

		rcu_read_lock();
		holding = xa_find(&agent->units, &number, ULONG_MAX, XA_PRESENT);
		if (holding && kref_get_unless_zero(&holding->unit->ref))
			unit = holding->unit;
		rcu_read_unlock();
		if (!holding)
			return;
		if (unit && unit->content) {
			look(unit->content, context);
		} else if (unit && down_read_trylock(&unit->talk->lock)) {
			for (u32 i = 0; i < unit->talk->count; i++)
				look(unit->talk->blocks[i].content, context);
			up_read(&unit->talk->lock);
		}
		if (unit)
			am_unit_put(unit);
		if (number++ == ULONG_MAX)
			return;
		cond_resched();
	}
}

static void mark_one(struct am_content *content, void *context)
{
	mark(content, context);
}

/* Like am_agent_find(), the next one from `*number` on. */
static struct am_agent *agent_next(unsigned long *number)
{
	struct am_agent *agent;

	rcu_read_lock();
	agent = xa_find(&am_agents, number, ULONG_MAX, XA_PRESENT);
	while (agent && !kref_get_unless_zero(&agent->ref))
		agent = xa_find_after(&am_agents, number, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return agent;
}

/* By this walk, or by one that has begun since. */
static bool marked_since(const struct am_content *content, u32 mine)
{
	return (s32)(smp_load_acquire(&content->seen_walk) - mine) >= 0;
}

static struct am_view view_of(struct am_content *content, u32 mine, u64 now_ms)
{
	u64 used_ms = READ_ONCE(content->used_ms), pinned_ms = READ_ONCE(content->pinned_until_ms);
	bool seen = marked_since(content, mine);

	return (struct am_view){
		.idle_ms = now_ms > used_ms ? now_ms - used_ms : 0,
		.bytes = (u64)READ_ONCE(content->hot_pages) * PAGE_SIZE,
		.importance = seen ? READ_ONCE(content->seen_importance) : 0,
		.generation = READ_ONCE(content->generation),
		.state = seen ? READ_ONCE(content->seen_state) : AM_STATE_GONE,
		.tier = AM_TIER_HOT,
		.kind = AM_KIND_OTHER,
		.pinned = pinned_ms > now_ms,
	};
}

/* The number of the walk, or 0 where the caller is to die. */
static u32 mark_all(void)
{
	unsigned long number = 0;
	struct am_agent *agent;
	u32 mine;

	if (mutex_lock_killable(&walk_lock))
		return 0;
	walk += walk == U32_MAX ? 2 : 1;
	mine = walk;
	while ((agent = agent_next(&number))) {
		each_content(agent, mark_one, agent);
		am_agent_put(agent);
		number++;
	}
	mutex_unlock(&walk_lock);
	return mine;
}

static void look_at_all(struct am_packer *packer, struct am_victim *room, u32 pressure)
{
	const struct am_policy policy = { .warm_after_ms = READ_ONCE(am_warm_after_ms), .cold_after_ms = ~0ull, .thorough_after_ms = ~0ull };
	u64 now_ms = am_now_ms(), limit = READ_ONCE(am_hot_most_bytes), hot;
	struct am_victims victims;
	struct am_content *content;
	unsigned long number = 0;
	u32 mine = mark_all();

	while ((content = am_content_next(&number))) {
		struct am_view view = view_of(content, mine, now_ms);

		if (view.bytes && am_policy_tier(&policy, &view, pressure) == AM_TIER_WARM)
			am_content_pack(content, packer, true);
		else if (view.generation < 16)
			WRITE_ONCE(content->generation, view.generation + 1);
		am_content_put(content);
		number++;
		cond_resched();
		if (kthread_should_stop())
			return;
	}
	/* More than is allowed to be hot: who goes is chosen among all. */
	hot = atomic64_read(&am_all.hot_bytes);
	if (limit && hot > limit) {
		am_victims_begin(&victims, room, VICTIMS, hot - limit);
		number = 0;
		while ((content = am_content_next(&number))) {
			struct am_view view = view_of(content, mine, now_ms);

			if (READ_ONCE(content->incompressible) || !view.bytes) {
				am_content_put(content);
			} else {
				/* By number: what falls out of the room is not told, so no reference is kept. */
				am_victims_offer(&victims, &view, (void *)number);
				am_content_put(content);
			}
			number++;
			cond_resched();
		}
		while ((number = (unsigned long)am_victims_take(&victims))) {
			unsigned long at = number;

			content = am_content_next(&at);
			if (!content)
				continue;
			if (at == number)
				am_content_pack(content, packer, true);
			am_content_put(content);
		}
	}
}

static int evict_thread(void *context)
{
	struct am_packer *packer = am_packer_new();
	struct am_victim *room = kvmalloc_array(VICTIMS, sizeof(*room), GFP_KERNEL);

	while (packer && room && !kthread_should_stop()) {
		u32 wait_ms = clamp_t(u64, READ_ONCE(am_warm_after_ms) / 8, LOOK_LEAST_MS, LOOK_MOST_MS);

		wait_event_interruptible_timeout(wake, READ_ONCE(kicked) || kthread_should_stop(), msecs_to_jiffies(wait_ms));
		WRITE_ONCE(kicked, false);
		if (!kthread_should_stop() && am_compress_ready())
			look_at_all(packer, room, max(READ_ONCE(pressure_now), xchg(&short_of, false) ? (u32)AM_PRESSURE_SOME : 0u));
		msleep_interruptible(LOOK_REST_MS);
	}
	kvfree(room);
	am_packer_free(packer);
	while (!kthread_should_stop())
		wait_event_interruptible(wake, kthread_should_stop());
	return 0;
}

void am_evict_kick(u32 pressure)
{
	WRITE_ONCE(pressure_now, pressure);
	WRITE_ONCE(kicked, true);
	wake_up(&wake);
}

/* Each conversation of an agent. */
static void each_talk(struct am_agent *agent, void (*look)(struct am_unit *unit, void *context), void *context)
{
	struct am_holding *holding;
	unsigned long number = 0;

	for (;;) {
		struct am_unit *unit = NULL;

		rcu_read_lock();
		holding = xa_find(&agent->units, &number, ULONG_MAX, XA_PRESENT);
		if (holding && holding->unit->talk && kref_get_unless_zero(&holding->unit->ref))
			unit = holding->unit;
		rcu_read_unlock();
		if (!holding)
			return;
		if (unit) {
			look(unit, context);
			am_unit_put(unit);
		}
		if (number++ == ULONG_MAX)
			return;
		cond_resched();
	}
}

/* More pages than may be hot are there, or will be in a moment: the thread need not wait for its time. */
void am_evict_over(void)
{
	if (READ_ONCE(kicked))
		return;
	WRITE_ONCE(kicked, true);
	wake_up(&wake);
}

struct sending {
	struct am_packer *packer;
	struct am_run_packer *run_packer;	/* NULL until it is needed, or where there is none */
	bool tried;
	s64 freed;
	u32 walk;
};

/* What somebody awake holds too stays. */
static bool sleeps(struct am_content *content, void *context)
{
	const struct sending *sending = context;

	return marked_since(content, sending->walk) && READ_ONCE(content->seen_state) >= AM_STATE_SUSPENDED;
}

static void close_tail(struct am_unit *unit, void *context)
{
	am_talk_close_tail(unit);
}

static void pack_talk(struct am_unit *unit, void *context)
{
	struct sending *sending = context;
	struct am_talk *talk = unit->talk;

	/* Of one block none is made; what makes them is large. */
	if (READ_ONCE(talk->count) < 2)
		return;
	if (!sending->run_packer && !sending->tried) {
		sending->run_packer = am_run_packer_new();
		sending->tried = true;
	}
	sending->freed += am_run_talk(sending->run_packer, talk, sleeps, sending);
}

static void pack_one(struct am_content *content, void *context)
{
	struct sending *sending = context;

	if (sleeps(content, context))
		sending->freed += max_t(s64, am_content_pack(content, sending->packer, false), 0);
}

/* Sends what only it holds, and others that sleep. */
s64 am_evict_agent(struct am_agent *agent)
{
	struct sending sending = { .packer = am_compress_ready() ? am_packer_new() : NULL };

	if (!sending.packer)
		return 0;
	/* Before the walk, which marks what sleeps: blocks that come of it are new. */
	each_talk(agent, close_tail, NULL);
	sending.walk = mark_all();
	if (sending.walk) {
		each_talk(agent, pack_talk, &sending);
		each_content(agent, pack_one, &sending);
	}
	am_run_packer_free(sending.run_packer);
	am_packer_free(sending.packer);
	return sending.freed;
}

static void restore_one(struct am_content *content, void *context)
{
	int *error = context;

	if (!*error) {
		*error = am_content_restore(content);
		am_content_used(content);
	}
}

/* As much of its units as fits; the rest comes when it is touched. */
int am_restore_agent(struct am_agent *agent)
{
	int error = 0;

	each_content(agent, restore_one, &error);
	return error == -EINTR ? error : 0;
}

static unsigned long shrink_count(struct shrinker *me, struct shrink_control *control)
{
	return am_compress_ready() ? atomic64_read(&am_all.hot_bytes) >> PAGE_SHIFT : 0;
}

/* What has a compressed copy goes at once; the rest is the thread's. */
static unsigned long shrink_scan(struct shrinker *me, struct shrink_control *control)
{
	unsigned long number = 0, freed = 0;
	struct am_content *content;

	while (freed < control->nr_to_scan && (content = am_content_next(&number))) {
		freed += am_content_drop_copies(content);
		am_content_put_later(content);
		number++;
	}
	if (freed < control->nr_to_scan) {
		WRITE_ONCE(short_of, true);
		am_evict_kick(READ_ONCE(pressure_now));
	}
	return freed ?: SHRINK_STOP;
}

int am_evict_open(void)
{
	int error;

	shrinker = am_shrinker_alloc();
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker->seeks = DEFAULT_SEEKS;
	thread = kthread_run(evict_thread, NULL, "agentmem");
	if (IS_ERR(thread)) {
		error = PTR_ERR(thread);
		goto failed;
	}
	error = am_shrinker_register(shrinker);
	if (!error)
		return 0;
	kthread_stop(thread);
failed:
	am_shrinker_discard(shrinker);
	return error;
}

void am_evict_close(void)
{
	am_shrinker_free(shrinker);
	kthread_stop(thread);
	am_content_flush();
}
