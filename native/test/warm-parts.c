/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks into the warm tier and back: alone, against bases, saved. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "warm-kit.h"

#define KIB 1024u
#define MIB (1024u * KIB)

static const size_t sizes[] = { 0, 1, 2, 31, 32, 33, 4096, 32 * KIB, 32 * KIB + 1, 64 * KIB + 1, 256 * KIB, 256 * KIB + 1, 3 * MIB };

static void fill(uint8_t *out, size_t bytes, unsigned how)
{
	switch (how) {
	case 0:
		make_log(out, bytes, 1, 2);
		break;
	case 1:
		make_random(out, bytes, 3);
		break;
	case 2:
		memset(out, 0, bytes);
		break;
	case 3:
		memset(out, 'x', bytes);
		out[bytes - 1] = 'y';
		break;
	default:
		make_log(out, bytes, 4, 5);
		make_random(out + bytes / 3, bytes / 3, 6);
	}
}

static void all_kinds(void)
{
	struct warm *warm = pool();
	struct warm_stats stats;
	uint8_t *data = room_of(3 * MIB);

	for (unsigned how = 0; how < 5; how++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			for (enum am_effort effort = AM_EFFORT_NONE; effort <= AM_EFFORT_THOROUGH; effort++) {
				struct warm_piece *piece;

				if (sizes[i] > 0)
					fill(data, sizes[i], how);
				piece = packed(warm, effort, AM_KIND_OTHER, data, sizes[i], NULL, 0);
				EXPECT(comes_back(warm, piece, data, sizes[i], NULL, 0));
				EXPECT(!warm_piece_is_based(piece) && warm_piece_dictionary(piece) == 0);
				EXPECT(warm_piece_stored_bytes(piece) <= sizes[i]);
				if (effort != AM_EFFORT_NONE && sizes[i] > 4096 && how == 0)
					EXPECT(warm_piece_stored_bytes(piece) < sizes[i] / 2);
				if (sizes[i] > 0 && how == 2)
					EXPECT(warm_piece_stored_bytes(piece) == 1);
				warm_stats(warm, &stats);
				EXPECT(stats.pieces == 1 && stats.plain_bytes == sizes[i] && stats.stored_bytes == warm_piece_stored_bytes(piece));
				EXPECT(effort != AM_EFFORT_NONE || how == 2 || sizes[i] < 2 || stats.plain_pieces == 1);
				if (how == 1 && sizes[i] > 64)
					EXPECT(stats.plain_pieces == 1);
				warm_drop(warm, piece);
			}
	warm_stats(warm, &stats);
	EXPECT(stats.pieces == 0 && stats.plain_bytes == 0 && stats.stored_bytes == 0 && stats.plain_pieces == 0 && stats.pool_bytes == 0);
	free(data);
	warm_close(warm);
}

/* The largest, with the largest base; and what is too large. */
static void largest(void)
{
	struct warm *warm = pool();
	struct warm_piece *piece = NULL;
	uint8_t *data = room_of(WARM_BLOCK_MOST + 1);
	uint8_t *base = room_of(WARM_BLOCK_MOST);

	make_log(data, WARM_BLOCK_MOST, 1, 2);
	make_log(base, WARM_BLOCK_MOST, 1, 3);
	piece = packed(warm, AM_EFFORT_FAST, AM_KIND_CONVERSATION, data, WARM_BLOCK_MOST, NULL, 0);
	EXPECT(comes_back(warm, piece, data, WARM_BLOCK_MOST, NULL, 0));
	warm_drop(warm, piece);
	piece = packed(warm, AM_EFFORT_FAST, AM_KIND_CONVERSATION, data, WARM_BLOCK_MOST, base, WARM_BLOCK_MOST);
	EXPECT(warm_piece_is_based(piece) && warm_piece_stored_bytes(piece) < WARM_BLOCK_MOST / 10);
	EXPECT(comes_back(warm, piece, data, WARM_BLOCK_MOST, base, WARM_BLOCK_MOST));
	warm_drop(warm, piece);
	EXPECT(warm_pack(warm, AM_EFFORT_FAST, AM_KIND_CONVERSATION, data, WARM_BLOCK_MOST + 1, NULL, 0, &piece) == -EINVAL && piece == NULL);
	EXPECT(warm_pack(warm, AM_EFFORT_FAST, AM_KIND_CONVERSATION, data, 1, data, WARM_BLOCK_MOST + 1, &piece) == -EINVAL);
	EXPECT(warm_pack(warm, AM_EFFORT_THOROUGH + 1, AM_KIND_CONVERSATION, data, 1, NULL, 0, &piece) == -EINVAL);
	free(data);
	free(base);
	warm_close(warm);
}

/* Another base than it was packed against: an error or, where what differs was not used, the right bytes. */
static void with_wrong_base(struct warm *warm, const struct warm_piece *piece, const uint8_t *data, size_t bytes, uint8_t *base, size_t base_bytes)
{
	uint8_t *out = room_of(bytes);
	unsigned refused = 0;
	uint64_t state = 9;

	for (int i = 0; i < 60; i++) {
		size_t at = below(&state, base_bytes);
		int error;

		base[at] ^= 1;
		error = warm_unpack(warm, piece, base, base_bytes, out);
		EXPECT(error == -EIO || (error == 0 && memcmp(out, data, bytes) == 0));
		refused += error == -EIO;
		base[at] ^= 1;
	}
	EXPECT(refused > 20);
	EXPECT(warm_unpack(warm, piece, NULL, 0, out) == -EIO);
	EXPECT(warm_unpack(warm, piece, base, base_bytes - 1, out) == -EIO);
	memset(out, 0, bytes);
	EXPECT(base_bytes == bytes ? warm_unpack(warm, piece, out, base_bytes, out) == -EIO : true);
	EXPECT(comes_back(warm, piece, data, bytes, base, base_bytes));
	free(out);
}

static void bases(void)
{
	static const size_t with[] = { 2000, 40 * KIB, 300 * KIB, 3 * MIB };
	struct warm *warm = pool();

	for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
		size_t bytes = with[i];
		uint8_t *data = room_of(bytes);
		uint8_t *base = room_of(bytes);
		uint8_t *other = room_of(bytes);

		make_log(data, bytes, 1, 2);
		make_log(base, bytes, 1, 3);
		make_log(other, bytes, 4, 5);
		for (enum am_effort effort = AM_EFFORT_FAST; effort <= AM_EFFORT_THOROUGH; effort++) {
			struct warm_piece *alone = packed(warm, effort, AM_KIND_CONVERSATION, data, bytes, NULL, 0);
			struct warm_piece *piece = packed(warm, effort, AM_KIND_CONVERSATION, data, bytes, base, bytes);
			struct warm_stats stats;

			EXPECT(warm_piece_is_based(piece));
			/* Nothing but the ids, which are random: 16 bytes in some 450. */
			EXPECT(warm_piece_stored_bytes(piece) < bytes / 8 && warm_piece_stored_bytes(piece) * 2 < warm_piece_stored_bytes(alone));
			warm_stats(warm, &stats);
			EXPECT(stats.based_pieces == 1);
			with_wrong_base(warm, piece, data, bytes, base, bytes);
			warm_drop(warm, piece);
			piece = packed(warm, effort, AM_KIND_CONVERSATION, data, bytes, other, bytes);
			EXPECT(comes_back(warm, piece, data, bytes, other, bytes));
			/* Words in common are not enough. */
			EXPECT(bytes < MIB || !warm_piece_is_based(piece));
			warm_drop(warm, piece);
			/* The same bytes, elsewhere. */
			memcpy(other, data, bytes);
			piece = packed(warm, effort, AM_KIND_CONVERSATION, data, bytes, other, bytes);
			make_log(other, bytes, 4, 5);
			EXPECT(warm_piece_stored_bytes(piece) < 200 + bytes / 1000 && comes_back(warm, piece, data, bytes, data, bytes));
			warm_drop(warm, piece);
			warm_drop(warm, alone);
		}
		free(data);
		free(base);
		free(other);
	}
	warm_close(warm);
}

