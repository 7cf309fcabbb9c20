/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of docs/journal.md, read. */
#ifndef GUARD_JOURNAL_H
#define GUARD_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_MOST_BYTES (64 * 1024)
#define JOURNAL_MOST_RECORDS 512

struct record {
	bool now; /* class `now`; otherwise `when-it-fits` */
	const char *verb;
	const char *target;
	const char *old; /* NULL: nothing was there */
	const char *value; /* what must be found */
};

struct journal {
	const char *boot;
	const char *run;
	size_t count;
	struct record records[JOURNAL_MOST_RECORDS];
	unsigned damaged; /* lines in the middle with a wrong sum or form */
	bool torn; /* the last line was cut short: its change was never made */
	bool too_long; /* more than fits: only the first records are known */
};

/*
 * Reads `length` bytes at `text`, which has room for one more and is changed.
 * False where the first line cannot be trusted: then nothing may be undone.
 */
bool journal_parse(char *text, size_t length, struct journal *journal);

#endif
