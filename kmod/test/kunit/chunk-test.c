// SPDX-License-Identifier: GPL-2.0
/* Cutting by content, and what is like what. */
#include <linux/mm.h>

#include "core/chunk.h"
#include "core/sketch.h"
#include "kit.h"

#define BYTES (1u << 20)
#define CUTS 512u

static const struct am_chunk_sizes sizes = { .min = 8u << 10, .average = 32u << 10, .max = 128u << 10 };

static void fill(u8 *to, size_t bytes, u64 seed)
{
	for (size_t i = 0; i < bytes; i++)
		to[i] = kit_random(&seed) >> 9;
}

static u32 cut_all(const u8 *data, size_t bytes, size_t *ends)
{
	u32 count = 0;

	for (size_t at = 0; at < bytes && count < CUTS;) {
		at += am_chunk_cut(&sizes, data + at, bytes - at, true);
		ends[count++] = at;
	}
	return count;
}

/* Handed over in pieces it is cut where it is cut in one. */
static void in_pieces(struct kunit *test)
{
	u8 *data = kvmalloc(BYTES, GFP_KERNEL);
	size_t *ends = kunit_kcalloc(test, CUTS, sizeof(*ends), GFP_KERNEL);
	size_t begin = 0, seen = 0, there = 0;
	u32 count, next = 0, wrong = 0;
	u64 seed = 4;

	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_ASSERT_NOT_NULL(test, ends);
	fill(data, BYTES, 5);
	count = cut_all(data, BYTES, ends);
	KUNIT_EXPECT_GT(test, count, BYTES / sizes.max);
	KUNIT_EXPECT_LT(test, count, BYTES / sizes.min + 1);
	while (there < BYTES) {
		size_t cut;

		there = min_t(size_t, BYTES, there + kit_random(&seed) % 20000 + 1);
		while ((cut = am_chunk_cut_on(&sizes, data + begin, seen, there - begin, there == BYTES))) {
			begin += cut;
			seen = 0;
			wrong += next >= count || ends[next] != begin;
			next++;
			if (begin == there)
				break;
		}
		seen = there - begin;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0u);
	KUNIT_EXPECT_EQ(test, next, count);
	kvfree(data);
}

/* Bytes put in at the front change cuts nearby alone. */
static void meets_again(struct kunit *test)
{
	u8 *data = kvmalloc(BYTES + 100, GFP_KERNEL);
	size_t *ends = kunit_kcalloc(test, 2 * CUTS, sizeof(*ends), GFP_KERNEL), *later = ends + CUTS;
	u32 count, shifted, same = 0;

	KUNIT_ASSERT_NOT_NULL(test, data);
	KUNIT_ASSERT_NOT_NULL(test, ends);
	fill(data, BYTES + 100, 6);
	shifted = cut_all(data, BYTES + 100, later);
	count = cut_all(data + 100, BYTES, ends);
	for (u32 i = 0, j = 0; i < count && j < shifted;) {
		if (ends[i] + 100 == later[j]) {
			same++;
			i++;
			j++;
		} else if (ends[i] + 100 < later[j]) {
			i++;
		} else {
			j++;
		}
	}
	KUNIT_EXPECT_GT(test, same + 8, count);
	KUNIT_EXPECT_GT(test, same, 8u);
	kvfree(data);
}

static void alike(struct kunit *test)
{
	struct am_sketch_index *index = am_sketch_index_open(&kit_host);
	u8 *data = kvmalloc(64u << 10, GFP_KERNEL);
	struct am_sketch sketch, other;

	KUNIT_ASSERT_NOT_NULL(test, index);
	KUNIT_ASSERT_NOT_NULL(test, data);
	for (u64 id = 1; id <= 100; id++) {
		fill(data, 64u << 10, id);
		am_sketch_make(data, 64u << 10, &sketch);
		KUNIT_EXPECT_TRUE(test, am_sketch_index_add(index, id, &sketch));
		cond_resched();
	}
	fill(data, 64u << 10, 42);
	/* A line in forty rewritten. */
	for (u32 at = 0; at < 64u << 10; at += 4000)
		fill(data + at, 100, at);
	am_sketch_make(data, 64u << 10, &sketch);
	KUNIT_EXPECT_EQ(test, am_sketch_index_find(index, &sketch, NULL, NULL), 42ull);
	fill(data, 64u << 10, 4242);
	am_sketch_make(data, 64u << 10, &other);
	KUNIT_EXPECT_EQ(test, am_sketch_index_find(index, &other, NULL, NULL), 0ull);
	KUNIT_EXPECT_LT(test, am_sketch_common(&sketch, &other), (unsigned int)AM_SKETCH_ALIKE);
	am_sketch_index_close(index);
	kvfree(data);
}

struct kunit_case chunk_cases[] = { KUNIT_CASE(in_pieces), KUNIT_CASE(meets_again), KUNIT_CASE(alike), {} };
