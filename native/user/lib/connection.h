/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection for many threads. A call is sent under its own number; then
 * one of those that wait receives for all of them, and hands on when its own
 * reply has come.
 *
 * Nothing is received but under the connection's lock, which fork() waits for:
 * a descriptor that has come is on the list of held.h before a child can
 * inherit it.
 */
#ifndef LIB_CONNECTION_H
#define LIB_CONNECTION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "held.h"
#include "replies.h"

/* On the stack of the thread that calls. */
struct call {
	/* What is asked. */
	uint16_t type;
	const void *body, *more;
	size_t body_bytes, more_bytes;
	int fd;				/* -1: none goes along */
	/* Where data of the reply goes; NULL: into memory of call_end(). */
	void *room;
	size_t room_bytes;

	/* What came. `error` is the broker's, or our own. */
	struct reply reply;
	struct held reply_fd;
	void *own;
	int error;
	bool was_sent;			/* the broker may have done it */
	bool is_lost;			/* no reply will come: the connection has ended */

	/* The connection's. */
	struct call *next, **at;
	uint64_t sequence;
	bool is_done, is_waiting;
	pthread_cond_t wake;
};

#define CALL(...) ((struct call){ .fd = -1, .reply_fd = HELD_NONE, __VA_ARGS__ })

struct connection;

/* Takes the descriptor over, also where it gives NULL: without memory. One reference. */
struct connection *connection_new(struct held *socket);
struct connection *connection_get(struct connection *connection);
void connection_put(struct connection *connection);
/* Calls that wait get -ECONNRESET; there are no more. */
void connection_break(struct connection *connection);
bool connection_is_lost(struct connection *connection);

/* The call's error; it is ended with call_end() in any case. */
int connection_call(struct connection *connection, struct call *call, uint64_t timeout_ms);
void call_end(struct call *call);

void connection_before_fork(struct connection *connection);
/* In a child it is gone. */
void connection_after_fork(struct connection *connection, enum fork_side side);


#endif
