/* SPDX-License-Identifier: Apache-2.0 */
/* How short of memory the machine is: one judgement for broker and module. */
#include "pressure.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Share of time in which somebody waited for memory, of the last 10 s, in hundredths of a percent. */
#define SOME_STALL 500
#define HARD_STALL 2000
/* Available memory in percent of all. */
#define SOME_PERCENT 10
#define HARD_PERCENT 5

/* "some avg10=1.23 ..." in hundredths. */
static unsigned stall_of(const char *text)
{
	const char *at = strstr(text, "some avg10=");
	unsigned whole = 0, part = 0;

	if (at == NULL || sscanf(at, "some avg10=%3u.%2u", &whole, &part) != 2)
		return 0;
	return whole * 100 + part;
}

static uint64_t kib_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

enum am_pressure pressure_of(const char *stall_text, const char *meminfo_text)
{
	unsigned stall = stall_of(stall_text);
	uint64_t total = kib_of(meminfo_text, "MemTotal:");
	uint64_t available = kib_of(meminfo_text, "MemAvailable:");
	uint64_t percent = total == 0 ? 100 : available * 100 / total;

	/* Stalls alone may come from another's limit: they count as hard only where memory is short too. */
	if (percent < HARD_PERCENT || (stall >= HARD_STALL && percent < 2 * SOME_PERCENT))
		return AM_PRESSURE_HARD;
	return percent < SOME_PERCENT || stall >= SOME_STALL ? AM_PRESSURE_SOME : AM_PRESSURE_NONE;
}
