/* SPDX-License-Identifier: Apache-2.0 */
/* How texts of the kernel are judged. Exit 1 with each that is judged wrongly. */
#include <stdio.h>

#include "common/pressure.h"

static int failures;

static void judged(const char *stall, const char *meminfo, enum am_pressure wanted)
{
	enum am_pressure found = pressure_of(stall, meminfo);

	if (found != wanted) {
		fprintf(stderr, "expected %d, got %d for: %s, %s\n", (int)wanted, (int)found, stall, meminfo);
		failures++;
	}
}

#define STALL(share) "some avg10=" share " avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
#define MEMORY(available) "MemTotal:       1000 kB\nMemFree:           1 kB\nMemAvailable: " available " kB\n"

int main(void)
{
	judged(STALL("0.00"), MEMORY("500"), AM_PRESSURE_NONE);
	judged(STALL("4.99"), MEMORY("500"), AM_PRESSURE_NONE);
	judged(STALL("5.00"), MEMORY("500"), AM_PRESSURE_SOME);
	judged(STALL("99.99"), MEMORY("500"), AM_PRESSURE_SOME);
	judged(STALL("20.00"), MEMORY("190"), AM_PRESSURE_HARD);
	judged(STALL("19.99"), MEMORY("190"), AM_PRESSURE_SOME);
	judged(STALL("0.00"), MEMORY("99"), AM_PRESSURE_SOME);
	judged(STALL("0.00"), MEMORY("49"), AM_PRESSURE_HARD);
	/* A kernel without PSI, and texts that are none. */
	judged("", MEMORY("99"), AM_PRESSURE_SOME);
	judged("some avg10=much", MEMORY("500"), AM_PRESSURE_NONE);
	judged("", "", AM_PRESSURE_NONE);
	return failures > 0;
}
