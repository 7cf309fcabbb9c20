/* SPDX-License-Identifier: Apache-2.0 */
/* Content at random for sketches, and calls at random for their index, checked against a list of all that is in it. */
#include "core-take.h"

#include "core/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IDS = 64, FEW = 15 };

static struct am_sketch sketches[IDS];
static bool in[IDS];

/* A sketch of the whole has each feature from its first or its last part, but for the windows over the cut, of which there are 15. */
static void of_parts(const uint8_t *data, size_t size, size_t cut)
{
	struct am_sketch whole;
	struct am_sketch parts[3];

	am_sketch_make(data, size, &whole);
	am_sketch_make(data, cut, &parts[0]);
	am_sketch_make(data + cut, size - cut, &parts[1]);
	{
		size_t from = cut < 15 ? 0 : cut - 15;
		size_t to = size - cut < 15 ? size : cut + 15;

		am_sketch_make(data + from, to - from, &parts[2]);
	}
	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++)
		must(whole.feature[i] == parts[0].feature[i] || whole.feature[i] == parts[1].feature[i] || whole.feature[i] == parts[2].feature[i]);
}

static struct am_sketch of_few(uint64_t drawn)
{
	struct am_sketch sketch;

	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++, drawn >>= 4)
		sketch.feature[i] = (am_u32)(drawn & FEW);
	return sketch;
}

static bool is_wanted(void *context, am_u64 id)
{
	must(id >= 1 && id <= IDS && in[id - 1]);
	return (*(uint64_t *)context >> (id - 1) & 1) != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = { data, data + size };
	struct lent lent = { taken(&input, 4) << 3, 0 };
	const struct am_host host = { &lent, lend, give_back };
	struct am_sketch_index *index = am_sketch_index_open(&host);
	unsigned held = 0;

	must(index != NULL);
	if (size > 0)
		of_parts(data, size, data[0] * 16u % size);
	memset(in, 0, sizeof(in));
	while (input.at < input.end) {
		uint64_t id = taken(&input, 1) % IDS + 1;
		struct am_sketch wanted = of_few(taken(&input, 4));
		uint64_t allowed = taken(&input, 2) * 0x100010001u;
		unsigned best = 0;
		am_u64 got;

		if (in[id - 1]) {
			am_sketch_index_remove(index, id, &sketches[id - 1]);
			in[id - 1] = false;
			held--;
		} else if (held < 15) {
			/* Never more than are kept under one feature. */
			sketches[id - 1] = wanted;
			if (am_sketch_index_add(index, id, &wanted)) {
				in[id - 1] = true;
				held++;
			}
			wanted.feature[taken(&input, 1) % AM_SKETCH_FEATURES] ^= 1;
		}
		for (unsigned i = 0; i < IDS; i++) {
			unsigned common = in[i] && (allowed >> i & 1) != 0 ? am_sketch_common(&sketches[i], &wanted) : 0;

			best = common > best ? common : best;
		}
		got = am_sketch_index_find(index, &wanted, is_wanted, &allowed);
		must((got != 0) == (best >= AM_SKETCH_ALIKE));
		must(got == 0 || am_sketch_common(&sketches[got - 1], &wanted) == best);
		must(am_sketch_index_bytes(index) == lent.bytes);
	}
	/* Thousands of their own, at which it grows and memory may be refused; then all go. */
	for (am_u32 i = 0; i < size % 1024; i++)
		(void)am_sketch_index_add(index, 1000 + i, &(struct am_sketch){ { 100 + i, 100 + i % 3 } });
	for (am_u32 i = 0; i < size % 1024; i++)
		am_sketch_index_remove(index, 1000 + i, &(struct am_sketch){ { 100 + i, 100 + i % 3 } });
	for (unsigned i = 0; i < IDS; i++) {
		if (in[i])
			am_sketch_index_remove(index, i + 1, &sketches[i]);
		in[i] = false;
	}
	for (unsigned i = 0; i < IDS; i++)
		must(am_sketch_index_find(index, &sketches[i], is_wanted, &(uint64_t){ ~0ull }) == 0);
	am_sketch_index_close(index);
	must(lent.bytes == 0);
	return 0;
}
