/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "internal.h"

/*
 * 5 MB on average: agent logs at the normal effort give 4.35 : 1 by 1 MB, 4.55
 * by 5, 4.58 by 9. Larger ones would be more in memory of each fork (the block
 * it goes on from is its own) and longer to read a little of: one is back in 3 ms.
 */
const struct am_chunk_sizes warm_chunk_sizes = { .min = 2u << 20, .average = 4u << 20, .max = 12u << 20 };

struct warm *warm_open(void)
{
	struct warm *warm = calloc(1, sizeof(*warm));

	if (warm == NULL)
		return NULL;
	arena_open(&warm->arena);
	contexts_open(&warm->contexts);
	dictionaries_open(&warm->dictionaries);
	return warm;
}

void warm_close(struct warm *warm)
{
	if (warm == NULL)
		return;
	dictionaries_close(&warm->dictionaries);
	contexts_close(&warm->contexts);
	arena_close(&warm->arena);
	free(warm);
}

static bool is_plain(const struct warm_piece *piece)
{
	return piece->codec == WARM_PLAIN && piece->plain_bytes > 0;
}

struct warm_piece *piece_make(struct warm *warm, const struct warm_piece *as, const void *bytes)
{
	struct warm_piece *piece = malloc(sizeof(*piece));

	if (piece == NULL)
		return NULL;
	*piece = *as;
	piece->warm = warm;
	if (!dictionary_hold(&warm->dictionaries, piece->dictionary)) {
		free(piece);
		return NULL;
	}
	if (arena_put(&warm->arena, piece, bytes) != 0) {
		dictionary_leave(&warm->dictionaries, piece->dictionary);
		free(piece);
		return NULL;
	}
	warm->pieces++;
	warm->plain_bytes += piece->plain_bytes;
	warm->stored_bytes += piece->stored_bytes;
	warm->plain_pieces += is_plain(piece);
	warm->based_pieces += piece->base_bytes > 0;
	return piece;
}

void warm_drop(struct warm *warm, struct warm_piece *piece)
{
	if (piece == NULL)
		return;
	warm->pieces--;
	warm->plain_bytes -= piece->plain_bytes;
	warm->stored_bytes -= piece->stored_bytes;
	warm->plain_pieces -= is_plain(piece);
	warm->based_pieces -= piece->base_bytes > 0;
	arena_remove(&warm->arena, piece);
	dictionary_leave(&warm->dictionaries, piece->dictionary);
	free(piece);
}

size_t warm_piece_plain_bytes(const struct warm_piece *piece)
{
	return piece->plain_bytes;
}

size_t warm_piece_stored_bytes(const struct warm_piece *piece)
{
	return piece->stored_bytes;
}

int warm_piece_is_based(const struct warm_piece *piece)
{
	return piece->base_bytes > 0;
}

unsigned warm_piece_dictionary(const struct warm_piece *piece)
{
	return piece->dictionary;
}

void warm_rest(struct warm *warm)
{
	contexts_rest(&warm->contexts);
	dictionaries_rest(&warm->dictionaries);
	arena_rest(&warm->arena);
}

void warm_stats(struct warm *warm, struct warm_stats *stats)
{
	*stats = (struct warm_stats){
		.pieces = warm->pieces,
		.plain_bytes = warm->plain_bytes,
		.stored_bytes = warm->stored_bytes,
		.pool_bytes = arena_pool_bytes(&warm->arena),
		.plain_pieces = warm->plain_pieces,
		.based_pieces = warm->based_pieces,
	};
	/* A piece is 40 bytes and malloc's own 8. */
	stats->own_bytes = sizeof(*warm) + stats->pieces * (sizeof(struct warm_piece) + 8) + contexts_bytes(&warm->contexts) + dictionaries_bytes(&warm->dictionaries);
}
