/* SPDX-License-Identifier: Apache-2.0 */
/* Frozen agents: what wakes them, and waking them. */
#ifndef GUARD_AGENTS_H
#define GUARD_AGENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base.h"
#include "text.h"

struct woken {
	uint64_t prefaulted; /* bytes, before and after thawing */
	uint64_t took_us; /* until it ran */
};

void agents_begin(void);

/* Requests: NULL where it is done, otherwise "CODE TEXT". */
const char *agent_hold(const char *id, int64_t uid, pid_t terminal_of, const char *freeze_path);
const char *agent_process(const char *id, pid_t pid, uint64_t ticks);
const char *agent_range(const char *id, pid_t pid, uint64_t start, uint64_t end);
const char *agent_held(const char *id);
const char *agent_frozen(const char *id);
const char *agent_release(const char *id);
const char *agent_wake(const char *id, const char *cause, int64_t since_us, struct woken *woken);

/* Held or being made. */
unsigned agents_count(void);
unsigned agents_of(int64_t uid);
/* Ids of held ones, as JSON texts with commas between. */
void agents_list(struct out *out);

/* Asks for thawing of all, or of one user's; done one by one by agents_step, as memory allows. */
void agents_thaw(int64_t uid, const char *cause, bool patient);
/* A new helper stands for them: those not thawed yet stay frozen. */
void agents_keep(void);
/* Forgets what was begun by a client that is gone and never held. */
void agents_drop_made(void);

void agents_terminal_event(unsigned index, uint32_t events);
void agents_cgroup_event(unsigned index);
int64_t agents_step(int64_t at_ms);
/* Every two seconds: stuck ones, those that were told to end, oom kills. True where a process was killed for memory. */
bool agents_look(int64_t at_ms);
/* At the end: all of them, at once. */
void agents_thaw_now(const char *cause);

#endif
