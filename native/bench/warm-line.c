/* SPDX-License-Identifier: Apache-2.0 */
#include "warm-line.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "common/digest.h"
#include "common/host.h"
#include "core/sketch.h"

#define BLOCKS_MOST 4096

struct block {
	struct am_digest digest;
	struct warm_piece *piece;
	const char *text;
	size_t bytes;
	size_t base;	/* 1 + its place; 0: none */
};

struct line {
	struct warm *warm;
	enum am_effort effort;
	struct am_sketch_index *index;
	struct block blocks[BLOCKS_MOST];
	size_t count;
	struct line_figures figures;
	char *base_room;
};

double line_cpu_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
	return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

struct line *line_open(enum am_effort effort)
{
	struct line *line = calloc(1, sizeof(*line));

	if (line == NULL)
		bench_fail("allocating");
	line->warm = warm_open();
	line->index = am_sketch_index_open(&plain_host);
	line->base_room = bench_room(WARM_BLOCK_MOST);
	line->effort = effort;
	if (line->warm == NULL || line->index == NULL)
		bench_fail("opening the warm tier");
	return line;
}

void line_close(struct line *line)
{
	for (size_t i = 0; i < line->count; i++)
		warm_drop(line->warm, line->blocks[i].piece);
	am_sketch_index_close(line->index);
	warm_close(line->warm);
	free(line->base_room);
	free(line);
}

static int is_known(const struct line *line, const struct am_digest *digest)
{
	for (size_t i = 0; i < line->count; i++)
		if (memcmp(&line->blocks[i].digest, digest, sizeof(*digest)) == 0)
			return 1;
	return 0;
}

/* A base comes from where it is packed: it is not expected to be hot. */
static const char *base_text(struct line *line, size_t base)
{
	const struct block *block = &line->blocks[base - 1];

	bench_must(warm_unpack(line->warm, block->piece, NULL, 0, line->base_room), "unpacking a base");
	return line->base_room;
}

static void add_block(struct line *line, const char *text, size_t bytes)
{
	struct block *block = &line->blocks[line->count];
	struct am_sketch sketch;
	double began;

	line->figures.blocks++;
	digest_of(text, bytes, &block->digest);
	if (is_known(line, &block->digest)) {
		line->figures.shared_blocks++;
		return;
	}
	if (line->count + 1 == BLOCKS_MOST)
		bench_fail("keeping so many blocks");
	am_sketch_make((const am_u8 *)text, bytes, &sketch);
	block->base = am_sketch_index_find(line->index, &sketch, NULL, NULL);
	block->text = text;
	block->bytes = bytes;
	if (block->base != 0)
		base_text(line, block->base);
	began = line_cpu_us();
	bench_must(warm_pack(line->warm, line->effort, AM_KIND_CONVERSATION, text, bytes, block->base == 0 ? NULL : line->base_room, block->base == 0 ? 0 : line->blocks[block->base - 1].bytes, &block->piece), "packing");
	line->figures.pack_us += line_cpu_us() - began;
	line->figures.pack_bytes += bytes;
	if (!warm_piece_is_based(block->piece)) {
		block->base = 0;
		am_sketch_index_add(line->index, line->count + 1, &sketch);
	}
	line->figures.based_blocks += block->base != 0;
	line->count++;
}

void line_add(struct line *line, const char *text, size_t bytes)
{
	double began = line_cpu_us();

	line->figures.plain_bytes += bytes;
	while (bytes > 0) {
		size_t cut = am_chunk_cut(&warm_chunk_sizes, (const am_u8 *)text, bytes, true);

		add_block(line, text, cut);
		text += cut;
		bytes -= cut;
	}
	line->figures.cpu_us += line_cpu_us() - began;
}

void line_check(struct line *line, double *unpack_us)
{
	char *room = bench_room(WARM_BLOCK_MOST);
	double began = line_cpu_us();
	double comparing = 0;

	for (size_t i = 0; i < line->count; i++) {
		const struct block *block = &line->blocks[i];
		const char *base = block->base == 0 ? NULL : base_text(line, block->base);
		double at;

		bench_must(warm_unpack(line->warm, block->piece, base, base == NULL ? 0 : line->blocks[block->base - 1].bytes, room), "unpacking");
		at = line_cpu_us();
		if (memcmp(room, block->text, block->bytes) != 0)
			bench_fail("reading back what went in");
		comparing += line_cpu_us() - at;
	}
	*unpack_us = line_cpu_us() - began - comparing;
	free(room);
}

void line_figures(struct line *line, struct line_figures *figures)
{
	struct warm_stats stats;

	warm_rest(line->warm);
	warm_stats(line->warm, &stats);
	*figures = line->figures;
	/* What is resident, not what was asked for. */
	figures->stored_bytes = stats.pool_bytes;
}
