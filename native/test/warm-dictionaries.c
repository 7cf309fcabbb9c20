/* SPDX-License-Identifier: Apache-2.0 */
/* Dictionaries of the warm tier: learnt, saved with what needs them, brought back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "warm-kit.h"

#define UNIT_BYTES 3000u
#define ENOUGH 200u

/* Of units of one kind: `seed` is what they are about. */
static void unit(uint8_t *out, uint64_t seed, uint64_t number)
{
	make_log(out, UNIT_BYTES, seed * 1000 + number, number);
}

/* Content of another nature for each, so that what was learnt before does not help. */
static void strange_unit(uint8_t *out, uint64_t nature, uint64_t number)
{
	uint64_t state = number;
	size_t at = 0;

	while (at < UNIT_BYTES) {
		uint64_t word = (nature << 32) + below(&state, 500);
		uint64_t shape = draw(&word);

		for (unsigned i = 0; i < 40 && at < UNIT_BYTES; i++, shape = shape * UINT64_C(6364136223846793005) + 1)
			out[at++] = (uint8_t)('0' + (shape >> 33) % 60);
	}
}

static void teach(struct warm *warm, enum am_kind kind, uint64_t nature, unsigned count)
{
	uint8_t data[UNIT_BYTES];

	for (unsigned i = 0; i < count; i++) {
		if (nature == 0)
			unit(data, 1, i);
		else
			strange_unit(data, nature, i);
		warm_learn(warm, kind, data, UNIT_BYTES);
	}
}

static void learning(void)
{
	struct warm *warm = pool();
	struct warm *later = pool();
	struct warm_piece *before, *piece, *other, *back = NULL;
	uint8_t data[UNIT_BYTES];
	const void *dictionary;
	size_t dictionary_bytes;
	size_t length;
	uint8_t *bytes;
	uint8_t *copy;

	unit(data, 1, 5000);
	before = packed(warm, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(before) == 0);
	EXPECT(warm_dictionary(warm, 1, &dictionary) == 0 && dictionary == NULL);
	teach(warm, AM_KIND_TOOL_RESULT, 0, ENOUGH);
	other = packed(warm, AM_EFFORT_NORMAL, AM_KIND_CONVERSATION, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(other) == 0);
	piece = packed(warm, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(piece) == 1);
	EXPECT(warm_piece_stored_bytes(piece) < warm_piece_stored_bytes(before) - warm_piece_stored_bytes(before) / 10);
	EXPECT(comes_back(warm, piece, data, UNIT_BYTES, NULL, 0) && comes_back(warm, before, data, UNIT_BYTES, NULL, 0));
	warm_rest(warm);
	EXPECT(comes_back(warm, piece, data, UNIT_BYTES, NULL, 0));

	/* Into another pool, with it and without. */
	bytes = saved(piece, &length);
	dictionary_bytes = warm_dictionary(warm, 1, &dictionary);
	EXPECT(dictionary_bytes > 1000 && dictionary_bytes < 64 * 1024);
	EXPECT(warm_piece_load(later, bytes, length, &back) == -ENOENT && back == NULL);
	copy = room_of(dictionary_bytes);
	for (size_t i = 0; i < dictionary_bytes; i += 1 + i / 20) {
		memcpy(copy, dictionary, dictionary_bytes);
		copy[i] ^= 4;
		EXPECT(warm_add_dictionary(later, 1, copy, dictionary_bytes) == -EIO);
		EXPECT(warm_add_dictionary(later, 1, dictionary, i) == -EIO);
	}
	EXPECT(warm_add_dictionary(later, 0, dictionary, dictionary_bytes) == -EINVAL);
	EXPECT(warm_add_dictionary(later, WARM_DICTIONARIES + 1, dictionary, dictionary_bytes) == -EINVAL);
	EXPECT(warm_add_dictionary(later, 1, dictionary, dictionary_bytes) == 0);
	EXPECT(warm_add_dictionary(later, 1, dictionary, dictionary_bytes) == 0);
	EXPECT(warm_piece_load(later, bytes, length, &back) == 0);
	EXPECT(back != NULL && comes_back(later, back, data, UNIT_BYTES, NULL, 0));
	warm_drop(later, back);
	/* It is that kind's from now on, and its number nobody else's. */
	back = packed(later, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(back) == 1 && comes_back(later, back, data, UNIT_BYTES, NULL, 0));
	warm_drop(later, back);
	teach(later, AM_KIND_OTHER, 3, ENOUGH);
	strange_unit(data, 3, 7000);
	back = packed(later, AM_EFFORT_NORMAL, AM_KIND_OTHER, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(back) == 2);
	dictionary_bytes = warm_dictionary(later, 2, &dictionary);
	EXPECT(warm_add_dictionary(later, 1, dictionary, dictionary_bytes) == -EEXIST);
	warm_drop(later, back);

	free(copy);
	free(bytes);
	warm_drop(warm, before);
	warm_drop(warm, piece);
	warm_drop(warm, other);
	warm_close(warm);
	warm_close(later);
}

