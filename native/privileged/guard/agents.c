/* SPDX-License-Identifier: Apache-2.0 */
#include "agents.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bring.h"
#include "kernel-file.h"
#include "server.h"
#include "terminal-file.h"
#include "terminal.h"
#include "watch.h"
#include "words.h"

#define AGENTS_MOST 128
/* Of one user, where there are others: nobody can take all places. */
#define AGENTS_EACH_MOST 64
#define PROCESSES_MOST BRING_PROCESSES_MOST
#define RANGES_MOST BRING_RANGES_MOST

/* Thawing one by one while memory is short: for each, and for all of them. */
#define THAW_WAIT_MS 2000
#define THAW_ALL_MS 60000
#define THAW_RETRY_MS 100

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

static struct agent agents[AGENTS_MOST];
static page_range ranges[AGENTS_MOST][RANGES_MOST];

static struct {
	int64_t since_ms; /* when the first became due; 0: none is */
	int64_t last_ms; /* when the last was thawed */
	unsigned next; /* where to look for the next one: one that cannot be thawed holds up no other */
} queue;

void agents_begin(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		agents[i].freeze = agents[i].events = agents[i].memory = agents[i].terminal = -1;
	/* Touched now: later there may be no memory for it. */
	memset(ranges, 0, sizeof(ranges));
}

static struct agent *find(const char *id)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agents[i].state != AGENT_FREE && strcmp(agents[i].id, id) == 0)
			return &agents[i];
	return NULL;
}

static unsigned index_of(const struct agent *agent)
{
	return (unsigned)(agent - agents);
}

/* An open slave side keeps the hang-up from coming: closed as soon as it has done its work. */
static void forget(struct agent *agent)
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

/* The other files of the same cgroup, by the folder of the one that was checked. */
static int open_beside(const char *freeze_path, const char *name)
{
	char path[PATH_MAX];
	struct out out = out_begin(path, sizeof(path));

	out_bytes(&out, freeze_path, (size_t)(strrchr(freeze_path, '/') + 1 - freeze_path));
	out_text(&out, name);
	return out.cut ? -1 : open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

static bool read_count(int fd, const char *name, uint64_t *count)
{
	char text[512];

	return fd >= 0 && read_again(fd, text, sizeof(text)) > 0 && field_of(text, name, 10, count);
}

static bool populated(const struct agent *agent)
{
	uint64_t count;

	errno = 0;
	if (read_count(agent->events, "populated", &count))
		return count != 0;
	/* A cgroup that is gone cannot be read: nobody is in it. Anything else says nothing. */
	return errno != ENODEV && errno != ENOENT;
}

const char *agent_hold(const char *id, int64_t uid, pid_t terminal_of, const char *freeze_path)
{
	struct agent *agent = NULL;

	if (find(id) != NULL)
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
	read_count(agent->memory, "oom_kill", &agent->oom_kills);
	agent->state = AGENT_MAKING;
	if (agent->events < 0 || !listen_to(agent->events, EPOLLPRI, FROM_CGROUP, index_of(agent))) {
		forget(agent);
		return "refused cgroup.events cannot be watched";
	}
	bring_begin();
	return NULL;
}

static struct agent *find_made(const char *id)
{
	struct agent *agent = find(id);

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
	ranges[index_of(agent)][agent->range_count++] = range_make(start, (end - start) / RANGE_PAGE, process);
	return NULL;
}

const char *agent_held(const char *id)
{
	struct agent *agent = find_made(id);

	if (agent == NULL)
		return "unknown no agent of this name is being held";
	if (!populated(agent)) {
		forget(agent);
		return "gone nobody is in this cgroup";
	}
	if (agent->terminal_of != 0 && agent->terminal < 0) {
		forget(agent);
		return "refused the standard input of the process named for it is no terminal that can be watched";
	}
	agent->state = AGENT_HELD;
	return NULL;
}

static void prefault(const struct agent *agent, struct bring_progress *progress, int64_t until_us)
{
	pid_t pids[PROCESSES_MOST] = { 0 };

	for (unsigned i = 0; i < agent->process_count; i++)
		pids[i] = process_ended(agent->processes[i].pidfd) ? 0 : agent->processes[i].pid;
	bring_back(pids, ranges[index_of(agent)], agent->range_count, progress, until_us);
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
	bool frozen = agent->state == AGENT_FROZEN || agent->state == AGENT_HELD;
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
	forget(agent);
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
static void wake_here(struct agent *agent, const char *cause, const char *what, const char *text, int64_t since_us)
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

static unsigned queued_bytes(const struct agent *agent)
{
	int count = 0;

	/* FIONREAD tells how much can be read, and reads nothing. */
	return ioctl(agent->terminal, FIONREAD, &count) == 0 && count > 0 ? (unsigned)count : 0;
}

const char *agent_frozen(const char *id)
{
	struct agent *agent = find(id);

	if (agent == NULL || (agent->state != AGENT_HELD && agent->state != AGENT_FROZEN))
		return "unknown no agent of this name is held";
	if (agent->state == AGENT_FROZEN)
		return NULL;
	agent->state = AGENT_FROZEN;
	if (agent->terminal < 0)
		return NULL;
	terminal_begin(&agent->rule, 0);
	/* Edges only: what it did not read before it was frozen would be "readable" for ever. */
	if (!listen_to(agent->terminal, EPOLLIN | EPOLLET, FROM_TERMINAL, index_of(agent))) {
		agent->state = AGENT_HELD;
		return "refused the terminal cannot be watched";
	}
	/* Typed while it was being frozen. */
	if (queued_bytes(agent) > 0)
		wake_here(agent, "key", "woke", "A key was typed while it was being suspended.", now_us());
	return NULL;
}

const char *agent_release(const char *id)
{
	struct agent *agent = find(id);

	if (agent == NULL)
		return "unknown no agent of this name is held";
	forget(agent);
	return NULL;
}

const char *agent_wake(const char *id, const char *cause, int64_t since_us, struct woken *woken)
{
	struct agent *agent = find(id);

	if (agent == NULL || agent->state == AGENT_MAKING)
		return "unknown no agent of this name is held";
	if (wake(agent, cause, true, since_us, woken))
		return NULL;
	try_again(agent, "guard");
	return "refused the kernel refused to thaw it; the guard tries again";
}

unsigned agents_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < AGENTS_MOST; i++)
		count += agents[i].state != AGENT_FREE;
	return count;
}

