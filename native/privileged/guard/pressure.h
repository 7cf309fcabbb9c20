/* SPDX-License-Identifier: Apache-2.0 */
/* Memory pressure, and what of it was there before. */
#ifndef GUARD_PRESSURE_H
#define GUARD_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

/* Whole percents of time, of /proc/pressure/memory; 0 where the kernel does not tell. */
struct pressure {
	uint64_t some;
	uint64_t full;
};

/* The last ten seconds; false where the text is not what the kernel writes. */
bool pressure_now(const char *text, struct pressure *now);
/*
 * What a machine lives with: the more of ten seconds and of a minute, since
 * who waits in bursts has quiet seconds too. All 0 where it cannot be told.
 */
struct pressure pressure_before(const char *text);
/*
 * Above which percent it is too much: `limit`, and where there was much before,
 * a quarter more than that and 5. What was there already is no fault of what
 * came after, and may be just why it was asked for.
 */
uint64_t pressure_limit(uint64_t limit, uint64_t before);

#endif
