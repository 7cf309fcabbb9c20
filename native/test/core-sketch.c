/* SPDX-License-Identifier: Apache-2.0 */
/* kmod/core/sketch.c and sketch-index.c. Exit 1 with each that is wrong. */
#include "core-kit.h"

#include "core/gear.h"
/* Its orders are used for a sketch made by the book. */
#include "core/sketch.c"

enum { BLOCK = 1 << 20, TALKS = 24, MODEL_IDS = 300 };

static struct lent lent;
static const struct am_host host = { &lent, lend, give_back };

/* Each window by itself. */
static struct am_sketch plain_sketch(const uint8_t *data, size_t bytes)
{
	struct am_sketch sketch;

	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++) {
		uint64_t lowest = UINT64_MAX;

		for (size_t end = AM_GEAR_WINDOW; end <= bytes; end++) {
			uint64_t hash = 0;
			uint64_t value;

			for (size_t at = end - AM_GEAR_WINDOW; at < end; at++)
				hash = hash * 8 + am_gear[data[at]];
			value = (hash << 16) * orders[i].a + orders[i].b;
			if ((hash >> 41 & 127) == 0 && value < lowest)
				lowest = value;
		}
		sketch.feature[i] = lowest == UINT64_MAX ? 0 : mixed(lowest) == 0 ? 1 : mixed(lowest);
	}
	return sketch;
}

static void by_the_book(uint64_t seed)
{
	uint8_t data[700];

	for (unsigned round = 0; round < 300; round++) {
		size_t bytes = (size_t)drawn_below(&seed, round % 2 == 0 ? 30 : sizeof(data));
		uint8_t *exact = malloc(bytes + 1);
		struct am_sketch told;
		struct am_sketch made;

		if (exact == NULL)
			abort();
		for (size_t i = 0; i < bytes; i++)
			exact[1 + i] = (uint8_t)drawn_below(&seed, round % 3 == 0 ? 2 : 256);
		told = plain_sketch(exact + 1, bytes);
		am_sketch_make(exact + 1, bytes, &made);
		EXPECT(memcmp(&told, &made, sizeof(told)) == 0);
		free(exact);
	}
}

/* What two sketches of the same sampled places have in common, place by place: nothing but the set counts. */
static void as_told(uint8_t *data)
{
	struct am_sketch whole;
	struct am_sketch doubled;
	struct am_sketch part;
	size_t bytes = talk((char *)data, BLOCK / 2, 1, 1);
	unsigned common;

	am_sketch_make(data, bytes, &whole);
	/* The same once more behind it adds the few windows over the seam, which seldom matter. */
	memcpy(data + bytes, data, bytes);
	am_sketch_make(data + bytes, bytes, &doubled);
	EXPECT(am_sketch_common(&whole, &doubled) == AM_SKETCH_FEATURES);
	am_sketch_make(data, 2 * bytes, &doubled);
	EXPECT(am_sketch_common(&whole, &doubled) >= AM_SKETCH_FEATURES - 1);
	/* Cut anywhere, the least of the whole is the least of one of its parts. */
	for (size_t cut = 1; cut < bytes; cut += bytes / 7) {
		struct am_sketch rest;

		am_sketch_make(data, cut, &part);
		am_sketch_make(data + cut, bytes - cut, &rest);
		common = 0;
		for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++)
			common += whole.feature[i] == part.feature[i] || whole.feature[i] == rest.feature[i];
		EXPECT(common >= AM_SKETCH_FEATURES - 1);
	}
}

static void little(const uint8_t *data)
{
	struct am_sketch none;
	struct am_sketch some;
	struct am_sketch_index *index = am_sketch_index_open(&host);

	/* Without a whole window nothing is sampled. */
	for (size_t bytes = 0; bytes < AM_GEAR_WINDOW; bytes++) {
		uint8_t *exact = malloc(bytes + 1);

		if (exact == NULL || index == NULL)
			abort();
		memcpy(exact + 1, data, bytes);
		am_sketch_make(exact + 1, bytes, &none);
		free(exact);
		for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++)
			EXPECT(none.feature[i] == 0);
	}
	am_sketch_make(data, 4096, &some);
	EXPECT(some.feature[0] != 0);
	/* Nothing in common with nothing. */
	EXPECT(am_sketch_common(&none, &none) == 0 && am_sketch_common(&some, &none) == 0 && am_sketch_common(&some, &some) == AM_SKETCH_FEATURES);
	EXPECT(am_sketch_index_add(index, 1, &none));
	EXPECT(am_sketch_index_find(index, &none, NULL, NULL) == 0);
	am_sketch_index_remove(index, 1, &none);
	am_sketch_index_close(index);
}

