/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents and the processes they consist of. An agent is a number that others
 * may know and a token that makes a process part of it. It lives as long as
 * one of its processes does; then, after a grace period in which somebody may
 * come with its token, its units are freed.
 *
 * A process has gone when it has ended and none of its connections is open: a
 * child that forked from it still stands for the agent.
 */
#ifndef BROKER_AGENTS_H
#define BROKER_AGENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "broker/domains.h"
#include "broker/front.h"
#include "broker/maps.h"

#define TOKEN_BYTES 16

struct process {
	struct watch watch;	/* its pidfd, or -1 where there is none */
	struct agent *agent;
	struct process *next;
	pid_t pid;
	uint64_t start;		/* in ticks after boot; with pid it names one process for good */
	unsigned connections;
	bool ended;
	struct maps maps;
	uint64_t mappings;
};

struct agent {
	uint64_t number;
	uint64_t life;			/* no other agent of this broker had it, not one of the same token either */
	uint8_t token[TOKEN_BYTES];	/* zero while it is known from the store alone */
	struct am_digest token_hash;
	struct domain *domain;
	char name[64];
	enum am_state state;		/* as it was last told */
	uint32_t importance;
	uint64_t quota_bytes;		/* it asked for; 0: the broker's own limit */
	uint64_t pending_bytes;		/* of requests under way, not yet among what it holds */
	uint64_t holds;
	unsigned outstanding, questions, connections, process_count;
	struct process *processes;
	uint64_t gone_ms;		/* when its units are freed; 0: it has processes */
	uint64_t used_ms;
	bool dirty;			/* its record is to be saved */
};

/* New, without processes yet. NULL with errno: EBUSY (too many), ENOMEM. */
struct agent *agent_add(const struct broker_hello *hello);
struct agent *agent_of_token(const uint8_t token[TOKEN_BYTES]);
struct agent *agent_of_number(uint64_t number);
/* The same, but not one that came after it had gone. */
struct agent *agent_of_life(uint64_t number, uint64_t life);
/* It has gone for good: units freed, forgotten. Connections must have let go of it. */
void agent_remove(struct agent *agent);

/* One more connection of a process; takes `pidfd` over (-1: none) in any case. NULL with errno. */
struct process *process_join(struct agent *agent, pid_t pid, uint64_t start, int pidfd);
/* One connection less. */
void process_leave(struct process *process);
/* Out of its agent already: no longer watched, freed with this turn. */
void process_forget(struct process *process);
bool process_map(struct process *process, uint64_t unit);
bool process_unmap(struct process *process, uint64_t unit);

/* Its record is saved anew. */
void agent_changed(struct agent *agent);
/* It has no process any more: freed in so many ms unless one comes. */
void agent_begin_grace(struct agent *agent, uint64_t grace_ms);
uint64_t agent_quota(const struct agent *agent);
/* -EDQUOT where the agent would hold more than it may. */
int agent_allows(const struct agent *agent, uint64_t more_bytes);
/* As the outside sees it: GONE while it has no processes. */
enum am_state agent_state(const struct agent *agent);
/* For the content: false for one that is gone for good. */
bool agents_view(void *context, uint64_t number, enum am_state *state, uint32_t *importance);

unsigned agents_count(void);
/* Of them the first with a number above `after`; NULL at the end. */
struct agent *agents_next(uint64_t after);
void agent_line(struct agent *agent, struct broker_agent_line *line);
/* Frees what has gone, saves what is dirty. When it wants to be called again. */
uint64_t agents_step(void);
/* Whether an agent could come back for something that would be lost with the broker. */
bool agents_hold_memory(void);
uint64_t agents_bytes(void);
uint64_t processes_bytes(void);

/* One of an earlier broker's, known from its record: it has no processes until some are found or come. NULL where there is no room. */
struct agent *agent_restore(const struct agent *from, const char *domain);
/* Before the content is closed: saves what is still to be saved, lets go of processes. */
void agents_end(void);
/* After it. */
void agents_free(void);

#endif
