// SPDX-License-Identifier: GPL-2.0
/* Bytes that tell what they must be: flat units, and records of a conversation. */
#include "race.h"

#include <string.h>

#define MAGIC 0x61676d656d726563ull

void fill(char *to, uint64_t seed, uint32_t bytes)
{
	struct head head = { MAGIC, seed, bytes, (uint32_t)(seed * 2654435761u) ^ bytes };

	memcpy(to, &head, sizeof(head));
	kit_text(seed, to + sizeof(head), bytes - sizeof(head));
}

/* The head says what must follow. */
bool whole(const char *from, uint32_t bytes)
{
	static __thread char wanted[FLAT_MOST];
	struct head head;

	memcpy(&head, from, sizeof(head));
	if (head.magic != MAGIC || head.bytes != bytes || bytes > FLAT_MOST || bytes < sizeof(head))
		return false;
	fill(wanted, head.seed, bytes);
	return memcmp(wanted, from, bytes) == 0;
}

uint32_t fill_records(struct worker *w, uint32_t most)
{
	uint32_t records = 1 + kit_random(&w->seed) % most;

	for (uint32_t i = 0; i < records; i++)
		fill(w->data + i * RECORD_BYTES, kit_random(&w->seed) % 500, RECORD_BYTES);
	return records * RECORD_BYTES;
}

bool whole_records(const char *from, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += RECORD_BYTES) {
		if (bytes - at < RECORD_BYTES || !whole(from + at, RECORD_BYTES))
			return false;
	}
	return true;
}

/* What is wrong, as far as one line takes it. */
void tell(const char *what, const struct agentmem_abi_unit_line *unit, const char *from)
{
	struct head head;

	memcpy(&head, from, sizeof(head));
	kit_failed++;
	printf("# %s: unit %llu of kind %u and %llu bytes begins with magic %llx, seed %llu, bytes %u\n", what, unit->unit, unit->kind, unit->bytes, (unsigned long long)head.magic, (unsigned long long)head.seed, head.bytes);
	fflush(stdout);
}
