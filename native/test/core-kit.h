/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of kmod/core: expectations, numbers from a seed, and a host that counts what it lends. */
#ifndef CORE_KIT_H
#define CORE_KIT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"

static int failures;

#define EXPECT(what)                                                           \
	do {                                                                   \
		if (!(what) && failures++ < 20)                                \
			fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #what); \
	} while (0)

/* Splitmix64. */
static inline uint64_t drawn(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline uint64_t drawn_below(uint64_t *seed, uint64_t below)
{
	return drawn(seed) % below;
}

struct lent {
	size_t bytes;
	size_t pieces;
	/* Calls until one is refused; 0: none is. */
	unsigned refuse_in;
};

static inline void *lend(void *context, am_size bytes)
{
	struct lent *lent = context;
	void *memory;

	if (lent->refuse_in != 0 && --lent->refuse_in == 0)
		return NULL;
	memory = calloc(1, bytes);
	if (memory == NULL)
		abort();
	lent->bytes += bytes;
	lent->pieces++;
	return memory;
}

static inline void give_back(void *context, void *memory, am_size bytes)
{
	struct lent *lent = context;

	lent->bytes -= bytes;
	lent->pieces--;
	free(memory);
}

/* JSON lines of 200 to 600 bytes, each with the 36 bytes of a session id; `seed` draws what is said, `session` the id. */
static inline size_t talk(char *out, size_t room, uint64_t seed, uint64_t session)
{
	size_t used = 0;

	for (;;) {
		size_t length = 200 + (size_t)drawn_below(&seed, 400);
		uint64_t id = session * 0x10001u + used;
		size_t at;

		if (used + length > room)
			return used;
		/* Another id on each line, from the session and the place. */
		at = (size_t)snprintf(out + used, length, "{\"type\":\"%s\",\"sessionId\":\"%08x-%04x-4%03x-a%03x-%012llx\",\"text\":\"", drawn(&seed) % 2 == 0 ? "user" : "assistant",
			(unsigned)drawn(&id), (unsigned)drawn(&id) & 0xffff, (unsigned)drawn(&id) & 0xfff, (unsigned)drawn(&id) & 0xfff, (unsigned long long)(drawn(&id) & 0xffffffffffff));
		while (at < length - 3)
			out[used + at++] = "etaoinshrdlu cmfwypvbgkq jxz.,;(){}="[drawn_below(&seed, 36)];
		memcpy(out + used + at, "\"}\n", 3);
		used += length;
	}
}

#endif
