/* SPDX-License-Identifier: Apache-2.0 */
/* Holding an agent, so that it may be frozen, and letting go of it. */
#include "agents-inner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel-file.h"
#include "terminal-file.h"
#include "words.h"

/* Of one user, where there are others: nobody can take all places. */
#define AGENTS_EACH_MOST 64

/* The other files of the same cgroup, by the folder of the one that was checked. */
static int open_beside(const char *freeze_path, const char *name)
{
	char path[PATH_MAX];
	struct out out = out_begin(path, sizeof(path));

	out_bytes(&out, freeze_path, (size_t)(strrchr(freeze_path, '/') + 1 - freeze_path));
	out_text(&out, name);
	return out.cut ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

const char *agent_hold(const char *id, int64_t uid, pid_t terminal_of, const char *freeze_path)
{
	struct agent *agent = NULL;

	if (agent_find(id) != NULL)
		return "exists this agent is held already";
	for (unsigned i = 0; i < AGENTS_MOST && agent == NULL; i++)
		if (agents[i].state == AGENT_FREE)
			agent = &agents[i];
	if (agent == NULL)
		return "full the guard holds 128 agents already";
	if (settings.system && uid != 0 && uid != NOBODY && agents_of(uid) >= AGENTS_EACH_MOST)
		return "full the guard holds 64 agents of this user already";
	if (!is_freeze_path(freeze_path))
		return "bad-request expected the cgroup.freeze of a cgroup below /sys/fs/cgroup";
	agent->freeze = kernel_file_open(freeze_path);
	if (agent->freeze < 0)
		return "refused cgroup.freeze cannot be opened for writing, or is not on a cgroup v2 file system";
	strcpy(agent->id, id);
	agent->uid = uid;
	agent->process_count = agent->range_count = 0;
	agent->oom_kills = 0;
	agent->stuck_since_ms = 0;
	agent->look_ms = NEVER_MS;
	agent->due = NULL;
	agent->terminal_of = terminal_of;
	agent->events = open_beside(freeze_path, "cgroup.events");
	agent->memory = open_beside(freeze_path, "memory.events");
	agent_read_count(agent->memory, "oom_kill", &agent->oom_kills);
	agent->state = AGENT_MAKING;
	if (agent->events < 0 || !listen_to(agent->events, EPOLLPRI, FROM_CGROUP, agent_index(agent))) {
		agent_forget(agent);
		return "refused cgroup.events cannot be watched";
	}
	bring_begin();
	return NULL;
}

static struct agent *find_made(const char *id)
{
	struct agent *agent = agent_find(id);

	return agent != NULL && agent->state == AGENT_MAKING ? agent : NULL;
}

const char *agent_process(const char *id, pid_t pid, uint64_t ticks)
{
	struct agent *agent = find_made(id);
	int pidfd;

	if (agent == NULL)
		return "unknown no agent of this name is being held";
	if (agent->process_count == PROCESSES_MOST)
		return "full 16 processes of one agent at most";
	pidfd = process_open(pid, ticks);
	/* One that ended meanwhile needs nothing brought back. */
	if (pidfd < 0)
		return errno == EMFILE || errno == ENFILE ? "full the guard may not open more files" : NULL;
	agent->processes[agent->process_count++] = (struct process){ .pid = pid, .pidfd = pidfd };
	/* Of this very process, not of one that has its number by now. */
	if (pid == agent->terminal_of && agent->terminal < 0)
		agent->terminal = terminal_file_open(pidfd, pid, agent->uid);
	return NULL;
}

const char *agent_range(const char *id, pid_t pid, uint64_t start, uint64_t end)
{
	struct agent *agent = find_made(id);
	unsigned process = 0;

	if (agent == NULL)
		return "unknown no agent of this name is being held";
	if (start >= end || end > RANGE_MOST_ADDRESS || start % RANGE_PAGE != 0 || end % RANGE_PAGE != 0 || (end - start) / RANGE_PAGE > RANGE_MOST_PAGES)
		return "bad-request expected START-END of whole pages below 2^48, less than 64 GiB";
	while (process < agent->process_count && agent->processes[process].pid != pid)
		process++;
	if (process == agent->process_count)
		return NULL;
	if (agent->range_count == RANGES_MOST)
		return "full 512 ranges of one agent at most";
	agent_ranges[agent_index(agent)][agent->range_count++] = range_make(start, (end - start) / RANGE_PAGE, process);
	return NULL;
}

const char *agent_held(const char *id)
{
	struct agent *agent = find_made(id);

	if (agent == NULL)
		return "unknown no agent of this name is being held";
	if (!agent_populated(agent)) {
		agent_forget(agent);
		return "gone nobody is in this cgroup";
	}
	if (agent->terminal_of != 0 && agent->terminal < 0) {
		agent_forget(agent);
		return "refused the standard input of the process named for it is no terminal that can be watched";
	}
	agent->state = AGENT_HELD;
	return NULL;
}

const char *agent_release(const char *id)
{
	struct agent *agent = agent_find(id);

	if (agent == NULL)
		return "unknown no agent of this name is held";
	agent_forget(agent);
	return NULL;
}
