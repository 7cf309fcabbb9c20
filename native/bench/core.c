/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast the core is on one processor: cutting, sketching, finding. Beside
 * each the peer that reads the same memory: a sum of words, and memcpy of 4 KiB
 * for a lookup. Medians of interleaved rounds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "common/host.h"
#include "core/chunk.h"
#include "core/sketch.h"
#include "core/table.h"

enum { TEXT_BYTES = 64 << 20, ROUNDS = 9, ENTRIES = 100000, LOOKUPS = 200000, SKETCHES = 10000 };

static const struct am_chunk_sizes sizes = { 1u << 20, 2u << 20, 4u << 20 };
/* What is computed is looked at, so that it is computed. */
static volatile uint64_t kept;

static uint64_t drawn(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33 ^ *seed >> 11;
}

static void read_rates(void)
{
	double cut[ROUNDS];
	double sketched[ROUNDS];
	double summed[ROUNDS];
	uint8_t *text = bench_room(TEXT_BYTES);
	uint64_t seed = 1;

	for (size_t i = 0; i < TEXT_BYTES; i++)
		text[i] = (uint8_t)(' ' + drawn(&seed) % 90);
	for (int round = 0; round < ROUNDS; round++) {
		struct am_sketch sketch;
		uint64_t sum = 0;
		double start = bench_now_us();

		for (size_t at = 0; at < TEXT_BYTES;)
			at += am_chunk_cut(&sizes, text + at, TEXT_BYTES - at, true);
		cut[round] = TEXT_BYTES / 1e3 / (bench_now_us() - start);
		start = bench_now_us();
		for (size_t at = 0; at < TEXT_BYTES; at += sizes.average) {
			am_sketch_make(text + at, sizes.average, &sketch);
			kept += sketch.feature[0];
		}
		sketched[round] = TEXT_BYTES / 1e3 / (bench_now_us() - start);
		start = bench_now_us();
		for (size_t at = 0; at < TEXT_BYTES; at += sizeof(uint64_t)) {
			uint64_t word;

			memcpy(&word, text + at, sizeof(word));
			sum += word;
		}
		kept += sum;
		summed[round] = TEXT_BYTES / 1e3 / (bench_now_us() - start);
	}
	free(text);
	bench_print("core-chunk", bench_median(cut, ROUNDS), "GB/s");
	bench_print("core-sketch", bench_median(sketched, ROUNDS), "GB/s");
	bench_print("core-read-peer", bench_median(summed, ROUNDS), "GB/s");
}

static struct am_digest digest_of(uint64_t seed)
{
	struct am_digest digest;

	for (size_t i = 0; i < sizeof(digest); i++)
		digest.bytes[i] = (uint8_t)drawn(&seed);
	return digest;
}

static void lookups(void)
{
	static uint8_t from[64][4096];
	static uint8_t to[4096];
	double by_number[ROUNDS];
	double by_digest[ROUNDS];
	double copied[ROUNDS];
	struct am_table *table = am_table_open(&plain_host, &(struct am_seed){ { 1, 2 } }, NULL, NULL);
	struct am_entry *entries = bench_room(ENTRIES * sizeof(*entries));
	uint64_t seed = 3;
	double start;

	if (table == NULL)
		bench_fail("a table");
	memset(entries, 0, ENTRIES * sizeof(*entries));
	start = bench_now_us();
	for (size_t i = 0; i < ENTRIES; i++) {
		entries[i] = (struct am_entry){ .number = i + 1, .digest = digest_of(i), .has_digest = true };
		if (!am_table_add(table, &entries[i]))
			bench_fail("adding to a table");
	}
	bench_print("core-table-add", (bench_now_us() - start) * 1e3 / ENTRIES, "ns");
	for (int round = 0; round < ROUNDS; round++) {
		start = bench_now_us();
		for (size_t i = 0; i < LOOKUPS; i++) {
			const struct am_entry *entry = am_table_find(table, 1 + drawn(&seed) % ENTRIES);

			kept += entry->domain;
		}
		by_number[round] = (bench_now_us() - start) * 1e3 / LOOKUPS;
		start = bench_now_us();
		for (size_t i = 0; i < LOOKUPS; i++) {
			const struct am_entry *wanted = &entries[drawn(&seed) % ENTRIES];

			kept += am_table_find_digest(table, 0, &wanted->digest)->number;
		}
		by_digest[round] = (bench_now_us() - start) * 1e3 / LOOKUPS;
		start = bench_now_us();
		for (size_t i = 0; i < LOOKUPS; i++) {
			memcpy(to, from[drawn(&seed) % 64], sizeof(to));
			kept += to[drawn(&seed) % sizeof(to)];
		}
		copied[round] = (bench_now_us() - start) * 1e3 / LOOKUPS;
	}
	bench_print("core-table-number", bench_median(by_number, ROUNDS), "ns");
	bench_print("core-table-digest", bench_median(by_digest, ROUNDS), "ns");
	bench_print("core-memcpy-4k-peer", bench_median(copied, ROUNDS), "ns");
	bench_print("core-table-bytes-an-entry", (double)am_table_bytes(table) / ENTRIES, "bytes");
	for (size_t i = 0; i < ENTRIES; i++)
		am_table_remove(table, &entries[i]);
	am_table_close(table);
	free(entries);
}

static void likeness(void)
{
	double found[ROUNDS];
	struct am_sketch_index *index = am_sketch_index_open(&plain_host);
	struct am_sketch *sketches = bench_room(SKETCHES * sizeof(*sketches));
	uint64_t seed = 4;

	if (index == NULL)
		bench_fail("a sketch index");
	for (size_t i = 0; i < SKETCHES; i++) {
		/* Every second shares four features with thousands. */
		for (unsigned k = 0; k < AM_SKETCH_FEATURES; k++)
			sketches[i].feature[k] = i % 2 == 0 && k < 4 ? k + 1 : (am_u32)drawn(&seed) | 1;
		if (!am_sketch_index_add(index, i + 1, &sketches[i]))
			bench_fail("adding a sketch");
	}
	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_now_us();

		for (size_t i = 0; i < SKETCHES; i++)
			kept += am_sketch_index_find(index, &sketches[i], NULL, NULL);
		found[round] = (bench_now_us() - start) * 1e3 / SKETCHES;
	}
	bench_print("core-sketch-find", bench_median(found, ROUNDS), "ns");
	bench_print("core-sketch-bytes-a-block", (double)am_sketch_index_bytes(index) / SKETCHES, "bytes");
	am_sketch_index_close(index);
	free(sketches);
}

int main(void)
{
	read_rates();
	lookups();
	likeness();
	return 0;
}
