/* SPDX-License-Identifier: Apache-2.0 */
/* Takes numbers off the bytes of a fuzzer; 0 when they have run out. */
#ifndef CORE_TAKE_H
#define CORE_TAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	const uint8_t *at;
	const uint8_t *end;
};

static inline uint64_t taken(struct bytes *bytes, unsigned count)
{
	uint64_t value = 0;

	for (; count > 0; count--)
		value = value << 8 | (bytes->at < bytes->end ? *bytes->at++ : 0);
	return value;
}

static inline void must(bool what)
{
	if (!what)
		abort();
}

/* A host that refuses now and then; what it lends is counted. */
struct lent {
	uint64_t refuse;	/* a bit a call, from the lowest */
	size_t bytes;
};

static inline void *lend(void *context, size_t bytes)
{
	struct lent *lent = context;
	bool refused = (lent->refuse & 1) != 0;
	void *memory;

	lent->refuse >>= 1;
	if (refused)
		return NULL;
	memory = calloc(1, bytes);
	must(memory != NULL);
	lent->bytes += bytes;
	return memory;
}

static inline void give_back(void *context, void *memory, size_t bytes)
{
	((struct lent *)context)->bytes -= bytes;
	free(memory);
}

#endif
