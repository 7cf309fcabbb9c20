/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of runs.h, for the files runs*.c alone: the table, and the replay of a journal. */
#ifndef GUARD_RUNS_INNER_H
#define GUARD_RUNS_INNER_H

#include "base.h"
#include "runs.h"

#define RUNS_MOST 16
#define FILES_MOST 32

struct target_file {
	int fd;
	uint64_t hash; /* of its path; the path itself is read from the kernel again */
};

struct run {
	enum { RUN_FREE, RUN_MAKING, RUN_ARMED, RUN_UNDONE } state;
	char id[NAME_MOST + 1];
	int64_t uid;
	int journal;
	void *pinned; /* NULL: could not be mapped */
	unsigned file_count;
	struct target_file files[FILES_MOST];
};

extern struct run runs[RUNS_MOST];

/* By its name, of `length` bytes. */
bool is_open_journal(const char *name, size_t length);
bool run_is_still_open(const struct run *run);
/* The descriptor it keeps for this file; -1: none. `run` may be NULL. */
int run_open_file(const struct run *run, const char *path);

enum undone { UNDO_RESTORED, UNDO_ALREADY, UNDO_LEFT, UNDO_FAILED };

/* What came of one journal. */
struct tally {
	unsigned count[4];
	bool readable;
	bool other_boot;
	bool partly; /* a part of it could not be used */
};

/* Last first, each looking at what is there: doing it twice is harmless. */
struct tally runs_replay(int journal, const struct run *run, bool writes, bool thaws);

#endif