static bool is_held(const struct agent *agent)
{
	return agent->state == AGENT_HELD || agent->state == AGENT_FROZEN;
}

unsigned agents_of(int64_t uid)
{
	unsigned count = 0;

	for (unsigned i = 0; i < AGENTS_MOST; i++)
		count += is_held(&agents[i]) && agents[i].uid == uid;
	return count;
}

void agents_list(struct out *out)
{
	bool any = false;

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		if (!is_held(&agents[i]))
			continue;
		if (any)
			out_text(out, ",");
		any = true;
		out_json(out, agents[i].id);
	}
}

void agents_thaw(int64_t uid, const char *cause, bool patient)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (is_held(&agents[i]) && (uid == NOBODY || agents[i].uid == uid) && (agents[i].due == NULL || uid != NOBODY)) {
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

void agents_drop_made(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++)
		if (agents[i].state == AGENT_MAKING)
			forget(&agents[i]);
}

static struct agent *next_due(void)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[(queue.next + i) % AGENTS_MOST];

		if (is_held(agent) && agent->due != NULL)
			return agent;
	}
	return NULL;
}

static int64_t thaw_step(int64_t at_ms)
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
	queue.next = index_of(agent) + 1;
	/* No prefault: nobody waits for this one, and it would take memory from those who do. */
	if (!wake(agent, agent->due, false, now_us(), &woken))
		return at_ms + THAW_RETRY_MS;
	leave_word("thawed", "Thawed: nobody stands for it any more.", NULL, id, uid);
	return at_ms;
}

int64_t agents_step(int64_t at_ms)
{
	int64_t next_ms = thaw_step(at_ms);

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[i];

		if (agent->state != AGENT_FROZEN || agent->look_ms == NEVER_MS)
			continue;
		if (at_ms >= agent->look_ms) {
			enum terminal_verdict verdict = terminal_later(&agent->rule, queued_bytes(agent), at_ms);

			agent->look_ms = verdict == TERMINAL_LOOK_AGAIN ? at_ms + 10 : NEVER_MS;
			if (verdict == TERMINAL_WAKE) {
				wake_here(agent, "key", "woke", "Something was typed or pasted into its terminal.", at_ms * 1000);
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
		wake_here(agent, "guard", "woke", "Its terminal was closed.", since_us);
		return;
	}
	verdict = terminal_came(&agent->rule, queued_bytes(agent), since_us / 1000);
	if (verdict == TERMINAL_WAKE)
		wake_here(agent, "key", "woke", "A key was typed.", since_us);
	else
		agent->look_ms = verdict == TERMINAL_LOOK_AGAIN ? since_us / 1000 + TERMINAL_LOOK_MS : NEVER_MS;
}

void agents_cgroup_event(unsigned index)
{
	struct agent *agent = &agents[index];
	char id[NAME_MOST + 1];

	/* Reading it is also what ends the event. */
	if (agent->state == AGENT_FREE || populated(agent))
		return;
	if (agent->state == AGENT_MAKING)
		return;
	strcpy(id, agent->id);
	forget(agent);
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
			wake_here(agent, "guard", "woke", "It was sent a signal that it can only hear when it runs.", now_us());
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
		wake_here(agent, "guard", "stuck", "One of its processes has been waiting for a device for too long.", now_us());
}

bool agents_look(int64_t at_ms)
{
	bool killed = false;

	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct agent *agent = &agents[i];
		uint64_t kills;

		if (!is_held(agent))
			continue;
		if (read_count(agent->memory, "oom_kill", &kills) && kills > agent->oom_kills) {
			agent->oom_kills = kills;
			killed = true;
			leave_word("oom-kill", "The kernel ended one of its processes for lack of memory.", NULL, agent->id, agent->uid);
		}
		if (agent->state == AGENT_FROZEN)
			look_at(agent, at_ms);
	}
	return killed;
}

void agents_thaw_now(const char *cause)
{
	for (unsigned i = 0; i < AGENTS_MOST; i++) {
		struct woken woken;

		if (is_held(&agents[i]))
			wake(&agents[i], cause, false, now_us(), &woken);
	}
}
