/* SPDX-License-Identifier: Apache-2.0 */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/host.h"
#include "connection.h"

#define LOOK_AGAIN_MS 5
#define TRIES_MOST 10

static void sleep_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static bool is_own(int socket)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 && peer.uid == geteuid();
}

static void set_up(int socket, uint64_t timeout_ms)
{
	struct timeval timeout = { .tv_sec = (time_t)(timeout_ms / 1000), .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000 };
	int bytes = 256 * 1024;

	(void)setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	/* Where the usual one is too small for the largest message. */
	(void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	(void)fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) & ~O_NONBLOCK);
}

/* -EAGAIN: it has too many who wait to be let in. -ENOENT: nobody listens. */
static int connect_once(const char *socket_path, uint64_t timeout_ms, struct held *socket_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	held_begin();
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error = fd < 0 ? -errno : 0;
	held_end(socket_fd, fd);
	if (fd < 0)
		return error;
	error = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
	if (error == 0 && is_own(fd)) {
		set_up(fd, timeout_ms);
		return 0;
	}
	held_close(socket_fd);
	if (error == -ENOENT || error == -ECONNREFUSED)
		return -ENOENT;
	/* Anything else there is not a broker of ours. */
	return error == -EAGAIN || error == -EINTR ? -EAGAIN : -ENODEV;
}

static int open_lock(const char *socket_path, struct held *lock)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".start")];
	char folder[sizeof(path)];
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", socket_path);
	slash = strrchr(folder, '/');
	if (slash != NULL && slash != folder) {
		*slash = '\0';
		(void)mkdir(folder, 0700);
	}
	snprintf(path, sizeof(path), "%s.start", socket_path);
	held_begin();
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	held_end(lock, fd);
	return fd < 0 ? -ENODEV : 0;
}

/* With the lock held nobody else starts one: either it is there by now, or we are the one. */
static int start_locked(const char *socket_path, uint64_t end_ms, uint64_t timeout_ms, struct held *socket)
{
	char program[PATH_MAX];
	int error = connect_once(socket_path, timeout_ms, socket);

	if (error != -ENOENT)
		return error;
	if (!start_find_program(program, sizeof(program)))
		return -ENODEV;
	/* One that was killed before anybody reached it is followed by another. */
	for (unsigned tries = 0; tries < TRIES_MOST && now_ms() < end_ms; tries++) {
		error = start_program(program, socket_path, end_ms);
		if (error == 0)
			error = connect_once(socket_path, timeout_ms, socket);
		if (error != -ENOENT && error != -EAGAIN)
			return error;
		sleep_ms(LOOK_AGAIN_MS);
	}
	return error == -EAGAIN ? -ETIMEDOUT : -ENODEV;
}

static int start(const char *socket_path, uint64_t end_ms, uint64_t timeout_ms, struct held *socket)
{
	struct held lock = HELD_NONE;
	int error = open_lock(socket_path, &lock);

	if (error != 0)
		return error;
	while (flock(lock.fd, LOCK_EX | LOCK_NB) != 0) {
		error = connect_once(socket_path, timeout_ms, socket);
		if (error == 0 || error == -ENODEV || now_ms() >= end_ms) {
			held_close(&lock);
			return error == -ENOENT || error == -EAGAIN ? -ETIMEDOUT : error;
		}
		sleep_ms(LOOK_AGAIN_MS);
	}
	error = start_locked(socket_path, end_ms, timeout_ms, socket);
	held_close(&lock);
	return error;
}

int start_connect(const char *socket_path, bool may_start, uint64_t end_ms, uint64_t timeout_ms, struct held *socket)
{
	int error;

	if (socket_path[0] == '\0')
		return -ENODEV;
	for (;;) {
		error = connect_once(socket_path, timeout_ms, socket);
		if (error == -ENOENT)
			error = may_start ? start(socket_path, end_ms, timeout_ms, socket) : -ENODEV;
		if (error != -EAGAIN)
			return error;
		if (now_ms() >= end_ms)
			return -ETIMEDOUT;
		sleep_ms(LOOK_AGAIN_MS);
	}
}
