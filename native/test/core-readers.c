/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers of kmod/core/table.c while one writer adds, removes and makes it grow
 * and shrink. What stays in the table must be found every time; what is found
 * must be what was looked for and not yet freed. Exit 1 where it is not.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "core-kit.h"

#include "core/table.h"

enum { READERS = 3, STAYING = 64, PASSING = 4000, ROUNDS = 12, WAITING = 4096 };

struct unit {
	struct am_entry entry;
	atomic_bool dead;
};

/* A reader is outside (0) or inside since an epoch; what was retired before all who are inside came may be freed. */
static atomic_uint_fast64_t epoch = 1;
static atomic_uint_fast64_t inside[READERS];
static atomic_bool ended;
static atomic_uint_fast64_t wrong;
static atomic_uint_fast64_t found_passing;

static struct waiting {
	void *memory;
	uint64_t since;
	bool is_unit;
} waiting[WAITING];
static size_t waiting_count;

static struct lent lent;
static struct am_table *table;
static struct unit staying[STAYING];
static struct unit *passing[PASSING];

static struct am_digest digest_of(uint64_t number)
{
	struct am_digest digest = { { 0 } };

	memcpy(digest.bytes, &number, sizeof(number));
	memcpy(digest.bytes + 20, &number, sizeof(number));
	return digest;
}

static void free_what_may(void)
{
	uint64_t oldest = UINT64_MAX;
	size_t kept = 0;

	for (int i = 0; i < READERS; i++) {
		uint64_t since = atomic_load(&inside[i]);

		if (since != 0 && since < oldest)
			oldest = since;
	}
	for (size_t i = 0; i < waiting_count; i++) {
		if (waiting[i].since >= oldest) {
			waiting[kept++] = waiting[i];
			continue;
		}
		if (waiting[i].is_unit)
			atomic_store_explicit(&((struct unit *)waiting[i].memory)->dead, true, memory_order_relaxed);
		free(waiting[i].memory);
	}
	waiting_count = kept;
}

static void free_later(void *memory, bool is_unit)
{
	while (waiting_count == WAITING)
		free_what_may();
	waiting[waiting_count++] = (struct waiting){ memory, atomic_fetch_add(&epoch, 1), is_unit };
	if (waiting_count % 256 == 0)
		free_what_may();
}

static void retire(void *context, void *memory, am_size bytes)
{
	(void)context;
	lent.bytes -= bytes;
	lent.pieces--;
	free_later(memory, false);
}

static void check(uint64_t number, bool stays)
{
	struct am_digest digest = digest_of(number);
	struct am_entry *by_number = am_table_find(table, number);
	struct am_entry *by_digest = am_table_find_digest(table, number % 3, &digest);

	if (by_number != NULL && (by_number->number != number || atomic_load_explicit(&((struct unit *)by_number)->dead, memory_order_relaxed)))
		atomic_fetch_add(&wrong, 1);
	if (by_digest != NULL && (by_digest->number != number || atomic_load_explicit(&((struct unit *)by_digest)->dead, memory_order_relaxed)))
		atomic_fetch_add(&wrong, 1);
	if (by_number != NULL && __atomic_load_n(&by_number->has_digest, __ATOMIC_ACQUIRE) && memcmp(&by_number->digest, &digest, sizeof(digest)) != 0)
		atomic_fetch_add(&wrong, 1);
	if (stays && (by_number != &staying[number - 1].entry || by_digest != &staying[number - 1].entry))
		atomic_fetch_add(&wrong, 1);
	if (!stays && by_digest != NULL)
		atomic_fetch_add_explicit(&found_passing, 1, memory_order_relaxed);
}

static void *read_on(void *argument)
{
	size_t me = (size_t)(uintptr_t)argument;
	uint64_t seed = me;

	while (!atomic_load(&ended)) {
		/* Exchanged, so that no look at the table comes before it. */
		atomic_exchange(&inside[me], atomic_load(&epoch));
		for (int i = 0; i < 32; i++) {
			check(1 + drawn_below(&seed, STAYING), true);
			check(1 + STAYING + drawn_below(&seed, PASSING), false);
		}
		atomic_store(&inside[me], 0);
	}
	return NULL;
}

static void come(size_t at)
{
	struct unit *unit = calloc(1, sizeof(*unit));
	uint64_t number = 1 + STAYING + at;
	struct am_digest digest = digest_of(number);

	if (unit == NULL)
		abort();
	unit->entry.number = number;
	unit->entry.domain = number % 3;
	unit->entry.has_digest = at % 2 == 0;
	if (unit->entry.has_digest)
		unit->entry.digest = digest;
	EXPECT(am_table_add(table, &unit->entry));
	if (at % 4 == 1)
		am_table_set_digest(table, &unit->entry, &digest);
	passing[at] = unit;
}

static void go(size_t at)
{
	am_table_remove(table, &passing[at]->entry);
	free_later(passing[at], true);
	passing[at] = NULL;
}

static void write_on(void)
{
	uint64_t seed = 99;

	for (unsigned round = 0; round < ROUNDS; round++) {
		/* Nearly all come; nearly all go, with a few that come, at which it shrinks. */
		for (size_t i = 0; i < PASSING; i++) {
			if (passing[i] == NULL)
				come(i);
		}
		for (size_t i = 0; i < PASSING * 3; i++) {
			size_t at = (size_t)drawn_below(&seed, PASSING);

			if (passing[at] != NULL)
				go(at);
			else if (drawn_below(&seed, 16) == 0)
				come(at);
		}
	}
}

int main(void)
{
	const struct am_host host = { &lent, lend, give_back };
	pthread_t readers[READERS];

	table = am_table_open(&host, &(struct am_seed){ { 7, 8 } }, retire, NULL);
	if (table == NULL)
		return 2;
	for (size_t i = 0; i < STAYING; i++) {
		staying[i].entry = (struct am_entry){ .number = i + 1, .domain = (i + 1) % 3, .digest = digest_of(i + 1), .has_digest = true };
		EXPECT(am_table_add(table, &staying[i].entry));
	}
	for (size_t i = 0; i < READERS; i++) {
		if (pthread_create(&readers[i], NULL, read_on, (void *)(uintptr_t)i) != 0)
			return 2;
	}
	write_on();
	/* On one processor the readers may not have had a turn yet. */
	while (atomic_load(&found_passing) == 0)
		passing[0] == NULL ? come(0) : go(0);
	atomic_store(&ended, true);
	for (size_t i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	EXPECT(atomic_load(&wrong) == 0);
	for (size_t i = 0; i < PASSING; i++) {
		if (passing[i] != NULL)
			go(i);
	}
	EXPECT(am_table_count(table) == STAYING);
	free_what_may();
	EXPECT(waiting_count == 0);
	am_table_close(table);
	EXPECT(lent.bytes == 0 && lent.pieces == 0);
	return failures == 0 ? 0 : 1;
}
