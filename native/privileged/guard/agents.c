/* SPDX-License-Identifier: Apache-2.0 */
/* The table of agents: finding, counting, forgetting them. */
#include "agents-inner.h"

#include <errno.h>
#include <string.h>

struct agent agents[AGENTS_MOST];
page_range agent_ranges[AGENTS_MOST][RANGES_MOST];

void agents_begin(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		agents[i].freeze = agents[i].events = agents[i].memory = agents[i].terminal = -1;
	/* Touched now: later there may be no memory for it. */
	memset(agent_ranges, 0, sizeof(agent_ranges));
}

struct agent *agent_find(const char *id)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agents[i].state != AGENT_FREE && strcmp(agents[i].id, id) == 0)
			return &agents[i];
	return NULL;
}

unsigned agent_index(const struct agent *agent)
{
	return (unsigned)(agent - agents);
}

/* An open slave side keeps the hang-up from coming: closed as soon as it has done its work. */
void agent_forget(struct agent *agent)
{
	close_fd(&agent->terminal);
	close_fd(&agent->events);
	close_fd(&agent->memory);
	close_fd(&agent->freeze);
	for (unsigned i = 0; i < agent->process_count; i++)
		close_fd(&agent->processes[i].pidfd);
	agent->process_count = agent->range_count = 0;
	agent->due = NULL;
	agent->state = AGENT_FREE;
}

bool agent_read_count(int fd, const char *name, uint64_t *count)
{
	char text[512];

	return fd >= 0 && read_again(fd, text, sizeof(text)) > 0 && field_of(text, name, 10, count);
}

bool agent_populated(const struct agent *agent)
{
	uint64_t count;

	errno = 0;
	if (agent_read_count(agent->events, "populated", &count))
		return count != 0;
	/* A cgroup that is gone cannot be read: nobody is in it. Anything else says nothing. */
	return errno != ENODEV && errno != ENOENT;
}

bool agent_is_held(const struct agent *agent)
{
	return agent->state == AGENT_HELD || agent->state == AGENT_FROZEN;
}

unsigned agents_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < AGENTS_MOST; i++)
		count += agents[i].state != AGENT_FREE;
	return count;
}

unsigned agents_of(int64_t uid)
{
	unsigned count = 0;

	for (unsigned i = 0; i < AGENTS_MOST; i++)
		count += agent_is_held(&agents[i]) && agents[i].uid == uid;
	return count;
}

void agents_list(struct out *out)
{
	bool any = false;

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		if (!agent_is_held(&agents[i]))
			continue;
		if (any)
			out_text(out, ",");
		any = true;
		out_json(out, agents[i].id);
	}
}

void agents_drop_made(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agents[i].state == AGENT_MAKING)
			agent_forget(&agents[i]);
}
