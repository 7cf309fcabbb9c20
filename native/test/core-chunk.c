/* SPDX-License-Identifier: Apache-2.0 */
/* kmod/core/chunk.c against a cutter written byte by byte as the header tells it. Exit 1 with each that is wrong. */
#include "core-kit.h"

#include "core/chunk.h"
#include "core/gear.h"

enum { TEXT_MOST = 4 << 20, CUTS_MOST = 1 << 16 };

static const struct am_chunk_sizes small = { 1024, 4096, 16384 };

static void sizes(void)
{
	static const struct {
		struct am_chunk_sizes sizes;
		bool ok;
	} cases[] = {
		{ { 1024, 4096, 16384 }, true },
		{ { 64, 4096, 4096 }, true },
		{ { 4096, 4096, 4096 }, true },
		{ { 16u << 20, 16u << 20, 64u << 20 }, true },
		{ { 63, 4096, 16384 }, false },
		{ { 0, 4096, 16384 }, false },
		{ { 4097, 4096, 16384 }, false },
		{ { 1024, 4096, 4095 }, false },
		{ { 1024, 2048, 16384 }, false },
		{ { 1024, 6144, 16384 }, false },
		{ { 1024, 0, 16384 }, false },
		{ { 1024, 32u << 20, 64u << 20 }, false },
		{ { 1024, 4096, (64u << 20) + 1 }, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		EXPECT(am_chunk_sizes_ok(&cases[i].sizes) == cases[i].ok);
}

static void gear(void)
{
	uint64_t seed = 0x6167656e746d656du;

	for (unsigned i = 0; i < 256; i++)
		EXPECT(am_gear[i] == drawn(&seed));
}

/* Each length by itself, its window from nothing. */
static size_t plain_cut(const struct am_chunk_sizes *by, const uint8_t *data, size_t bytes)
{
	unsigned bits = 0;

	while (1u << bits < by->average)
		bits++;
	for (size_t length = by->min; length <= bytes && length < by->max; length++) {
		uint64_t hash = 0;

		for (size_t i = length - AM_GEAR_WINDOW; i < length; i++)
			hash = (hash << 3) + am_gear[data[i]];
		if (hash << 16 >> (64 - (length <= by->average ? bits + 1 : bits - 2)) == 0)
			return length;
	}
	return bytes < by->max ? bytes : by->max;
}

static size_t cut_all(const struct am_chunk_sizes *by, const uint8_t *data, size_t bytes, size_t *ends)
{
	size_t count = 0;

	for (size_t at = 0; at < bytes; ends[count++] = at) {
		size_t length = am_chunk_cut(by, data + at, bytes - at, true);

		EXPECT(length > 0 && length <= bytes - at && length <= by->max && (length >= by->min || at + length == bytes));
		if (length == 0 || count == CUTS_MOST)
			abort();
		at += length;
	}
	return count;
}

static void as_told(uint8_t *data, uint64_t seed)
{
	static const struct am_chunk_sizes all[] = { { 1024, 4096, 16384 }, { 64, 4096, 4096 }, { 4096, 4096, 4097 }, { 100, 8192, 9000 }, { 20000, 65536, 70000 } };

	for (unsigned round = 0; round < 20; round++) {
		const struct am_chunk_sizes *by = &all[round % 5];
		size_t bytes = (size_t)drawn_below(&seed, 200000);
		size_t at = 0;

		/* Few different bytes: windows repeat, and some of a single byte. */
		for (size_t i = 0; i < bytes; i++)
			data[i] = (uint8_t)(round % 4 == 3 ? round : drawn_below(&seed, round % 2 == 0 ? 256 : 3));
		while (at < bytes) {
			size_t length = am_chunk_cut(by, data + at, bytes - at, true);

			EXPECT(length == plain_cut(by, data + at, bytes - at));
			if (length == 0)
				break;
			/* Found as well by who has seen all but its last byte. */
			if (at + length < bytes)
				EXPECT(am_chunk_cut_on(by, data + at, length - 1, length, false) == length);
			at += length;
		}
		EXPECT(at == bytes);
	}
	EXPECT(am_chunk_cut(&small, data, 0, true) == 0 && am_chunk_cut(&small, NULL, 0, true) == 0 && am_chunk_cut(&small, NULL, 0, false) == 0);
	EXPECT(am_chunk_cut(&small, data, 1, true) == 1 && am_chunk_cut(&small, data, 1, false) == 0);
}

/* Data that comes in pieces of any size, with and without saying what was looked at; each call has exactly what came. */
static void streamed(const uint8_t *data, size_t bytes, bool go_on, uint64_t seed, const size_t *ends, size_t count)
{
	size_t at = 0;
	size_t come = 0;
	size_t seen = 0;
	size_t found = 0;

	while (at < bytes) {
		size_t length;
		uint8_t *exact;

		come += (size_t)drawn_below(&seed, drawn_below(&seed, 4) == 0 ? 30000 : 600);
		come = come < bytes ? come : bytes;
		for (;;) {
			exact = malloc(come - at + 1);
			if (exact == NULL)
				abort();
			memcpy(exact + 1, data + at, come - at);
			length = am_chunk_cut_on(&small, exact + 1, go_on ? seen : 0, come - at, come == bytes);
			free(exact);
			if (length == 0)
				break;
			at += length;
			seen = 0;
			EXPECT(found < count && at == ends[found]);
			found++;
			if (at == come)
				break;
		}
		seen = come - at;
		EXPECT(seen < small.max);
	}
	EXPECT(found == count);
}

/* Bytes of the second text that lie in chunks which the first has too. */
static size_t common(const uint8_t *a, const size_t *a_ends, size_t a_count, const uint8_t *b, const size_t *b_ends, size_t b_count)
{
	size_t bytes = 0;

	for (size_t i = 0, b_at = 0; i < b_count; b_at = b_ends[i++]) {
		size_t length = b_ends[i] - b_at;

		for (size_t k = 0, a_at = 0; k < a_count; a_at = a_ends[k++]) {
			if (a_ends[k] - a_at == length && memcmp(a + a_at, b + b_at, length) == 0) {
				bytes += length;
				break;
			}
		}
	}
	return bytes;
}

static void shifted(uint8_t *data, uint8_t *other, size_t *ends, size_t *other_ends)
{
	size_t bytes = talk((char *)data, 1 << 20, 3, 4);
	size_t count = cut_all(&small, data, bytes, ends);
	size_t other_count;

	other[0] = 'x';
	memcpy(other + 1, data, bytes);
	other_count = cut_all(&small, other, bytes + 1, other_ends);
	EXPECT(common(data, ends, count, other, other_ends, other_count) > bytes - 4 * small.max);
	/* A hundred bytes put into the middle. */
	memcpy(other, data, bytes / 2);
	memset(other + bytes / 2, '-', 100);
	memcpy(other + bytes / 2 + 100, data + bytes / 2, bytes - bytes / 2);
	other_count = cut_all(&small, other, bytes + 100, other_ends);
	EXPECT(common(data, ends, count, other, other_ends, other_count) > bytes - 4 * small.max);
}

/* Ids rewritten on each line leave no chunk the same, but most places where it is cut. */
static void rewritten(uint8_t *data, uint8_t *other, size_t *ends, size_t *other_ends)
{
	size_t bytes = talk((char *)data, TEXT_MOST, 5, 6);
	size_t count = cut_all(&small, data, bytes, ends);
	size_t other_count;
	size_t same = 0;

	EXPECT(talk((char *)other, TEXT_MOST, 5, 7) == bytes && memcmp(data, other, bytes) != 0);
	other_count = cut_all(&small, other, bytes, other_ends);
	for (size_t i = 0, k = 0; i < count; i++) {
		while (k < other_count && other_ends[k] < ends[i])
			k++;
		same += k < other_count && other_ends[k] == ends[i];
	}
	EXPECT(same * 10 > count * 6);
	EXPECT(same < count);
}

static void lengths(uint8_t *data, size_t *ends)
{
	static const struct am_chunk_sizes by = { 1024, 4096, 8192 };
	uint64_t seed = 11;
	size_t at_most = 0;
	size_t count;

	for (size_t i = 0; i < TEXT_MOST; i++)
		data[i] = (uint8_t)drawn(&seed);
	count = cut_all(&by, data, TEXT_MOST, ends);
	for (size_t i = 0, at = 0; i < count; at = ends[i++])
		at_most += ends[i] - at == by.max;
	/* Without repetitions 1.05 x average, and one of fifty at max. */
	EXPECT(count > TEXT_MOST / 5000 && count < TEXT_MOST / 4200);
	EXPECT(at_most * 30 < count);
}

int main(void)
{
	uint8_t *data = malloc(TEXT_MOST);
	uint8_t *other = malloc(TEXT_MOST);
	size_t *ends = malloc(CUTS_MOST * sizeof(*ends));
	size_t *other_ends = malloc(CUTS_MOST * sizeof(*ends));
	size_t bytes;
	size_t count;

	if (data == NULL || other == NULL || ends == NULL || other_ends == NULL)
		return 2;
	sizes();
	gear();
	as_told(data, 1);
	bytes = talk((char *)data, 400000, 1, 2);
	count = cut_all(&small, data, bytes, ends);
	EXPECT(count > 20);
	for (uint64_t seed = 0; seed < 3; seed++) {
		streamed(data, bytes, false, seed, ends, count);
		streamed(data, bytes, true, seed, ends, count);
	}
	shifted(data, other, ends, other_ends);
	rewritten(data, other, ends, other_ends);
	lengths(data, ends);
	free(data);
	free(other);
	free(ends);
	free(other_ends);
	return failures == 0 ? 0 : 1;
}
