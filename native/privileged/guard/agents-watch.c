/* SPDX-License-Identifier: Apache-2.0 */
/* What a frozen agent is woken for: keys, signals, a terminal that closes, a device that does not answer. */
#include "agents-inner.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "server.h"
#include "words.h"

static unsigned queued_bytes(const struct agent *agent)
{
	int count = 0;

	/* FIONREAD tells how much can be read, and reads nothing. */
	return ioctl(agent->terminal, FIONREAD, &count) == 0 && count > 0 ? (unsigned)count : 0;
}

const char *agent_frozen(const char *id)
{
	struct agent *agent = agent_find(id);

	if (agent == NULL || (agent->state != AGENT_HELD && agent->state != AGENT_FROZEN))
		return "unknown no agent of this name is held";
	if (agent->state == AGENT_FROZEN)
		return NULL;
	agent->state = AGENT_FROZEN;
	if (agent->terminal < 0)
		return NULL;
	terminal_begin(&agent->rule, 0);
	/* Edges only: what it did not read before it was frozen would be "readable" for ever. */
	if (!listen_to(agent->terminal, EPOLLIN | EPOLLET, FROM_TERMINAL, agent_index(agent))) {
		agent->state = AGENT_HELD;
		return "refused the terminal cannot be watched";
	}
	/* Typed while it was being frozen. */
	if (queued_bytes(agent) > 0)
		agent_wake_here(agent, "key", "woke", "A key was typed while it was being suspended.", now_us());
	return NULL;
}

int64_t agents_step(int64_t at_ms)
{
	int64_t next_ms = agents_thaw_step(at_ms);

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[i];

		if (agent->state != AGENT_FROZEN || agent->look_ms == NEVER_MS)
			continue;
		if (at_ms >= agent->look_ms) {
			enum terminal_verdict verdict = terminal_later(&agent->rule, queued_bytes(agent), at_ms);

			agent->look_ms = verdict == TERMINAL_LOOK_AGAIN ? at_ms + 10 : NEVER_MS;
			if (verdict == TERMINAL_WAKE) {
				agent_wake_here(agent, "key", "woke", "Something was typed or pasted into its terminal.", at_ms * 1000);
				continue;
			}
		}
		next_ms = sooner(next_ms, agent->look_ms);
	}
	return next_ms;
}

void agents_terminal_event(unsigned index, uint32_t events)
{
	struct agent *agent = &agents[index];
	int64_t since_us = now_us();
	enum terminal_verdict verdict;

	if (agent->state != AGENT_FROZEN || agent->terminal < 0)
		return;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		/* Its terminal is gone: it has to run to hear of it. */
		agent_wake_here(agent, "guard", "woke", "Its terminal was closed.", since_us);
		return;
	}
	verdict = terminal_came(&agent->rule, queued_bytes(agent), since_us / 1000);
	if (verdict == TERMINAL_WAKE)
		agent_wake_here(agent, "key", "woke", "A key was typed.", since_us);
	else
		agent->look_ms = verdict == TERMINAL_LOOK_AGAIN ? since_us / 1000 + TERMINAL_LOOK_MS : NEVER_MS;
}

void agents_cgroup_event(unsigned index)
{
	struct agent *agent = &agents[index];
	char id[NAME_MOST + 1];

	/* Reading it is also what ends the event. */
	if (agent->state == AGENT_FREE || agent_populated(agent))
		return;
	if (agent->state == AGENT_MAKING)
		return;
	strcpy(id, agent->id);
	agent_forget(agent);
	server_tell("gone ", id, false);
}

/* What a frozen process was sent and cannot hear. Not SIGWINCH: turning a window is no wish. */
static const uint64_t ending_signals = 1u << (SIGHUP - 1) | 1u << (SIGINT - 1) | 1u << (SIGQUIT - 1) | 1u << (SIGTERM - 1);

static void look_at(struct agent *agent, int64_t at_ms)
{
	bool any_stuck = false;

	for (unsigned i = 0; i < agent->process_count; i++) {
		char path[64];
		char text[4096];
		const char *state;
		uint64_t pending;

		proc_path(path, agent->processes[i].pid, "status");
		if (read_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || process_ended(agent->processes[i].pidfd))
			continue;
		if (field_of(text, "ShdPnd", 16, &pending) && (pending & ending_signals) != 0) {
			agent_wake_here(agent, "guard", "woke", "It was sent a signal that it can only hear when it runs.", now_us());
			return;
		}
		state = strstr(text, "\nState:\t");
		any_stuck = any_stuck || (state != NULL && state[8] == 'D');
	}
	if (!any_stuck)
		agent->stuck_since_ms = 0;
	else if (agent->stuck_since_ms == 0)
		agent->stuck_since_ms = at_ms;
	else if (at_ms - agent->stuck_since_ms > (int64_t)settings.stuck_s * 1000)
		agent_wake_here(agent, "guard", "stuck", "One of its processes has been waiting for a device for too long.", now_us());
}

bool agents_look(int64_t at_ms)
{
	bool killed = false;

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[i];
		uint64_t kills;

		if (!agent_is_held(agent))
			continue;
		if (agent_read_count(agent->memory, "oom_kill", &kills) && kills > agent->oom_kills) {
			agent->oom_kills = kills;
			killed = true;
			leave_word("oom-kill", "The kernel ended one of its processes for lack of memory.", NULL, agent->id, agent->uid);
		}
		if (agent->state == AGENT_FROZEN)
			look_at(agent, at_ms);
	}
	return killed;
}
