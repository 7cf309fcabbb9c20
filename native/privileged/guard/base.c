/* SPDX-License-Identifier: Apache-2.0 */
#include "base.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../user/common/start-ticks.h"
#include "main.h"
#include "text.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on every architecture; absent from old headers */
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

char scratch[SCRATCH_MOST + 1];

struct entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

const char *folder_next(struct folder *folder)
{
	const struct entry *entry;

	if (folder->at >= folder->got) {
		folder->at = 0;
		folder->got = syscall(SYS_getdents64, folder->fd, folder->buffer, sizeof(folder->buffer));
		if (folder->got <= 0)
			return NULL;
	}
	entry = (const struct entry *)(const void *)(folder->buffer + folder->at);
	folder->at += entry->length;
	return entry->name;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

int64_t now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t now_ms(void)
{
	return now_us() / 1000;
}

int64_t unix_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t sooner(int64_t one_ms, int64_t other_ms)
{
	return one_ms < other_ms ? one_ms : other_ms;
}

bool listen_to(int fd, uint32_t events, enum source source, unsigned index)
{
	struct epoll_event event = { .events = events, .data.u64 = (uint64_t)source << 32 | index };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

ssize_t read_again(int fd, char *text, size_t size)
{
	size_t used = 0;

	while (used < size - 1) {
		ssize_t got = pread(fd, text + used, size - 1 - used, (off_t)used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	text[used] = '\0';
	return (ssize_t)used;
}

ssize_t read_at(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t length = -1;

	if (fd >= 0) {
		length = read_again(fd, text, size);
		close(fd);
	}
	return length;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void proc_path(char *path, pid_t pid, const char *name)
{
	struct out out = out_begin(path, 64);

	out_text(&out, "/proc/");
	out_number(&out, (uint64_t)pid);
	out_text(&out, "/");
	out_text(&out, name);
}

bool process_ticks(pid_t pid, uint64_t *ticks)
{
	char path[64];
	char stat[1536]; /* 52 numbers and a name of at most 64 bytes: about 1100 */

	proc_path(path, pid, "stat");
	return read_at(AT_FDCWD, path, stat, sizeof(stat)) > 0 && start_ticks_of(stat, ticks);
}

bool process_ended(int pidfd)
{
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	return poll(&wait, 1, 0) != 0;
}

int process_open(pid_t pid, uint64_t ticks)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	uint64_t found;

	if (pidfd < 0)
		return -1;
	/* Looked up with the descriptor in hand: the number cannot change hands unnoticed. */
	if (process_ticks(pid, &found) && found == ticks && !process_ended(pidfd))
		return pidfd;
	close(pidfd);
	errno = ESRCH;
	return -1;
}

bool process_kill(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) == 0;
}
