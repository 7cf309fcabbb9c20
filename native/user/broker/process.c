/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static ssize_t read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[bytes < 0 ? 0 : bytes] = '\0';
	return bytes;
}

uint64_t process_start(pid_t pid)
{
	char path[40], text[1024];
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (read_file(path, text, sizeof(text)) <= 0)
		return 0;
	/* Its name may hold anything, also brackets and spaces: the fields are counted from its end. */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? 0 : strtoull(at, NULL, 10);
}

int process_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

int process_of_peer(int socket)
{
	int fd = -1;
	socklen_t length = sizeof(fd);

	return getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &length) == 0 ? fd : -1;
}

const char *boot_id(void)
{
	static char id[64];

	if (id[0] == '\0' && read_file("/proc/sys/kernel/random/boot_id", id, sizeof(id)) >= 36)
		id[36] = '\0';
	return id;
}
