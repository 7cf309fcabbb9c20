/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal-file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438 /* Linux 5.6; the same on every architecture */
#endif

/* Documentation/admin-guide/devices.txt: consoles and serial lines, /dev/tty, ports of ARM, of virtual machines, and pseudo terminals. */
static bool is_terminal_device(unsigned device)
{
	return device == 4 || device == 5 || device == 204 || device == 229 || (device >= 136 && device <= 143);
}

/*
 * Looked at without asking whoever serves the file: that may be a program of
 * the user's (FUSE) which never answers.
 */
static bool is_terminal(int fd)
{
	struct statx file;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &file) == 0 && S_ISCHR(file.stx_mode) &&
	       is_terminal_device(file.stx_rdev_major) && isatty(fd) == 1;
}

/*
 * For root the very file the process has open: opening its /proc/PID/fd/0
 * anew would open, with root's rights, whatever it put there by O_PATH:
 * another user's terminal, a watchdog, a file that never answers. A user's own
 * guard may open no more than the user.
 */
int terminal_file_open(int pidfd, pid_t pid)
{
	char path[64];
	int flags;
	int fd;

	if (settings.system) {
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, 0, 0);
	} else {
		proc_path(path, pid, "fd/0");
		/* A link of the kernel's own, hence followed; O_NOCTTY: it must not become ours. */
		fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	}
	if (fd < 0)
		return -1;
	flags = fcntl(fd, F_GETFL);
	if (flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY && is_terminal(fd))
		return fd;
	close(fd);
	return -1;
}
