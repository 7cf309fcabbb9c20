/* SPDX-License-Identifier: Apache-2.0 */
#include "alike.h"

#include <stdbool.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RUN_BYTES 64u
#define STRETCHES 16u
#define STRETCH_BYTES (16u * 1024u)
#define SLOTS 4096u
#define HELD_MOST (SLOTS / 2)

/* What was drawn; twice the same is once. */
struct runs {
	uint64_t hash[SLOTS];	/* 0: empty */
	bool found[SLOTS];
	unsigned held;
};

/* Where a run begins: wherever it stands the same, one place in 256. */
static bool begins(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word * UINT64_C(0x9e3779b97f4a7c15) >> 56 == 0;
}

/* Its slot, or the empty one where it would be. */
static size_t slot_of(const struct runs *runs, uint64_t hash)
{
	size_t slot = hash >> 32 & (SLOTS - 1);

	while (runs->hash[slot] != 0 && runs->hash[slot] != hash)
		slot = (slot + 1) & (SLOTS - 1);
	return slot;
}

static uint64_t hash_of(const uint8_t *at)
{
	return XXH3_64bits(at, RUN_BYTES) | 1;
}

static void draw(struct runs *runs, const uint8_t *from, size_t bytes)
{
	for (size_t i = 0; i + RUN_BYTES <= bytes && runs->held < HELD_MOST; i++)
		if (begins(from + i)) {
			uint64_t hash = hash_of(from + i);
			size_t slot = slot_of(runs, hash);

			runs->held += runs->hash[slot] == 0;
			runs->hash[slot] = hash;
		}
}

unsigned alike_percent(const uint8_t *block, size_t bytes, const uint8_t *base, size_t base_bytes)
{
	struct runs runs = { .held = 0 };
	unsigned found = 0;

	if (bytes <= STRETCHES * STRETCH_BYTES)
		draw(&runs, block, bytes);
	else
		for (size_t i = 0; i < STRETCHES; i++)
			draw(&runs, block + (bytes - STRETCH_BYTES) / (STRETCHES - 1) * i, STRETCH_BYTES);
	if (runs.held == 0)
		return ALIKE_SURE;
	for (size_t i = 0; i + RUN_BYTES <= base_bytes && found * 100 < runs.held * ALIKE_SURE; i++)
		if (begins(base + i)) {
			uint64_t hash = hash_of(base + i);
			size_t slot = slot_of(&runs, hash);

			found += runs.hash[slot] == hash && !runs.found[slot];
			runs.found[slot] = true;
		}
	return found * 100 / runs.held;
}
