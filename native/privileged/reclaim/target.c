/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../user/common/start-ticks.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on every architecture; absent from old headers */
#endif

static const char *word_for_errno(int error)
{
	switch (error) {
	case ESRCH:
	case ENOENT:
		return "process-gone";
	case ENOSYS:
		return "not-supported";
	default:
		return "unreadable";
	}
}

static const char *check_identity(const struct target *target, uid_t uid)
{
	char text[4096]; /* 52 numbers and a name of at most 64 bytes: about 1100 */
	uint64_t ticks;
	struct stat owner;
	ssize_t length;
	int fd = openat(target->proc, "stat", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return word_for_errno(errno);
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length < 0)
		return word_for_errno(errno);
	text[length] = '\0';
	if (!start_ticks_of(text, &ticks))
		return "unreadable";
	if (ticks != target->start_ticks)
		return "process-gone";
	/*
	 * The folder belongs to the effective user, or to root where the process
	 * has secrets (set-uid programs, PR_SET_DUMPABLE 0): those are refused.
	 */
	if (fstat(target->proc, &owner) != 0)
		return word_for_errno(errno);
	return owner.st_uid == uid ? NULL : "not-yours";
}

static bool has_exited(const struct target *target)
{
	struct pollfd wait = { .fd = target->pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) != 0;
}

const char *target_check(const struct target *target, uid_t uid)
{
	const char *problem = check_identity(target, uid);

	if (problem != NULL)
		return problem;
	return has_exited(target) ? "process-gone" : NULL;
}

const char *target_open(struct target *target, pid_t pid, uint64_t start_ticks, uid_t uid)
{
	char path[32];
	const char *problem;

	*target = (struct target){ .pid = pid, .start_ticks = start_ticks, .pidfd = -1, .proc = -1 };
	target->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (target->pidfd < 0)
		/* EINVAL: the number is a thread, not a process, by now. */
		return errno == EINVAL ? "process-gone" : word_for_errno(errno);
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	target->proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	problem = target->proc < 0 ? word_for_errno(errno) : target_check(target, uid);
	if (problem != NULL)
		target_close(target);
	return problem;
}

void target_close(struct target *target)
{
	if (target->proc >= 0)
		close(target->proc);
	if (target->pidfd >= 0)
		close(target->pidfd);
	target->proc = -1;
	target->pidfd = -1;
}

const char *target_memory_open(struct target_memory *memory, const struct target *target, const char *name)
{
	const char *problem;
	int fd;

	memory->pagemap = openat(target->proc, "pagemap", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	fd = openat(target->proc, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	memory->maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (memory->pagemap >= 0 && memory->maps != NULL)
		return NULL;
	problem = errno == ESRCH || errno == ENOENT ? "process-gone" : "unreadable";
	if (fd >= 0 && memory->maps == NULL)
		close(fd);
	return problem;
}

void target_memory_close(struct target_memory *memory)
{
	if (memory->maps != NULL)
		fclose(memory->maps);
	if (memory->pagemap >= 0)
		close(memory->pagemap);
}

struct resident target_resident(const struct target *target)
{
	struct resident found = { .rss = -1, .anon = -1 };
	char line[512];
	int fd = openat(target->proc, "smaps_rollup", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (file == NULL) {
		if (fd >= 0)
			close(fd);
		return found;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		int64_t kib;

		if (sscanf(line, "Rss: %" SCNd64 " kB", &kib) == 1)
			found.rss = kib * 1024;
		else if (sscanf(line, "Anonymous: %" SCNd64 " kB", &kib) == 1)
			found.anon = kib * 1024;
	}
	fclose(file);
	return found;
}
