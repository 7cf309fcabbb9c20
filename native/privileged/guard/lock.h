/* SPDX-License-Identifier: Apache-2.0 */
/* The undoer's lock of docs/journal.md, the same file as helper/change/lock.ts takes. */
#ifndef GUARD_LOCK_H
#define GUARD_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum lock_outcome {
	LOCK_TAKEN,
	LOCK_BUSY, /* a live process holds it */
	LOCK_BROKEN, /* it cannot be taken at all: nobody else can either */
};

/* Writes the own file beside the lock, so that taking it is one link(2) later. */
void lock_prepare(const char *journal_dir);
enum lock_outcome lock_take(void);
void lock_release(void);
/* Whether this very process holds it. */
bool lock_is_held_by(pid_t pid, uint64_t ticks);
/* Removes what lock_prepare wrote. */
void lock_end(void);

#endif
