/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a corpus packs as what agents log does. */
#include "corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

/* Sum of the sizes of all pieces packed one by one. */
static size_t packed(ZSTD_CCtx *context, const char *text, size_t bytes, size_t piece, int level, char *room, size_t room_bytes)
{
	size_t sum = 0;

	for (size_t at = 0; at < bytes; at += piece)
		sum += ZSTD_compressCCtx(context, room, room_bytes, text + at, bytes - at < piece ? bytes - at : piece, level);
	return sum;
}

const char *corpus_problem(const struct corpus *corpus, uint64_t seed, double *page_ratio, double *megabyte_ratio)
{
	static char text[200];
	const size_t bytes = 8000000;
	const size_t room_bytes = ZSTD_compressBound(1000000);
	char *sample = malloc(bytes);
	char *room = malloc(room_bytes);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t pages = 0;
	size_t megabytes = 0;
	size_t plain = 0;

	if (sample == NULL || room == NULL || context == NULL)
		return "out of memory";
	for (uint64_t conversation = 0; conversation < 4; conversation++) {
		struct corpus_writer writer;

		corpus_begin(&writer, seed, conversation);
		corpus_write(corpus, &writer, sample, bytes);
		pages += packed(context, sample, bytes, 4096, 1, room, room_bytes);
		megabytes += packed(context, sample, bytes, 1000000, 3, room, room_bytes);
		plain += bytes;
	}
	*page_ratio = (double)plain / (double)pages;
	*megabyte_ratio = (double)plain / (double)megabytes;
	free(sample);
	free(room);
	ZSTD_freeCCtx(context);
	if (*page_ratio < 2.8 || *page_ratio > 3.1 || *megabyte_ratio < 4.1 || *megabyte_ratio > 4.5) {
		snprintf(text, sizeof(text), "expected zstd -1 by 4 KiB page 2.8 to 3.1 and zstd -3 by 1 MB 4.1 to 4.5, got %.2f and %.2f", *page_ratio, *megabyte_ratio);
		return text;
	}
	return NULL;
}
