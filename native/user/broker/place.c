/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_FD 3
#define LOCK_TRIES 200
#define LOCK_PAUSE_NS 10000000

int place_activated(char *path, size_t room)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	struct sockaddr_un address = { 0 };
	socklen_t length = sizeof(address) - 1;
	int type = 0, listens = 0;
	socklen_t size = sizeof(type);
	bool ours = pid != NULL && fds != NULL && strtol(pid, NULL, 10) == getpid() && strtol(fds, NULL, 10) == 1;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (!ours || getsockopt(LISTEN_FD, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET)
		return -1;
	size = sizeof(listens);
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0)
		return -1;
	if (getsockname(LISTEN_FD, (struct sockaddr *)&address, &length) != 0 || address.sun_family != AF_UNIX || address.sun_path[0] != '/' || strlen(address.sun_path) >= room)
		return -1;
	strcpy(path, address.sun_path);
	if (fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) != 0 || fcntl(LISTEN_FD, F_SETFL, O_NONBLOCK) != 0)
		return -1;
	return LISTEN_FD;
}

static bool answers(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool does;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	does = probe >= 0 && (connect(probe, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);
	if (probe >= 0)
		close(probe);
	return does;
}

/* The folder: made where it is missing, and nobody else's. */
static int check_folder(const char *path)
{
	char folder[PATH_MAX];
	struct stat status;
	char *slash;

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return -ENAMETOOLONG;
	slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return -EINVAL;
	*slash = '\0';
	if (mkdir(folder, 0700) != 0 && errno != EEXIST)
		return -errno;
	if (stat(folder, &status) != 0)
		return -errno;
	if (!S_ISDIR(status.st_mode))
		return -ENOTDIR;
	return (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && (status.st_mode & S_ISVTX) == 0 ? -EPERM : 0;
}

int place_lock(const char *path)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	char name[PATH_MAX];
	int error = check_folder(path);
	int fd;

	if (error != 0)
		return error;
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path) || snprintf(name, sizeof(name), "%s.lock", path) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	/* One that is about to end still has it: what comes next is this one's. Kept open for good. */
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			break;
		if (answers(path)) {
			close(fd);
			return -EEXIST;
		}
		nanosleep(&pause, NULL);
	}
	error = -errno;
	close(fd);
	return error;
}

int place_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;
	int error;

	if (listener < 0)
		return -errno;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	/* The lock is ours: a socket that lies there is a dead broker's. */
	if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		unlink(path);
	/* The mask of this process is 077: nobody else's from its first moment. */
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, SOMAXCONN) == 0)
		return listener;
	error = -errno;
	close(listener);
	return error;
}

void place_leave(const char *path)
{
	unlink(path);
}
