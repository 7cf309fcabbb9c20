/* SPDX-License-Identifier: Apache-2.0 */
/* What the warm tier's pool costs besides what is in it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "warm-kit.h"

#define PIECES 3000
#define REGION_BYTES (256u * 1024u)
#define PAGE_BYTES 4096u
#define ROUNDS 12
#define MOST_BYTES (256u * 1024u)

static struct kept {
	struct warm_piece *piece;
	uint64_t seed;
	size_t bytes;
} kept[PIECES];
/* Not from malloc: what that keeps is not what is measured. */
static uint8_t data[MOST_BYTES];
static uint8_t out[MOST_BYTES];

/* Sizes as they come: many small, some up to 200 KB. */
static size_t some_size(uint64_t *state)
{
	return below(state, 8) > 0 ? 100 + below(state, 6000) : 1000 + below(state, 200000);
}

static void put(struct warm *warm, struct kept *one, uint64_t *state)
{
	one->seed = draw(state);
	one->bytes = some_size(state);
	make_random(data, one->bytes, one->seed);
	one->piece = packed(warm, AM_EFFORT_NONE, AM_KIND_OTHER, data, one->bytes, NULL, 0);
}

static void take(struct warm *warm, struct kept *one, bool look)
{
	if (look) {
		make_random(data, one->bytes, one->seed);
		EXPECT(warm_unpack(warm, one->piece, NULL, 0, out) == 0 && memcmp(out, data, one->bytes) == 0);
	}
	warm_drop(warm, one->piece);
	one->piece = NULL;
}

/* As arena.h promises: what is stored, with a header of at most 16 bytes or a page each, and holes of a 24th and one region. */
static void expect_bound(struct warm *warm)
{
	struct warm_stats stats;
	uint64_t bound = 0;

	for (size_t i = 0; i < PIECES; i++)
		if (kept[i].piece != NULL) {
			size_t stored = warm_piece_stored_bytes(kept[i].piece);

			bound += stored > 64 * 1024 ? (stored + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES : stored + 16 + (stored + 16) / 24;
		}
	warm_stats(warm, &stats);
	EXPECT(stats.pool_bytes >= stats.stored_bytes);
	EXPECT(stats.pool_bytes <= bound + REGION_BYTES + PAGE_BYTES);
	if (stats.stored_bytes > 40u << 20)
		EXPECT(stats.pool_bytes < stats.stored_bytes + stats.stored_bytes / 20);
}

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;

	EXPECT(file != NULL && fscanf(file, "%*u %lu", &pages) == 1);
	if (file != NULL)
		fclose(file);
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void memory(void)
{
	struct warm *warm = pool();
	struct warm_stats stats;
	uint64_t state = 1;
	uint64_t full;

	for (size_t i = 0; i < PIECES; i++)
		put(warm, &kept[i], &state);
	expect_bound(warm);
	full = resident_bytes();
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* A part goes, then some of it comes again: holes everywhere. */
		unsigned part = 2 + round % 4;

		for (size_t i = 0; i < PIECES; i++)
			if (kept[i].piece != NULL && below(&state, part) == 0)
				take(warm, &kept[i], round % 3 == 0);
		expect_bound(warm);
		for (size_t i = 0; i < PIECES; i++)
			if (kept[i].piece == NULL && below(&state, 3) > 0)
				put(warm, &kept[i], &state);
		expect_bound(warm);
		if (round % 5 == 0)
			warm_rest(warm);
	}
	for (size_t i = 0; i < PIECES; i++)
		if (kept[i].piece != NULL)
			take(warm, &kept[i], true);
	warm_stats(warm, &stats);
	EXPECT(stats.pool_bytes == 0 && stats.stored_bytes == 0 && stats.pieces == 0);
	EXPECT(full > 45u << 20);
	EXPECT(resident_bytes() + (35u << 20) < full);
	warm_close(warm);
}

/* Working memory is there while there is work. */
static void rest(void)
{
	struct warm *warm = pool();
	struct warm_stats stats;
	uint8_t *large = room_of(8u << 20);
	struct warm_piece *piece;

	make_log(large, 8u << 20, 1, 2);
	piece = packed(warm, AM_EFFORT_THOROUGH, AM_KIND_OTHER, large, 8u << 20, NULL, 0);
	EXPECT(comes_back(warm, piece, large, 8u << 20, NULL, 0));
	warm_stats(warm, &stats);
	EXPECT(stats.own_bytes > 4u << 20);
	warm_rest(warm);
	warm_stats(warm, &stats);
	EXPECT(stats.own_bytes < 16 * 1024);
	EXPECT(comes_back(warm, piece, large, 8u << 20, NULL, 0));
	warm_drop(warm, piece);
	free(large);
	warm_close(warm);
}

int main(int count, char **words)
{
	const char *what = count == 2 ? words[1] : "";

	if (strcmp(what, "memory") == 0)
		memory();
	else if (strcmp(what, "rest") == 0)
		rest();
	else
		return 2;
	return failures > 0;
}