/* Forks with other ids on every line are found by their parent, and nothing else is. */
static void forks(uint8_t *data, size_t block)
{
	struct am_sketch_index *index = am_sketch_index_open(&host);
	struct am_sketch sketch;
	unsigned found = 0;
	unsigned mistaken = 0;

	if (index == NULL)
		abort();
	for (uint64_t i = 0; i < TALKS; i++) {
		am_sketch_make(data, talk((char *)data, block, i, 1000 + i), &sketch);
		mistaken += am_sketch_index_find(index, &sketch, NULL, NULL) != 0;
		EXPECT(am_sketch_index_add(index, i + 1, &sketch));
	}
	for (uint64_t i = 0; i < TALKS; i++) {
		am_sketch_make(data, talk((char *)data, block, i, 2000 + i), &sketch);
		found += am_sketch_index_find(index, &sketch, NULL, NULL) == i + 1;
	}
	EXPECT(mistaken == 0);
	EXPECT(found >= TALKS - 1);
	am_sketch_index_close(index);
}

static bool is_odd(void *context, am_u64 id)
{
	++*(unsigned *)context;
	return id % 2 == 1;
}

static struct am_sketch of_few(uint64_t *seed)
{
	struct am_sketch sketch;

	/* Values repeat, in the same slot and in others; some features are missing. */
	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++)
		sketch.feature[i] = (am_u32)drawn_below(seed, 60);
	return sketch;
}

/* Against a list that is searched from end to end. Few share a feature, so nothing is let go. */
static void as_a_list(uint64_t seed)
{
	static struct am_sketch sketches[MODEL_IDS];
	static bool in[MODEL_IDS];
	struct am_sketch_index *index = am_sketch_index_open(&host);
	unsigned held = 0;

	if (index == NULL)
		abort();
	memset(in, 0, sizeof(in));
	for (unsigned round = 0; round < 20000; round++) {
		size_t id = (size_t)drawn_below(&seed, MODEL_IDS);
		struct am_sketch wanted = of_few(&seed);
		unsigned best = 0;
		unsigned asked = 0;
		am_u64 got;
		bool odd_only = round % 2 == 0;

		if (in[id]) {
			am_sketch_index_remove(index, id + 1, &sketches[id]);
			in[id] = false;
			held--;
		} else if (held < 60) {
			sketches[id] = of_few(&seed);
			EXPECT(am_sketch_index_add(index, id + 1, &sketches[id]));
			/* Once more changes nothing. */
			EXPECT(am_sketch_index_add(index, id + 1, &sketches[id]));
			in[id] = true;
			held++;
		}
		for (size_t i = 0; i < MODEL_IDS; i++) {
			unsigned common = in[i] ? am_sketch_common(&sketches[i], &wanted) : 0;

			if (common > best && (!odd_only || (i + 1) % 2 == 1))
				best = common;
		}
		got = am_sketch_index_find(index, &wanted, odd_only ? is_odd : NULL, &asked);
		EXPECT((got != 0) == (best >= AM_SKETCH_ALIKE));
		EXPECT(got == 0 || (in[got - 1] && am_sketch_common(&sketches[got - 1], &wanted) == best));
		EXPECT(asked <= held);
		EXPECT(lent.bytes == am_sketch_index_bytes(index));
	}
	am_sketch_index_close(index);
	EXPECT(lent.bytes == 0 && lent.pieces == 0);
}

static bool never(void *context, am_u64 id)
{
	++*(unsigned *)context;
	(void)id;
	return false;
}

