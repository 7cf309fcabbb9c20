/* SPDX-License-Identifier: Apache-2.0 */
/* Open runs that the guard stands for, and taking back their `now` records. */
#ifndef GUARD_RUNS_H
#define GUARD_RUNS_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/* Requests: NULL where it is done, otherwise "CODE TEXT". */
const char *run_begin(const char *id, int64_t uid, const char *journal);
const char *run_file(const char *id, const char *path);
const char *run_armed(const char *id);
const char *run_done(const char *id);

/* Armed ones; those undone already are not counted again by `runs_open`. */
unsigned runs_armed(void);
unsigned runs_open(void);

/*
 * Asks for undoing: `thaws` also takes back `thaw` records; `memory`: lack of
 * it is why. It is done by runs_step, as soon as the lock is ours.
 */
void runs_undo(bool thaws, bool memory);
/* Does what is due; returns when to call again. */
int64_t runs_step(int64_t at_ms);
/* Keeps the journals' pages in memory: they grow. */
void runs_pin(void);
/* Forgets the runs whose journal says that they are decided, and pins the others. */
void runs_look(void);
/* Forgets what was begun by a client that is gone and never armed. */
void runs_drop_made(void);
/* Ids of the armed ones, as JSON texts with commas between. */
void runs_list(struct out *out);
/* Thaws what the journals of DIR/agents/ say is frozen; nobody needs to be connected. */
void runs_recover_held(void);

#endif
