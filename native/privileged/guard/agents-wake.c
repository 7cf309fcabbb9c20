/* SPDX-License-Identifier: Apache-2.0 */
/* Waking: one agent at once, or all that nobody stands for one after another. */
#include "agents-inner.h"

#include <errno.h>
#include <string.h>

#include "kernel-file.h"
#include "server.h"
#include "watch.h"
#include "words.h"

/* Thawing one by one while memory is short: for each, and for all of them. */
#define THAW_WAIT_MS 2000
#define THAW_ALL_MS 60000
#define THAW_RETRY_MS 100

static struct {
	int64_t since_ms; /* when the first became due; 0: none is */
	int64_t last_ms; /* when the last was thawed */
	unsigned next; /* where to look for the next one: one that cannot be thawed holds up no other */
} queue;

static void prefault(const struct agent *agent, struct bring_progress *progress, int64_t until_us)
{
	pid_t pids[PROCESSES_MOST] = { 0 };

	for (unsigned i = 0; i < agent->process_count; i++)
		pids[i] = process_ended(agent->processes[i].pidfd) ? 0 : agent->processes[i].pid;
	bring_back(pids, agent_ranges[agent_index(agent)], agent->range_count, progress, until_us);
}

/*
 * Brings back the most wanted, thaws, brings back the rest beside the running
 * agent, closes, tells. Without `with_prefault` nothing is brought back. False
 * where the kernel refuses to thaw: it is tried again then.
 */
static bool wake(struct agent *agent, const char *cause, bool with_prefault, int64_t since_us, struct woken *woken)
{
	char line[NAME_MOST + 96];
	struct out out = out_begin(line, sizeof(line));
	char id[NAME_MOST + 1];
	bool frozen = agent_is_held(agent);
	int64_t uid = agent->uid;
	int64_t start_us = now_us();
	struct bring_progress progress = { .range = with_prefault ? 0 : agent->range_count };

	prefault(agent, &progress, start_us + (int64_t)settings.prefault_first_ms * 1000);
	if (frozen && !kernel_file_write(agent->freeze, "0") && errno != ENODEV && errno != ENOENT) {
		if (agent->due == NULL)
			leave_word("problem", "An agent could not be thawed; it is tried again.", NULL, agent->id, uid);
		return false;
	}
	woken->took_us = (uint64_t)(now_us() - since_us);
	prefault(agent, &progress, start_us + (int64_t)settings.prefault_ms * 1000);
	woken->prefaulted = progress.bytes;
	strcpy(id, agent->id);
	agent_forget(agent);
	out_text(&out, id);
	out_text(&out, " ");
	out_text(&out, cause);
	out_text(&out, " ");
	out_number(&out, woken->prefaulted);
	out_text(&out, " ");
	out_number(&out, woken->took_us);
	server_tell("woke ", line, false);
	return true;
}

static void try_again(struct agent *agent, const char *cause)
{
	agent->due = cause;
	agent->due_until_helper = false;
	queue.since_ms = queue.since_ms == 0 ? now_ms() : queue.since_ms;
}

/* For a reason seen here; where it fails it is due, and tried again. */
void agent_wake_here(struct agent *agent, const char *cause, const char *what, const char *text, int64_t since_us)
{
	char id[NAME_MOST + 1];
	int64_t uid = agent->uid;
	struct woken woken;

	strcpy(id, agent->id);
	if (wake(agent, cause, true, since_us, &woken))
		leave_word(what, text, NULL, id, uid);
	else
		try_again(agent, cause);
}

const char *agent_wake(const char *id, const char *cause, int64_t since_us, struct woken *woken)
{
	struct agent *agent = agent_find(id);

	if (agent == NULL || agent->state == AGENT_MAKING)
		return "unknown no agent of this name is held";
	if (wake(agent, cause, true, since_us, woken))
		return NULL;
	try_again(agent, "guard");
	return "refused the kernel refused to thaw it; the guard tries again";
}

void agents_thaw(int64_t uid, const char *cause, bool patient)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agent_is_held(&agents[i]) && (uid == NOBODY || agents[i].uid == uid) && (agents[i].due == NULL || uid != NOBODY)) {
			agents[i].due = cause;
			agents[i].due_until_helper = uid == NOBODY;
		}
	if (queue.since_ms == 0)
		queue.since_ms = queue.last_ms = now_ms();
	/* Not patient: the first need not wait. */
	if (!patient)
		queue.last_ms = now_ms() - THAW_WAIT_MS;
}

void agents_keep(void)
{
	/* What is due for another reason stays so: its holder has ended, or a key was typed. */
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agents[i].due_until_helper)
			agents[i].due = NULL;
}

static struct agent *next_due(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[(queue.next + i) % AGENTS_MOST];

		if (agent_is_held(agent) && agent->due != NULL)
			return agent;
	}
	return NULL;
}

int64_t agents_thaw_step(int64_t at_ms)
{
	struct agent *agent = queue.since_ms == 0 ? NULL : next_due();
	char id[NAME_MOST + 1];
	struct woken woken;
	int64_t uid;

	if (agent == NULL) {
		queue.since_ms = 0;
		return NEVER_MS;
	}
	if (!watch_memory_is_sane() && at_ms - queue.last_ms < THAW_WAIT_MS && at_ms - queue.since_ms < THAW_ALL_MS)
		return at_ms + THAW_RETRY_MS;
	strcpy(id, agent->id);
	uid = agent->uid;
	queue.last_ms = at_ms;
	queue.next = agent_index(agent) + 1;
	/* No prefault: nobody waits for this one, and it would take memory from those who do. */
	if (!wake(agent, agent->due, false, now_us(), &woken))
		return at_ms + THAW_RETRY_MS;
	leave_word("thawed", "Thawed: nobody stands for it any more.", NULL, id, uid);
	return at_ms;
}

void agents_thaw_now(const char *cause)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct woken woken;

		if (agent_is_held(&agents[i]))
			wake(&agents[i], cause, false, now_us(), &woken);
	}
}
