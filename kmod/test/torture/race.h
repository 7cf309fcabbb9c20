/* SPDX-License-Identifier: GPL-2.0 */
/* A worker of the race, and what its units hold. */
#ifndef RACE_H
#define RACE_H

#include "torture.h"

#define RECORD_BYTES 256u
#define FLAT_MOST 160000u

/* What begins each record of a conversation, and each flat unit. */
struct head {
	uint64_t magic, seed;
	uint32_t bytes, check;
};

struct worker {
	int agent, mail_in, mail_out;
	uint64_t seed;
	char *data, *back;
};

/* Counted by all of them, in memory they share. */
enum { ALLOCS, READS, MAPS, APPENDS, EDITS, FORKS, SHARES, PASSED, SUSPENDS, FREEZES, BACKINGS, KILLS, COUNTS };
void count(int what);

/* race-data.c */
void fill(char *to, uint64_t seed, uint32_t bytes);
bool whole(const char *from, uint32_t bytes);
/* So many at the most, to the worker's data; their bytes. */
uint32_t fill_records(struct worker *w, uint32_t most);
bool whole_records(const char *from, size_t bytes);
void tell(const char *what, const struct agentmem_abi_unit_line *unit, const char *from);

/* race-worker.c */
/* A descriptor that somebody handed on, or -1. */
int take(int mail);
/* A thread: goes on until something failed. */
void *run_worker(void *context);

#endif
