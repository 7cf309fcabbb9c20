/* SPDX-License-Identifier: Apache-2.0 */
#include "bring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base.h"
#include "text.h"

/* Between the end of its time and its answer: one batch of pages. */
#define SLACK_MS 20
/* Busy for so long with one page it waits for something that may never come. */
#define STUCK_MS 5000

/* Shared by both. The guard writes while the other is idle, and the other way round. */
struct job {
	int64_t until_us;
	unsigned range_count;
	pid_t pids[BRING_PROCESSES_MOST];
	struct bring_progress progress;
	page_range ranges[BRING_RANGES_MOST];
};

static struct job *job;
static int memory = -1;
static int channel = -1; /* -1: nobody to ask */
static pid_t child; /* 0: none; one that was killed stays until it has really ended */
static int64_t busy_since_ms; /* 0: idle */

static void stop(void)
{
	close_fd(&channel);
	busy_since_ms = 0;
	if (child > 0)
		kill(child, SIGKILL);
}

/* False while one that was killed waits inside of the kernel: there is never more than one. */
static bool collect(void)
{
	if (child > 0 && waitpid(child, NULL, WNOHANG) == 0)
		return false;
	child = 0;
	return true;
}

static bool make_memory(void)
{
	if (job != NULL)
		return true;
	if (memory < 0)
		memory = memfd_create("agentmem-guard", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, sizeof(*job)) != 0)
		return false;
	job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (job == MAP_FAILED)
		job = NULL;
	return job != NULL;
}

void bring_begin(void)
{
	char channel_text[24];
	char memory_text[24];
	struct out channel_out = out_begin(channel_text, sizeof(channel_text));
	struct out memory_out = out_begin(memory_text, sizeof(memory_text));
	char *const arguments[] = { "agentmem-guard", "--bring-back", channel_text, memory_text, NULL };
	char *const environment[] = { NULL };
	int ends[2];

	if (busy_since_ms != 0 && now_ms() - busy_since_ms > STUCK_MS)
		stop();
	if (channel >= 0 || !collect() || !make_memory() || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return;
	out_number(&channel_out, (uint64_t)ends[1]);
	out_number(&memory_out, (uint64_t)memory);
	/* Not fork: pages it shared with us would have to be copied, at the worst of times, when we write to them. */
	child = vfork();
	if (child == 0) {
		if (fcntl(ends[1], F_SETFD, 0) == 0 && fcntl(memory, F_SETFD, 0) == 0)
			execve("/proc/self/exe", arguments, environment);
		_exit(127);
	}
	close(ends[1]);
	channel = ends[0];
	if (child < 0) {
		child = 0;
		close_fd(&channel);
	}
}

/* Whether it has answered what it was asked last. */
static bool is_idle(int wait_ms)
{
	struct pollfd answer = { .fd = channel, .events = POLLIN };
	char byte;

	if (busy_since_ms == 0)
		return true;
	if (poll(&answer, 1, wait_ms) <= 0)
		return false;
	if (recv(channel, &byte, 1, MSG_DONTWAIT) != 1) {
		stop();
		return false;
	}
	busy_since_ms = 0;
	return true;
}

void bring_back(const pid_t *pids, const page_range *ranges, unsigned range_count, struct bring_progress *progress, int64_t until_us)
{
	int64_t left_us = until_us - now_us();

	if (left_us <= 0 || progress->range >= range_count || channel < 0 || !is_idle(0))
		return;
	job->until_us = until_us;
	job->range_count = range_count;
	job->progress = *progress;
	memcpy(job->pids, pids, sizeof(job->pids));
	memcpy(job->ranges, ranges, range_count * sizeof(*ranges));
	if (send(channel, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
		stop();
		return;
	}
	busy_since_ms = now_ms();
	if (is_idle((int)(left_us / 1000) + SLACK_MS))
		*progress = job->progress;
}

static void work(void)
{
	struct bring_progress *progress = &job->progress;

	while (progress->range < job->range_count && now_us() < job->until_us) {
		page_range next = job->ranges[progress->range];
		pid_t pid = job->pids[range_process(next)];
		bool *refused = &progress->refused[range_process(next)];

		*refused = *refused || pid == 0;
		if (!*refused)
			progress->bytes += prefault_range(pid, next, &progress->page, job->until_us, refused);
		if (*refused || progress->page == range_pages(next)) {
			progress->range++;
			progress->page = 0;
		}
	}
}

int bring_main(const char *channel_text, const char *memory_text)
{
	uint64_t own_channel;
	uint64_t own_memory;
	sigset_t none;
	char byte;

	if (!number_from_text(channel_text, INT_MAX, &own_channel) || !number_from_text(memory_text, INT_MAX, &own_memory))
		return 2;
	/* The guard hears of SIGTERM by a descriptor and has it blocked; here it ends the process, which is no loss. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* Started by way of /proc it would be called "exe". */
	prctl(PR_SET_NAME, "agentmem-bring");
	/* It may wait where nothing but this reaches it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE, MAP_SHARED, (int)own_memory, 0);
	if (job == MAP_FAILED)
		return 1;
	for (;;) {
		ssize_t got = recv((int)own_channel, &byte, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got != 1)
			return 0;
		work();
		if (send((int)own_channel, "", 1, MSG_NOSIGNAL) != 1)
			return 0;
	}
}
