/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/saved.h"

#include <string.h>
#include <unistd.h>

#include "broker/process.h"

#define SAVED_VERSION 1u
#define SAVED_PROCESSES 16u

struct saved_process {
	uint64_t pid, start;
};

struct saved_agent {
	uint32_t version;
	uint32_t importance;
	uint32_t state;
	uint32_t process_count;
	uint64_t quota_bytes;
	uint8_t token_hash[AM_DIGEST_BYTES];
	char name[64];
	char domain[64];
	char boot[40];		/* processes are of this boot */
	struct saved_process processes[SAVED_PROCESSES];
};

void saved_write(const struct agent *agent)
{
	struct saved_agent saved = { .version = SAVED_VERSION, .importance = agent->importance, .state = agent->state, .quota_bytes = agent->quota_bytes };

	memcpy(saved.token_hash, agent->token_hash.bytes, sizeof(saved.token_hash));
	memcpy(saved.name, agent->name, sizeof(saved.name));
	memcpy(saved.domain, agent->domain->name, sizeof(saved.domain));
	memcpy(saved.boot, boot_id(), strnlen(boot_id(), sizeof(saved.boot) - 1));
	for (const struct process *process = agent->processes; process != NULL && saved.process_count < SAVED_PROCESSES; process = process->next)
		if (!process->ended)
			saved.processes[saved.process_count++] = (struct saved_process){ .pid = (uint64_t)process->pid, .start = process->start };
	/* Without room on disk it is forgotten with the broker, as it is without a cold tier. */
	(void)content_save_agent(front.content, agent->number, &saved, sizeof(saved));
}

/* Those that still run: the same number alone would not be the same process. */
static void rejoin(struct agent *agent, const struct saved_agent *saved)
{
	for (uint32_t i = 0; i < saved->process_count && i < SAVED_PROCESSES; i++) {
		pid_t pid = (pid_t)saved->processes[i].pid;
		int pidfd = pid > 0 ? process_open(pid) : -1;
		struct process *process;

		if (pidfd < 0)
			continue;
		if (process_start(pid) != saved->processes[i].start) {
			close(pidfd);
			continue;
		}
		process = process_join(agent, pid, saved->processes[i].start, pidfd);
		if (process != NULL)
			process_leave(process);
	}
}

static int look_at_agent(void *context, uint64_t number, const void *data, size_t bytes)
{
	struct agent from = { .number = number };
	struct saved_agent saved;
	struct agent *agent;

	(void)context;
	if (bytes != sizeof(saved))
		return 0;
	memcpy(&saved, data, sizeof(saved));
	if (saved.version != SAVED_VERSION || saved.name[63] != '\0' || saved.domain[63] != '\0' || saved.state < AM_STATE_ACTIVE || saved.state >= AM_STATE_END)
		return 0;
	memcpy(from.token_hash.bytes, saved.token_hash, sizeof(saved.token_hash));
	memcpy(from.name, saved.name, sizeof(from.name));
	from.state = saved.state;
	from.importance = saved.importance > AM_IMPORTANCE_MOST ? 50 : saved.importance;
	from.quota_bytes = saved.quota_bytes;
	agent = agent_restore(&from, saved.domain);
	if (agent != NULL && strncmp(saved.boot, boot_id(), sizeof(saved.boot)) == 0 && boot_id()[0] != '\0')
		rejoin(agent, &saved);
	return 0;
}

void saved_read_agents(void)
{
	(void)content_each_agent(front.content, look_at_agent, NULL);
}
