/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the warm tier share. */
#ifndef TEST_WARM_KIT_H
#define TEST_WARM_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "warm/warm.h"

extern int failures;

#define EXPECT(what)                                                           \
	do {                                                                   \
		if (!(what)) {                                                 \
			fprintf(stderr, "%s line %d: expected %s\n", __FILE__, __LINE__, #what); \
			failures++;                                            \
		}                                                              \
	} while (0)

uint64_t draw(uint64_t *state);
uint64_t below(uint64_t *state, uint64_t most);
/* Ends the program without memory. */
uint8_t *room_of(size_t bytes);

/* Lines like an agent's log, with an id of 32 random digits on each; the same seed says the same, `ids` draws the ids. */
void make_log(uint8_t *out, size_t bytes, uint64_t seed, uint64_t ids);
void make_random(uint8_t *out, size_t bytes, uint64_t seed);

struct warm *pool(void);
/* Packs, or ends the program. */
struct warm_piece *packed(struct warm *warm, enum am_effort effort, enum am_kind kind, const void *data, size_t bytes, const void *base, size_t base_bytes);
/* True where it comes back as `data`, and nothing behind its end was written. */
bool comes_back(struct warm *warm, const struct warm_piece *piece, const void *data, size_t bytes, const void *base, size_t base_bytes);
/* The piece as saved, in memory of exactly its length. */
uint8_t *saved(const struct warm_piece *piece, size_t *bytes);

#endif
