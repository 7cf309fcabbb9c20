/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a child of fork() must not keep: sockets, and memfds that
 * are on their way. Each is on one list of the process from the moment it
 * exists; the child closes what it finds there.
 */
#ifndef LIB_HELD_H
#define LIB_HELD_H

#include "fork.h"

struct held {
	struct held *next, **at;
	int fd;			/* -1: none, and not on the list */
};

#define HELD_NONE ((struct held){ .fd = -1 })

/* Between these two no fork() happens: what opens a descriptor goes there. */
void held_begin(void);
void held_put(struct held *held, int fd);
/* The same, and the end. */
void held_end(struct held *held, int fd);
/* It is `to` from now on; `from` is none. */
void held_move(struct held *to, struct held *from);
void held_close(struct held *held);
/* Takes it off the list: it stays open, in children too. */
int held_keep(struct held *held);

void held_before_fork(void);
void held_after_fork(enum fork_side side);

#endif
