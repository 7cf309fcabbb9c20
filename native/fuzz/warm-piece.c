/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces and dictionaries as they come back from disk. The first byte says how
 * the rest is taken: 0 as it is; 1 a piece and 2 a dictionary whose seal is
 * made right, so that what is behind it is reached.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "warm/warm.h"

#define MOST_BYTES (256u * 1024u)
#define PLAIN_MOST (1024u * 1024u)
#define GUARD_BYTES 64u
/* Where a saved piece and a saved dictionary have their seals, and from where these count. */
#define PIECE_CHECK_AT 8
#define PIECE_CHECKED_FROM 16
#define PIECE_STORED_AT 28
#define PIECE_HEAD_BYTES 40
#define DICTIONARY_KIND_AT 4
#define DICTIONARY_CHECK_AT 8
#define DICTIONARY_HEAD_BYTES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The base of each piece that has one. */
static void base_text(uint8_t *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)"a line of the base with the number 0123456789\n"[(i + i / 97 * 31) % 46];
}

static void expect(int right)
{
	if (!right)
		abort();
}

static void look(struct warm *warm, const struct warm_piece *piece, const uint8_t *bytes, size_t count)
{
	size_t plain = warm_piece_plain_bytes(piece);
	uint8_t *again = malloc(count);
	uint8_t *out;
	uint8_t *base;
	size_t base_bytes = 0;
	int error;

	expect(again != NULL && plain <= WARM_BLOCK_MOST && warm_piece_stored_bytes(piece) + PIECE_HEAD_BYTES == count);
	expect(warm_piece_save_bytes(piece) == count && warm_piece_save(piece, again, count) == (ssize_t)count && memcmp(again, bytes, count) == 0);
	free(again);
	if (plain > PLAIN_MOST)
		return;
	if (warm_piece_is_based(piece)) {
		uint32_t said;

		memcpy(&said, bytes + PIECE_STORED_AT + 4, sizeof(said));
		base_bytes = said <= PLAIN_MOST ? said : PLAIN_MOST;
	}
	base = malloc(base_bytes + 1);
	out = malloc(plain + GUARD_BYTES);
	expect(base != NULL && out != NULL);
	base_text(base, base_bytes);
	memset(out, 0x5a, plain + GUARD_BYTES);
	error = warm_unpack(warm, piece, base_bytes == 0 ? NULL : base, base_bytes, out);
	expect(error == 0 || error == -5);
	for (size_t i = 0; i < GUARD_BYTES; i++)
		expect(out[plain + i] == 0x5a);
	if (error == 0) {
		uint64_t said;

		memcpy(&said, bytes + 16, sizeof(said));
		expect(checksum_of(out, plain) == said);
	}
	free(base);
	free(out);
}

static void piece_of(const uint8_t *bytes, size_t count)
{
	struct warm *warm = warm_open();
	struct warm_piece *piece = NULL;
	struct warm_stats stats;
	int error;

	expect(warm != NULL);
	error = warm_piece_load(warm, bytes, count, &piece);
	expect((error == 0) == (piece != NULL));
	if (piece != NULL)
		look(warm, piece, bytes, count);
	warm_drop(warm, piece);
	warm_stats(warm, &stats);
	expect(stats.pieces == 0 && stats.pool_bytes == 0 && stats.plain_bytes == 0);
	warm_close(warm);
}

/* One that was taken serves what is packed with it. */
static void dictionary_of(const uint8_t *bytes, size_t count)
{
	struct warm *warm = warm_open();
	static uint8_t text[3000];
	static uint8_t out[3000];
	struct warm_piece *piece = NULL;

	expect(warm != NULL);
	if (warm_add_dictionary(warm, 3, bytes, count) == 0) {
		base_text(text, sizeof(text));
		expect(warm_pack(warm, AM_EFFORT_NORMAL, (enum am_kind)bytes[DICTIONARY_KIND_AT], text, sizeof(text), NULL, 0, &piece) == 0);
		expect(warm_unpack(warm, piece, NULL, 0, out) == 0 && memcmp(text, out, sizeof(text)) == 0);
		warm_drop(warm, piece);
	}
	warm_close(warm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes;
	size_t count = size - 1;
	uint64_t check;

	if (size < 1 || size > MOST_BYTES)
		return 0;
	/* Of its own size: reading past its end is found. */
	bytes = malloc(count + (count == 0));
	expect(bytes != NULL);
	memcpy(bytes, data + 1, count);
	if (data[0] == 1 && count >= PIECE_HEAD_BYTES) {
		uint32_t stored = (uint32_t)(count - PIECE_HEAD_BYTES);

		memcpy(bytes, "AMw1\0\0\0", 8);
		memcpy(bytes + PIECE_STORED_AT, &stored, sizeof(stored));
		memset(bytes + PIECE_HEAD_BYTES - 2, 0, 2);
		check = checksum_of(bytes + PIECE_CHECKED_FROM, count - PIECE_CHECKED_FROM);
		memcpy(bytes + PIECE_CHECK_AT, &check, sizeof(check));
	} else if (data[0] == 2 && count > DICTIONARY_HEAD_BYTES) {
		memcpy(bytes, "AMd1", 4);
		memset(bytes + DICTIONARY_KIND_AT + 1, 0, 3);
		check = checksum_of(bytes + DICTIONARY_HEAD_BYTES, count - DICTIONARY_HEAD_BYTES) ^ bytes[DICTIONARY_KIND_AT];
		memcpy(bytes + DICTIONARY_CHECK_AT, &check, sizeof(check));
	}
	piece_of(bytes, count);
	dictionary_of(bytes, count);
	free(bytes);
	return 0;
}
