/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of agents.h, for the files agents*.c alone: the table, and what they ask of each other. */
#ifndef GUARD_AGENTS_INNER_H
#define GUARD_AGENTS_INNER_H

#include "agents.h"
#include "bring.h"
#include "terminal.h"

#define AGENTS_MOST 128
#define PROCESSES_MOST BRING_PROCESSES_MOST
#define RANGES_MOST BRING_RANGES_MOST

struct process {
	pid_t pid;
	int pidfd;
};

/*
 * FREE -> MAKING (hold) -> HELD (held) -> FROZEN (frozen) -> FREE. Descriptors
 * are open from MAKING on; the terminal is listened to in FROZEN alone, since
 * before that keys are the agent's own.
 */
struct agent {
	enum { AGENT_FREE, AGENT_MAKING, AGENT_HELD, AGENT_FROZEN } state;
	char id[NAME_MOST + 1];
	int64_t uid;
	int freeze; /* cgroup.freeze */
	int events; /* cgroup.events */
	int memory; /* memory.events; -1 without the memory controller */
	pid_t terminal_of; /* 0: none */
	int terminal;
	struct terminal_rule rule;
	unsigned process_count;
	unsigned range_count;
	struct process processes[PROCESSES_MOST];
	uint64_t oom_kills;
	int64_t stuck_since_ms; /* 0: not stuck */
	int64_t look_ms; /* when a doubtful burst is decided; NEVER_MS: there is none */
	const char *due; /* cause for which it is to be thawed; NULL: it is not */
	bool due_until_helper; /* a new helper would stand for it, so that it need not be */
};

/* A free one has no descriptor open. */
extern struct agent agents[AGENTS_MOST];
extern page_range agent_ranges[AGENTS_MOST][RANGES_MOST];

struct agent *agent_find(const char *id);
unsigned agent_index(const struct agent *agent);
bool agent_is_held(const struct agent *agent);
void agent_forget(struct agent *agent);
/* Of a file of "NAME NUMBER" lines; false where it is not there. */
bool agent_read_count(int fd, const char *name, uint64_t *count);
bool agent_populated(const struct agent *agent);

/* agents-wake.c: for a reason seen here; where it fails it is due, and tried again. */
void agent_wake_here(struct agent *agent, const char *cause, const char *what, const char *text, int64_t since_us);
/* Thaws the next one that is due; returns when to call again. */
int64_t agents_thaw_step(int64_t at_ms);

#endif
