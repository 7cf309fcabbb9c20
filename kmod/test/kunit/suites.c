// SPDX-License-Identifier: GPL-2.0
/* The core where it will run: in the kernel, with what the kernel has to look for faults. */
#include <linux/mm.h>
#include <linux/module.h>

#include "kit.h"

atomic_long_t kit_lent;

static void *lend(void *context, am_size bytes)
{
	void *memory = kvzalloc(bytes, GFP_KERNEL);

	if (memory)
		atomic_long_add(bytes, &kit_lent);
	return memory;
}

static void give_back(void *context, void *memory, am_size bytes)
{
	if (memory)
		atomic_long_sub(bytes, &kit_lent);
	kvfree(memory);
}

const struct am_host kit_host = { .allocate = lend, .release = give_back };

u32 kit_random(u64 *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 32;
}

static int nothing_lent(struct kunit *test)
{
	atomic_long_set(&kit_lent, 0);
	return 0;
}

static void all_back(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, atomic_long_read(&kit_lent), 0L);
}

static struct kunit_suite table_suite = { .name = "agentmem-table", .init = nothing_lent, .exit = all_back, .test_cases = table_cases };
static struct kunit_suite policy_suite = { .name = "agentmem-policy", .init = nothing_lent, .exit = all_back, .test_cases = policy_cases };
static struct kunit_suite chunk_suite = { .name = "agentmem-chunk", .init = nothing_lent, .exit = all_back, .test_cases = chunk_cases };

kunit_test_suites(&table_suite, &policy_suite, &chunk_suite);

MODULE_DESCRIPTION("Tests of the core of agentmem");
MODULE_LICENSE("GPL");