/* Content changes: a new dictionary comes, the old one stays for the pieces that need it. */
static void versions(void)
{
	struct warm *warm = pool();
	struct warm_piece *old, *piece;
	uint8_t data[UNIT_BYTES];
	uint8_t new_data[UNIT_BYTES];
	unsigned tries = 0;

	teach(warm, AM_KIND_TOOL_RESULT, 0, ENOUGH);
	unit(data, 1, 5000);
	old = packed(warm, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(old) == 1);
	strange_unit(new_data, 2, 7000);
	do {
		teach(warm, AM_KIND_TOOL_RESULT, 2, ENOUGH);
		piece = packed(warm, AM_EFFORT_THOROUGH, AM_KIND_TOOL_RESULT, new_data, UNIT_BYTES, NULL, 0);
		if (warm_piece_dictionary(piece) == 2)
			break;
		warm_drop(warm, piece);
		piece = NULL;
	} while (++tries < 100);
	/* Not at once, and not never. */
	EXPECT(piece != NULL && tries > 2);
	EXPECT(piece != NULL && comes_back(warm, piece, new_data, UNIT_BYTES, NULL, 0));
	EXPECT(comes_back(warm, old, data, UNIT_BYTES, NULL, 0));
	warm_drop(warm, piece);
	warm_drop(warm, old);
	warm_close(warm);
}

/* A number whose dictionary nothing needs any more is used again; one that was saved never. */
static void numbers(void)
{
	struct warm *donor = pool();
	struct warm *warm = pool();
	uint8_t data[UNIT_BYTES];
	const void *dictionary;
	size_t bytes;
	struct warm_piece *piece;

	teach(donor, AM_KIND_OTHER, 4, ENOUGH);
	strange_unit(data, 4, 7000);
	warm_drop(donor, packed(donor, AM_EFFORT_NORMAL, AM_KIND_OTHER, data, UNIT_BYTES, NULL, 0));
	bytes = warm_dictionary(donor, 1, &dictionary);
	EXPECT(bytes > 0);
	for (unsigned i = 1; i <= WARM_DICTIONARIES; i++)
		EXPECT(warm_add_dictionary(warm, i, dictionary, bytes) == 0);
	/* All are taken: done without. */
	teach(warm, AM_KIND_TOOL_RESULT, 0, ENOUGH);
	unit(data, 1, 5000);
	piece = packed(warm, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(piece) == 0 && comes_back(warm, piece, data, UNIT_BYTES, NULL, 0));
	warm_drop(warm, piece);
	/* Nobody looked at the donor's second one, so another may come in its place. */
	teach(donor, AM_KIND_TOOL_RESULT, 0, ENOUGH);
	piece = packed(donor, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(piece) == 2);
	EXPECT(warm_add_dictionary(donor, 2, dictionary, bytes) == -EEXIST);
	warm_drop(donor, piece);
	EXPECT(warm_add_dictionary(donor, 2, dictionary, bytes) == 0);
	piece = packed(donor, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(piece) == 0);
	warm_drop(donor, piece);
	/* Not so once a piece that needs it was saved, though that is dropped here. */
	warm_close(warm);
	warm = pool();
	teach(warm, AM_KIND_TOOL_RESULT, 0, ENOUGH);
	piece = packed(warm, AM_EFFORT_NORMAL, AM_KIND_TOOL_RESULT, data, UNIT_BYTES, NULL, 0);
	EXPECT(warm_piece_dictionary(piece) == 1);
	free(saved(piece, &bytes));
	warm_drop(warm, piece);
	bytes = warm_dictionary(donor, 1, &dictionary);
	EXPECT(warm_add_dictionary(warm, 1, dictionary, bytes) == -EEXIST);
	warm_close(donor);
	warm_close(warm);
}

int main(int count, char **words)
{
	const char *what = count == 2 ? words[1] : "";

	if (strcmp(what, "learning") == 0)
		learning();
	else if (strcmp(what, "versions") == 0)
		versions();
	else if (strcmp(what, "numbers") == 0)
		numbers();
	else
		return 2;
	return failures > 0;
}
