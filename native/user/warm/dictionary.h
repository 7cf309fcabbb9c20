/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionaries for small blocks, one a kind at a time. What is learnt from is
 * collected until there is enough; the next who packs makes the dictionary of
 * it, which takes some ms. After much more content another one is tried, and
 * taken where it is really better.
 *
 * A number is never given to another dictionary while pieces use it, and not
 * once anything that needs it was saved.
 */
#ifndef WARM_DICTIONARY_H
#define WARM_DICTIONARY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "contexts.h"
#include "warm.h"

struct dictionary {
	uint8_t *saved;			/* as it is saved; NULL: none with this number */
	size_t saved_bytes;
	ZSTD_CDict *pack[AM_EFFORT_THOROUGH + 1];	/* each NULL until needed, and after a rest */
	ZSTD_DDict *unpack;
	uint32_t users;			/* who packs or unpacks with it now */
	uint64_t pieces;
	bool kept;			/* it, or a piece that needs it, was saved */
};

struct sample {
	uint8_t *bytes;			/* NULL: none is collected now */
	size_t *sizes;
	unsigned count;
	size_t used_bytes;
	uint64_t offered_bytes;		/* since the last dictionary of this kind */
	uint64_t again_bytes;		/* offered, before collecting once more */
	bool full;
};

struct dictionaries {
	pthread_mutex_t lock;		/* guards all; no other lock is taken inside */
	struct dictionary of[WARM_DICTIONARIES + 1];
	uint8_t current[AM_KIND_END];	/* number; 0: none */
	struct sample samples[AM_KIND_END];
	bool trained;			/* since the last rest: malloc has something to give back */
};

void dictionaries_open(struct dictionaries *all);
void dictionaries_close(struct dictionaries *all);
void dictionaries_rest(struct dictionaries *all);
size_t dictionaries_bytes(struct dictionaries *all);

/* Makes a dictionary of what was learnt, where there is enough. */
void dictionary_make_due(struct dictionaries *all, enum am_kind kind);

/* The kind's own; *number is 0 and the answer NULL where there is none. To be ended with dictionary_end_use(). */
const ZSTD_CDict *dictionary_use_for_pack(struct dictionaries *all, enum am_kind kind, enum am_effort effort, unsigned *number);
const ZSTD_DDict *dictionary_use_for_unpack(struct dictionaries *all, unsigned number);
void dictionary_end_use(struct dictionaries *all, unsigned number);

/* Pieces with it come and go. False where there is no such dictionary. */
bool dictionary_hold(struct dictionaries *all, unsigned number);
void dictionary_leave(struct dictionaries *all, unsigned number);
void dictionary_keep(struct dictionaries *all, unsigned number);

#endif
