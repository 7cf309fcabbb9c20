// SPDX-License-Identifier: GPL-2.0
/* The unit table: against a plain list, and read under RCU while it grows and shrinks. */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "core/table.h"
#include "kit.h"

#define ENTRIES 3000u
#define STEPS 30000u
#define READERS 3
#define ROUNDS 12

static const struct am_seed seed_of_table = { { 0x1234, 0x5678 } };

struct mine {
	struct am_entry entry;
	bool in;
	bool always;	/* is there all the time */
};

static void digest_of(u32 number, struct am_digest *digest)
{
	u64 seed = number;

	for (u32 i = 0; i < AM_DIGEST_BYTES; i++)
		digest->bytes[i] = kit_random(&seed) >> 8;
}

static void prepare(struct mine *one, u32 at)
{
	one->entry = (struct am_entry){ .number = at + 1, .domain = at % 3, .has_digest = true };
	/* In each domain the same contents. */
	digest_of(at / 3, &one->entry.digest);
}

static void retire(void *context, void *memory, am_size bytes)
{
	synchronize_rcu();
	kit_host.release(NULL, memory, bytes);
}

static void as_a_list(struct kunit *test)
{
	struct mine *all = kvcalloc(ENTRIES, sizeof(*all), GFP_KERNEL);
	struct am_table *table = am_table_open(&kit_host, &seed_of_table, NULL, NULL);
	u32 held = 0, wrong = 0;
	u64 seed = 1;

	KUNIT_ASSERT_NOT_NULL(test, all);
	KUNIT_ASSERT_NOT_NULL(test, table);
	for (u32 i = 0; i < STEPS; i++) {
		/* It fills, and empties again. */
		u32 at = kit_random(&seed) % ENTRIES;
		bool add = kit_random(&seed) % 100 < (i < STEPS / 2 ? 70 : 25);
		struct am_digest unknown;

		if (add && !all[at].in) {
			prepare(&all[at], at);
			wrong += !am_table_add(table, &all[at].entry);
			wrong += am_table_add(table, &all[at].entry);
			all[at].in = true;
			held++;
		} else if (!add && all[at].in) {
			am_table_remove(table, &all[at].entry);
			all[at].in = false;
			held--;
		}
		at = kit_random(&seed) % ENTRIES;
		digest_of(at / 3, &unknown);
		wrong += am_table_find(table, at + 1) != (all[at].in ? &all[at].entry : NULL);
		wrong += am_table_find_digest(table, at % 3, &unknown) != (all[at].in ? &all[at].entry : NULL);
		wrong += am_table_find_digest(table, 3, &unknown) != NULL;
		wrong += am_table_count(table) != held;
		if (i % 1000 == 0)
			cond_resched();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0u);
	KUNIT_EXPECT_GT(test, held, 0u);
	for (u32 at = 0; at < ENTRIES; at++) {
		if (all[at].in)
			am_table_remove(table, &all[at].entry);
	}
	KUNIT_EXPECT_EQ(test, am_table_count(table), (am_size)0);
	am_table_close(table);
	kvfree(all);
}

struct reading {
	struct am_table *table;
	struct mine *all;
	u32 wrong;
	u32 found;
	u64 seed;
	struct completion done;
};

static int read_on(void *context)
{
	struct reading *me = context;

	while (!kthread_should_stop()) {
		for (u32 i = 0; i < 200; i++) {
			u32 at = kit_random(&me->seed) % ENTRIES;
			struct am_digest digest;
			struct am_entry *entry, *by_number;

			digest_of(at / 3, &digest);
			rcu_read_lock();
			entry = am_table_find_digest(me->table, at % 3, &digest);
			by_number = am_table_find(me->table, at + 1);
			if (entry && (entry->number != at + 1 || entry->domain != at % 3))
				me->wrong++;
			/* In the table from a search's begin to its end: found. */
			if (READ_ONCE(me->all[at].always) && (!entry || entry != by_number))
				me->wrong++;
			me->found += entry != NULL;
			rcu_read_unlock();
		}
		cond_resched();
	}
	complete(&me->done);
	return 0;
}

static void under_rcu(struct kunit *test)
{
	struct mine *all = kvcalloc(ENTRIES, sizeof(*all), GFP_KERNEL);
	struct am_table *table = am_table_open(&kit_host, &seed_of_table, retire, NULL);
	struct reading *readers = kunit_kcalloc(test, READERS, sizeof(*readers), GFP_KERNEL);
	struct task_struct *threads[READERS] = { };

	KUNIT_ASSERT_NOT_NULL(test, all);
	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_NOT_NULL(test, readers);
	for (u32 at = 0; at < ENTRIES; at += 50) {
		prepare(&all[at], at);
		KUNIT_EXPECT_TRUE(test, am_table_add(table, &all[at].entry));
		all[at].in = true;
		WRITE_ONCE(all[at].always, true);
	}
	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct reading){ .table = table, .all = all, .seed = 100 + i };
		init_completion(&readers[i].done);
		threads[i] = kthread_run(read_on, &readers[i], "am-reader-%d", i);
		KUNIT_EXPECT_FALSE(test, IS_ERR(threads[i]));
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (u32 at = 0; at < ENTRIES; at++) {
			if (all[at].always)
				continue;
			prepare(&all[at], at);
			am_table_add(table, &all[at].entry);
		}
		cond_resched();
		for (u32 at = 0; at < ENTRIES; at++) {
			if (!all[at].always)
				am_table_remove(table, &all[at].entry);
		}
		/* Before their places are written again. */
		synchronize_rcu();
	}
	for (int i = 0; i < READERS; i++) {
		if (IS_ERR_OR_NULL(threads[i]))
			continue;
		kthread_stop(threads[i]);
		wait_for_completion(&readers[i].done);
		KUNIT_EXPECT_EQ(test, readers[i].wrong, 0u);
		KUNIT_EXPECT_GT(test, readers[i].found, 0u);
	}
	for (u32 at = 0; at < ENTRIES; at += 50)
		am_table_remove(table, &all[at].entry);
	am_table_close(table);
	kvfree(all);
}

struct kunit_case table_cases[] = { KUNIT_CASE(as_a_list), KUNIT_CASE(under_rcu), {} };