/* One sketch for thousands: the first and the newest are kept, and searching stays short. */
static void crowd(void)
{
	enum { MANY = 20000 };
	struct am_sketch_index *index = am_sketch_index_open(&host);
	uint64_t seed = 5;
	struct am_sketch same;
	struct am_sketch lonely;
	unsigned asked = 0;
	size_t least;

	if (index == NULL)
		abort();
	least = am_sketch_index_bytes(index);
	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++) {
		same.feature[i] = (am_u32)drawn(&seed) | 1;
		lonely.feature[i] = (am_u32)drawn(&seed) | 1;
	}
	EXPECT(am_sketch_index_add(index, MANY + 1, &lonely));
	for (am_u64 id = 1; id <= MANY; id++)
		EXPECT(am_sketch_index_add(index, id, &same));
	EXPECT(am_sketch_index_find(index, &same, never, &asked) == 0 && asked == 16);
	EXPECT(am_sketch_index_find(index, &same, NULL, NULL) == MANY);
	EXPECT(am_sketch_index_find(index, &lonely, NULL, NULL) == MANY + 1);
	EXPECT(am_sketch_index_bytes(index) == least);
	for (am_u64 id = MANY; id > 8; id--)
		am_sketch_index_remove(index, id, &same);
	EXPECT(am_sketch_index_find(index, &same, NULL, NULL) == 8);
	for (am_u64 id = 8; id > 0; id--)
		am_sketch_index_remove(index, id, &same);
	EXPECT(am_sketch_index_find(index, &same, NULL, NULL) == 0);
	EXPECT(am_sketch_index_find(index, &lonely, NULL, NULL) == MANY + 1);
	/* Each of its own: memory comes and goes. */
	for (am_u64 id = 1; id <= MANY; id++) {
		same.feature[id % AM_SKETCH_FEATURES] = (am_u32)drawn(&seed) | 1;
		EXPECT(am_sketch_index_add(index, id, &(struct am_sketch){ { (am_u32)id, (am_u32)id + 1, (am_u32)id + 2 } }));
	}
	EXPECT(am_sketch_index_bytes(index) > MANY * 3 * 16);
	for (am_u64 id = 1; id <= MANY; id++)
		am_sketch_index_remove(index, id, &(struct am_sketch){ { (am_u32)id, (am_u32)id + 1, (am_u32)id + 2 } });
	EXPECT(am_sketch_index_bytes(index) == least);
	EXPECT(am_sketch_index_find(index, &lonely, NULL, NULL) == MANY + 1);
	am_sketch_index_close(index);
	EXPECT(lent.bytes == 0 && lent.pieces == 0);
}

/* Growing leaves the newest in front and the first where they are. */
static void order_kept(void)
{
	struct am_sketch_index *index = am_sketch_index_open(&host);
	struct am_sketch same = { { 1, 2, 3, 4 } };
	unsigned asked = 0;

	if (index == NULL)
		abort();
	for (am_u64 id = 1; id <= 20; id++)
		EXPECT(am_sketch_index_add(index, id, &same));
	for (am_u64 id = 100; id < 3000; id++)
		EXPECT(am_sketch_index_add(index, id, &(struct am_sketch){ { (am_u32)id, 0, (am_u32)id } }));
	EXPECT(am_sketch_index_find(index, &same, NULL, NULL) == 20);
	for (am_u64 id = 20; id > 12; id--)
		am_sketch_index_remove(index, id, &same);
	/* 9 to 12 made room for newer ones. */
	EXPECT(am_sketch_index_find(index, &same, NULL, NULL) == 8);
	EXPECT(am_sketch_index_find(index, &same, never, &asked) == 0 && asked == 8);
	am_sketch_index_close(index);
}

static void refused(void)
{
	uint64_t seed = 6;

	for (unsigned refuse_in = 1; refuse_in < 12; refuse_in++) {
		struct am_sketch_index *index;
		am_u64 added = 0;

		lent.refuse_in = refuse_in;
		index = am_sketch_index_open(&host);
		EXPECT((index == NULL) == (refuse_in <= 3));
		for (am_u64 id = 1; index != NULL && id <= 2000; id++) {
			struct am_sketch sketch = { { (am_u32)drawn(&seed), (am_u32)drawn(&seed) } };
			bool is_in = am_sketch_index_add(index, id, &sketch);

			EXPECT(am_sketch_index_find(index, &sketch, NULL, NULL) == (is_in ? id : 0));
			added += is_in;
		}
		EXPECT(index == NULL || added > 1900);
		EXPECT(refuse_in == 11 || refuse_in <= 3 || added < 2000);
		if (index != NULL)
			am_sketch_index_close(index);
		EXPECT(lent.bytes == 0 && lent.pieces == 0);
	}
	lent.refuse_in = 0;
}

int main(void)
{
	uint8_t *data = malloc(BLOCK);

	if (data == NULL)
		return 2;
	by_the_book(8);
	as_told(data);
	little(data);
	forks(data, 64 << 10);
	forks(data, 256 << 10);
	forks(data, BLOCK);
	as_a_list(7);
	crowd();
	order_kept();
	refused();
	free(data);
	return failures == 0 ? 0 : 1;
}
