// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
#include "gear.h"
#include "sketch.h"

/* One place in 128: where these bits of its hash are 0. Of all that are used they depend on most bytes. */
#define SAMPLE_MASK (0x7full << (AM_GEAR_BITS - 7))

/* Eight orders of the same samples: the least of a * x + b. Splitmix64 from 0x736b65746368 ("sketch"), each a made odd. */
static const struct order {
	am_u64 a;
	am_u64 b;
} orders[AM_SKETCH_FEATURES] = {
	{ 0x9237e546e3e89e73ull, 0x1e4c69b42452ab7dull },
	{ 0x04406b93b4271bd5ull, 0xcfd93125fb968f22ull },
	{ 0xf978c49d87d7c513ull, 0x8af08a75af2cc39aull },
	{ 0x973df77936058399ull, 0x46514ecb93b87e5bull },
	{ 0xe08ae3de6e21657full, 0xb0a9d1e17c4f0e60ull },
	{ 0xc0f16c2b1df81fb1ull, 0xbbd8ee6719d77329ull },
	{ 0xa122f67b850225fbull, 0x7f943f2fb51eb52dull },
	{ 0x9fce668ec2afb489ull, 0x982648417771144bull },
};

static am_u32 mixed(am_u64 value)
{
	value = (value ^ value >> 32) * 0x9e3779b97f4a7c15ull;
	value = (value ^ value >> 29) * 0xbf58476d1ce4e5b9ull;
	return (am_u32)(value >> 32);
}

static void take(am_u64 *least, am_u64 hash)
{
	/* Only what depends on the window. */
	hash <<= 64 - AM_GEAR_BITS;
	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++) {
		am_u64 value = hash * orders[i].a + orders[i].b;

		least[i] = value < least[i] ? value : least[i];
	}
}

void am_sketch_make(const am_u8 *data, am_size bytes, struct am_sketch *sketch)
{
	am_u64 least[AM_SKETCH_FEATURES];
	am_u64 hash = 0;
	am_size at = 0;

	memset(least, 0xff, sizeof(least));
	/* A first window that is not full would give places that stand for the beginning alone. */
	while (at < bytes && at < AM_GEAR_WINDOW - 1)
		hash = am_gear_step(hash, data[at++]);
	for (; bytes - at >= 4; at += 4) {
		am_u64 first = am_gear_step(hash, data[at]);
		am_u64 second = am_gear_step(first, data[at + 1]);
		am_u64 third = am_gear_step(second, data[at + 2]);

		hash = am_gear_step(third, data[at + 3]);
		if (__builtin_expect((first & SAMPLE_MASK) == 0, 0))
			take(least, first);
		if (__builtin_expect((second & SAMPLE_MASK) == 0, 0))
			take(least, second);
		if (__builtin_expect((third & SAMPLE_MASK) == 0, 0))
			take(least, third);
		if (__builtin_expect((hash & SAMPLE_MASK) == 0, 0))
			take(least, hash);
	}
	for (; at < bytes; at++) {
		hash = am_gear_step(hash, data[at]);
		if ((hash & SAMPLE_MASK) == 0)
			take(least, hash);
	}
	/* The least of many lie close to 0: mixed, they spread over all 32 bits. */
	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++) {
		am_u32 feature = mixed(least[i]);

		sketch->feature[i] = least[i] == ~(am_u64)0 ? 0 : feature == 0 ? 1 : feature;
	}
}

unsigned am_sketch_common(const struct am_sketch *a, const struct am_sketch *b)
{
	unsigned common = 0;

	for (unsigned i = 0; i < AM_SKETCH_FEATURES; i++)
		common += a->feature[i] != 0 && a->feature[i] == b->feature[i];
	return common;
}