static void refused(struct warm *warm, const uint8_t *bytes, size_t count)
{
	struct warm_piece *piece = NULL;

	EXPECT(warm_piece_load(warm, bytes, count, &piece) == -EIO);
	EXPECT(piece == NULL);
	warm_drop(warm, piece);
}

/* As it is and in no other way. */
static void save_one(struct warm *warm, const struct warm_piece *piece, const uint8_t *data, size_t bytes, const uint8_t *base, size_t base_bytes)
{
	struct warm *later = pool();
	struct warm_piece *back = NULL;
	size_t length;
	uint8_t *kept = saved(piece, &length);
	uint8_t *longer = room_of(length + 1);
	uint8_t *copy = NULL;

	EXPECT(length >= warm_piece_stored_bytes(piece) && length <= warm_piece_stored_bytes(piece) + 64);
	EXPECT(warm_piece_save(piece, longer, length - 1) == -ENOSPC);
	EXPECT(warm_piece_load(later, kept, length, &back) == 0);
	if (back != NULL) {
		EXPECT(comes_back(later, back, data, bytes, base, base_bytes));
		EXPECT(warm_piece_is_based(back) == warm_piece_is_based(piece) && warm_piece_stored_bytes(back) == warm_piece_stored_bytes(piece));
		warm_drop(later, back);
	}
	memcpy(longer, kept, length);
	longer[length] = 0;
	refused(later, longer, length + 1);
	for (size_t i = 0; i < length; i += 1 + i / 40) {
		copy = room_of(i);
		memcpy(copy, kept, i);
		refused(later, copy, i);
		free(copy);
	}
	for (size_t i = 0; i < length; i += 1 + i / 80) {
		kept[i] ^= (uint8_t)(1u << i % 8);
		refused(later, kept, length);
		kept[i] ^= (uint8_t)(1u << i % 8);
	}
	/* Loaded in the pool it came from beside itself. */
	EXPECT(warm_piece_load(warm, kept, length, &back) == 0);
	warm_drop(warm, back);
	free(longer);
	free(kept);
	warm_close(later);
}

