/* SPDX-License-Identifier: Apache-2.0 */
/* The processes that agents consist of: each is watched for its end. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "broker/agents.h"
#include "broker/limits.h"

static uint64_t process_total;

static void unwatch(struct process *process)
{
	if (process->watch.fd < 0)
		return;
	front_unwatch(&process->watch);
	close(process->watch.fd);
	process->watch.fd = -1;
}

void process_forget(struct process *process)
{
	process_total--;
	unwatch(process);
	maps_end(&process->maps);
	front_free_later(process);
}

static void process_gone(struct process *process)
{
	struct agent *agent = process->agent;
	struct process **at = &agent->processes;

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	agent->process_count--;
	for (uint32_t i = 0; i < process->maps.room; i++)
		for (uint64_t times = process->maps.entries[i].times; times > 0; times--)
			(void)content_unmap(front.content, agent->number, process->maps.entries[i].unit);
	process_forget(process);
	if (agent->processes == NULL)
		agent_begin_grace(agent, front.options.grace_ms);
	agent_changed(agent);
}

static void process_ended(struct watch *watch, uint32_t events)
{
	struct process *process = (struct process *)watch;

	(void)events;
	/* Taken out in this very turn. */
	if (watch->fd < 0)
		return;
	/* Told once: its pidfd would stay readable. */
	unwatch(process);
	process->ended = true;
	if (process->connections == 0)
		process_gone(process);
}

struct process *process_join(struct agent *agent, pid_t pid, uint64_t start, int pidfd)
{
	struct process *process = agent->processes;

	while (process != NULL && (process->pid != pid || process->start != start || process->ended))
		process = process->next;
	if (process != NULL) {
		if (pidfd >= 0)
			close(pidfd);
		process->connections++;
		return process;
	}
	process = agent->process_count < AGENT_PROCESSES_MOST ? calloc(1, sizeof(*process)) : NULL;
	if (process == NULL) {
		int problem = agent->process_count < AGENT_PROCESSES_MOST ? ENOMEM : EBUSY;

		if (pidfd >= 0)
			close(pidfd);
		errno = problem;
		return NULL;
	}
	process->watch = (struct watch){ .ready = process_ended, .fd = pidfd };
	process->agent = agent;
	process->pid = pid;
	process->start = start;
	process->connections = 1;
	/* Without a pidfd its connections alone stand for it. */
	if (pidfd >= 0 && !front_watch(&process->watch, EPOLLIN)) {
		close(pidfd);
		process->watch.fd = -1;
	}
	process->ended = process->watch.fd < 0;
	process->next = agent->processes;
	agent->processes = process;
	agent->process_count++;
	process_total++;
	agent->gone_ms = 0;
	agent_changed(agent);
	return process;
}

void process_leave(struct process *process)
{
	process->connections--;
	if (process->connections == 0 && process->ended)
		process_gone(process);
}

bool process_map(struct process *process, uint64_t unit)
{
	if (process->mappings >= AGENT_HOLDS_MOST || !maps_add(&process->maps, unit))
		return false;
	process->mappings++;
	return true;
}

bool process_unmap(struct process *process, uint64_t unit)
{
	if (!maps_remove(&process->maps, unit))
		return false;
	process->mappings--;
	return true;
}

uint64_t processes_bytes(void)
{
	return process_total * sizeof(struct process);
}
