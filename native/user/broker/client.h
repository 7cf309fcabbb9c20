/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections. One is read from while none of its replies waits and not too
 * many of its requests are under way: who does not read, is not read from, and
 * is cut off after a while. Dropping one is put off to the end of the turn, so
 * a connection stays what it is while a request of it is served.
 */
#ifndef BROKER_CLIENT_H
#define BROKER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/agents.h"
#include "broker/front.h"

struct pending;
struct reply;

struct client {
	struct watch watch;
	struct client *next, *previous;
	uint32_t events;		/* it is watched for; 0: not watched at all */
	pid_t pid;
	struct agent *agent;		/* NULL before the greeting, for one that only looks, and behind the agent's end */
	struct process *process;
	bool greeted;
	bool hung_up;			/* nobody reads replies any more; what it asked for before is still done */
	bool doomed;			/* dropped at the end of this turn */
	struct reply *first_reply, *last_reply;
	size_t queued_bytes;
	uint64_t stuck_ms;		/* when it is cut off unless it reads */
	unsigned outstanding;
	struct pending *pendings;
	struct content_question *question;
	uint64_t question_number, question_bytes;
};

struct answer {
	const struct broker_head *request;
	int error;
	const void *body;		/* and data: not with an error */
	size_t body_bytes;
	const void *data;
	size_t data_bytes;
	int fd;				/* -1, or one that stays the caller's */
	uint64_t hold;			/* unit that is given back where nobody gets this; 0: none */
};

/* Takes the connection over. */
void client_add(int fd, pid_t pid);
/* 0 also where it will never be read; -EMFILE: no descriptor left to send `fd` with, nothing was sent. */
int client_answer(struct client *client, const struct answer *answer);
void client_error(struct client *client, const struct broker_head *request, int error);
void client_doom(struct client *client);
/* Reads on, or not, by what is under way now. */
void client_refresh(struct client *client);
/* The same for all connections of the agent. */
void clients_refresh(const struct agent *agent);
/* They are no longer the agent's: it has gone. */
void clients_leave(const struct agent *agent);
/* Of the agent's connections the one with the oldest question; NULL. */
struct client *clients_oldest_question(const struct agent *agent);

unsigned clients_count(void);
/* Gives up the oldest that has not greeted or only looks; false where all are agents'. */
bool clients_make_room(void);
/* Cuts off who is stuck. When it wants to be called again. */
uint64_t clients_step(void);
/* Drops the doomed ones. */
void clients_reap(void);
void clients_end(void);

#endif