static void saving(void)
{
	static const size_t some[] = { 0, 1, 500, 40 * KIB, 700 * KIB };
	struct warm *warm = pool();
	uint8_t *data = room_of(700 * KIB);
	uint8_t *base = room_of(700 * KIB);

	for (unsigned how = 0; how < 5; how++)
		for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
			struct warm_piece *piece;

			if (some[i] > 0)
				fill(data, some[i], how);
			piece = packed(warm, AM_EFFORT_NORMAL, AM_KIND_OTHER, data, some[i], NULL, 0);
			save_one(warm, piece, data, some[i], NULL, 0);
			warm_drop(warm, piece);
		}
	for (size_t i = 2; i < sizeof(some) / sizeof(some[0]); i++) {
		struct warm_piece *piece;

		make_log(data, some[i], 1, 2);
		make_log(base, some[i], 1, 3);
		piece = packed(warm, AM_EFFORT_NORMAL, AM_KIND_CONVERSATION, data, some[i], base, some[i]);
		EXPECT(warm_piece_is_based(piece));
		save_one(warm, piece, data, some[i], base, some[i]);
		warm_drop(warm, piece);
	}
	free(data);
	free(base);
	warm_close(warm);
}

int main(int count, char **words)
{
	const char *what = count == 2 ? words[1] : "";

	if (strcmp(what, "kinds") == 0)
		all_kinds();
	else if (strcmp(what, "largest") == 0)
		largest();
	else if (strcmp(what, "bases") == 0)
		bases();
	else if (strcmp(what, "saving") == 0)
		saving();
	else
		return 2;
	return failures > 0;
}
