/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/agents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/limits.h"
#include "broker/saved.h"
#include "common/digest.h"

#define NUMBER_MOST ((UINT64_C(1) << 53) - 1)

/* Sorted by number. */
static struct agent **agents;
static unsigned count;
/* When the first of those without processes goes, or records are to be saved. */
static uint64_t next_ms = UINT64_MAX;
static uint64_t lives;

/* The first with a number of at least this. */
static unsigned place_of(uint64_t number)
{
	unsigned low = 0, high = count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (agents[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct agent *agent_of_number(uint64_t number)
{
	unsigned at = place_of(number);

	return at < count && agents[at]->number == number ? agents[at] : NULL;
}

struct agent *agent_of_life(uint64_t number, uint64_t life)
{
	struct agent *agent = agent_of_number(number);

	return agent != NULL && agent->life == life ? agent : NULL;
}

struct agent *agents_next(uint64_t after)
{
	unsigned at = after == UINT64_MAX ? count : place_of(after + 1);

	return at < count ? agents[at] : NULL;
}

struct agent *agent_of_token(const uint8_t token[TOKEN_BYTES])
{
	struct am_digest hash;

	/* Compared by hash: how far a guess comes says nothing about the token. */
	digest_of(token, TOKEN_BYTES, &hash);
	for (unsigned i = 0; i < count; i++) {
		if (memcmp(&agents[i]->token_hash, &hash, sizeof(hash)) != 0)
			continue;
		memcpy(agents[i]->token, token, TOKEN_BYTES);
		return agents[i];
	}
	return NULL;
}

static bool put_in(struct agent *agent, const char *domain)
{
	unsigned at = place_of(agent->number);

	if (agents == NULL)
		agents = calloc(AGENTS_MOST, sizeof(struct agent *));
	agent->domain = agents == NULL ? NULL : domain_join(domain);
	if (agent->domain == NULL) {
		errno = ENOMEM;
		return false;
	}
	agent->life = ++lives;
	memmove(agents + at + 1, agents + at, (count - at) * sizeof(struct agent *));
	agents[at] = agent;
	count++;
	return true;
}

static void look_by(uint64_t at_ms)
{
	next_ms = at_ms < next_ms ? at_ms : next_ms;
}

void agent_changed(struct agent *agent)
{
	agent->dirty = true;
	look_by(front.now_ms + SAVE_MS);
}

void agent_begin_grace(struct agent *agent, uint64_t grace_ms)
{
	agent->gone_ms = front.now_ms + grace_ms;
	look_by(agent->gone_ms);
}

struct agent *agent_add(const struct broker_hello *hello)
{
	static const uint8_t no_token[TOKEN_BYTES];
	struct agent *agent;

	if (count >= AGENTS_MOST) {
		errno = EBUSY;
		return NULL;
	}
	agent = calloc(1, sizeof(*agent));
	if (agent == NULL)
		return NULL;
	memcpy(agent->token, hello->token, TOKEN_BYTES);
	do {
		if (memcmp(agent->token, no_token, TOKEN_BYTES) == 0 && getrandom(agent->token, TOKEN_BYTES, 0) < 0) {
			free(agent);
			return NULL;
		}
		digest_of(agent->token, TOKEN_BYTES, &agent->token_hash);
		/* By the token, so that an agent that comes back to a new broker has the number others know it by. */
		memcpy(&agent->number, agent->token_hash.bytes, sizeof(agent->number));
		/* Exact also in languages whose numbers are floating; 0 names none. */
		agent->number &= NUMBER_MOST;
		if (agent->number != 0 && agent_of_number(agent->number) == NULL)
			break;
		memset(agent->token, 0, TOKEN_BYTES);
	} while (true);
	memcpy(agent->name, hello->name, sizeof(agent->name));
	agent->state = AM_STATE_ACTIVE;
	agent->importance = hello->importance == 0 ? 50 : hello->importance;
	agent->quota_bytes = hello->quota_bytes;
	agent->used_ms = front.now_ms;
	if (!put_in(agent, hello->domain)) {
		free(agent);
		return NULL;
	}
	/* Before any unit of it can be on disk: one without its agent would be found by nobody. */
	saved_write(agent);
	/* Gone again soon unless its first process joins. */
	agent_begin_grace(agent, front.options.grace_ms);
	agent_changed(agent);
	return agent;
}

void agent_remove(struct agent *agent)
{
	unsigned at = place_of(agent->number);

	while (agent->processes != NULL) {
		struct process *process = agent->processes;

		agent->processes = process->next;
		process_forget(process);
	}
	memmove(agents + at, agents + at + 1, (count - at - 1) * sizeof(struct agent *));
	count--;
	content_agent_gone(front.content, agent->number);
	(void)content_save_agent(front.content, agent->number, NULL, 0);
	domain_leave(agent->domain);
	front_step_soon();
	front_free_later(agent);
}

uint64_t agent_quota(const struct agent *agent)
{
	uint64_t own_bytes = front.settings.quota_bytes;

	return agent->quota_bytes != 0 && agent->quota_bytes < own_bytes ? agent->quota_bytes : own_bytes;
}

int agent_allows(const struct agent *agent, uint64_t more_bytes)
{
	uint64_t held_bytes = content_agent_bytes(front.content, agent->number) + agent->pending_bytes;
	uint64_t quota_bytes = agent_quota(agent);

	return held_bytes <= quota_bytes && more_bytes <= quota_bytes - held_bytes ? 0 : -EDQUOT;
}

enum am_state agent_state(const struct agent *agent)
{
	return agent->gone_ms == 0 ? agent->state : AM_STATE_GONE;
}

bool agents_view(void *context, uint64_t number, enum am_state *state, uint32_t *importance)
{
	const struct agent *agent = agent_of_number(number);

	(void)context;
	if (agent == NULL)
		return false;
	*state = agent_state(agent);
	*importance = agent->importance;
	return true;
}

unsigned agents_count(void)
{
	return count;
}

void agent_line(struct agent *agent, struct broker_agent_line *line)
{
	memset(line, 0, sizeof(*line));
	content_agent_line(front.content, agent->number, line);
	line->agent = agent->number;
	for (const struct process *process = agent->processes; process != NULL; process = process->next)
		line->pid = (uint32_t)process->pid;
	line->state = agent_state(agent);
	line->importance = agent->importance;
	line->processes = agent->process_count;
	line->idle_ms = front.now_ms - agent->used_ms;
	memcpy(line->name, agent->name, sizeof(line->name));
	memcpy(line->domain, agent->domain->name, sizeof(line->domain));
}

uint64_t agents_step(void)
{
	if (front.now_ms < next_ms)
		return next_ms;
	next_ms = UINT64_MAX;
	for (unsigned i = count; i > 0; i--) {
		struct agent *agent = agents[i - 1];

		if (agent->gone_ms != 0 && agent->connections == 0 && agent->gone_ms <= front.now_ms) {
			agent_remove(agent);
			continue;
		}
		if (agent->gone_ms != 0)
			look_by(agent->gone_ms);
		if (agent->dirty)
			saved_write(agent);
		agent->dirty = false;
	}
	return next_ms;
}

bool agents_hold_memory(void)
{
	for (unsigned i = 0; i < count; i++) {
		struct broker_agent_line line;

		agent_line(agents[i], &line);
		if (line.hot_bytes > 0 || line.warm_bytes > 0)
			return true;
	}
	return false;
}

uint64_t agents_bytes(void)
{
	return count * (sizeof(struct agent) + sizeof(struct agent *)) + processes_bytes();
}

struct agent *agent_restore(const struct agent *from, const char *domain)
{
	struct broker_stat stat = { 0 };
	struct agent *agent = count < AGENTS_MOST && from->number != 0 && agent_of_number(from->number) == NULL ? malloc(sizeof(*agent)) : NULL;

	if (agent == NULL)
		return NULL;
	*agent = *from;
	agent->used_ms = front.now_ms;
	if (!put_in(agent, domain)) {
		free(agent);
		return NULL;
	}
	content_agent_stat(front.content, agent->number, &stat);
	agent->holds = stat.units;
	agent_begin_grace(agent, front.options.grace_ms * RESTORED_GRACE_FACTOR);
	return agent;
}

void agents_end(void)
{
	for (unsigned i = 0; i < count; i++) {
		if (agents[i]->dirty)
			saved_write(agents[i]);
		while (agents[i]->processes != NULL) {
			struct process *process = agents[i]->processes;

			agents[i]->processes = process->next;
			process_forget(process);
		}
	}
}

void agents_free(void)
{
	for (unsigned i = 0; i < count; i++)
		free(agents[i]);
	free(agents);
	agents = NULL;
	count = 0;
}
