/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. */
#ifndef WARM_INTERNAL_H
#define WARM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "contexts.h"
#include "dictionary.h"
#include "warm.h"

/* Blocks up to this are packed with a dictionary of their kind. */
#define WARM_SMALL_MOST (32u * 1024u)

/* As saved: numbers never change their meaning. */
enum warm_codec { WARM_PLAIN = 1, WARM_FILL, WARM_ZSTD, WARM_ZSTD_BASED, WARM_CODEC_END };

/* Nothing but `bytes` changes after it was made. 40 bytes. */
struct warm_piece {
	struct warm *warm;
	uint8_t *bytes;		/* the arena's */
	uint64_t checksum;	/* of the plain bytes */
	uint32_t plain_bytes;
	uint32_t stored_bytes;
	uint32_t base_bytes;	/* 0: without base */
	uint8_t codec;
	uint8_t dictionary;
};

struct warm {
	struct arena arena;
	struct contexts contexts;
	struct dictionaries dictionaries;
	_Atomic uint64_t pieces;
	_Atomic uint64_t plain_bytes;
	_Atomic uint64_t stored_bytes;
	_Atomic uint64_t plain_pieces;
	_Atomic uint64_t based_pieces;
};

/* Makes the piece as described and counts it; copies `bytes`. NULL without memory, or without its dictionary. */
struct warm_piece *piece_make(struct warm *warm, const struct warm_piece *as, const void *bytes);

#endif
