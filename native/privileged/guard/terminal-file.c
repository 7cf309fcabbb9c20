/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal-file.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "text.h"

/* Documentation/admin-guide/devices.txt: consoles and serial lines, /dev/tty, ports of ARM, of virtual machines, and pseudo terminals. */
static bool is_terminal_device(unsigned device)
{
	return device == 4 || device == 5 || device == 204 || device == 229 || (device >= 136 && device <= 143);
}

/* Whether the process has this very file as its standard input, open for reading: all in one look of the kernel's. */
static bool reads_it(pid_t pid, uint64_t inode)
{
	char path[64];
	char text[1024];
	uint64_t flags;
	uint64_t found;

	proc_path(path, pid, "fdinfo/0");
	/* "ino" since Linux 5.14. */
	return read_at(AT_FDCWD, path, text, sizeof(text)) > 0 && field_of(text, "flags", 8, &flags) && field_of(text, "ino", 10, &found) &&
	       found == inode && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY;
}

/*
 * Looked at first, by O_PATH and without asking whoever serves the file: it may
 * be a program of the user's (FUSE) that never answers, and any call on a file
 * of its, even close, would wait. Opening what a process merely names there
 * would open, with root's rights, another user's terminal or a watchdog.
 */
int terminal_file_open(int pidfd, pid_t pid, int64_t uid)
{
	char path[64];
	struct statx file;
	int named;
	int fd = -1;

	proc_path(path, pid, "fd/0");
	/* A link of the kernel's own, hence followed. */
	named = open(path, O_PATH | O_CLOEXEC);
	if (named < 0)
		return -1;
	if (statx(named, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_UID | STATX_INO, &file) == 0 && S_ISCHR(file.stx_mode) &&
	    is_terminal_device(file.stx_rdev_major) && ((int64_t)file.stx_uid == uid || reads_it(pid, file.stx_ino)) && !process_ended(pidfd)) {
		struct out out = out_begin(path, sizeof(path));

		out_text(&out, "/proc/self/fd/");
		out_number(&out, (uint64_t)named);
		/* O_NOCTTY: it must not become ours. A node on a file system of the user's is refused before anybody is asked. */
		fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	}
	close(named);
	if (fd >= 0 && isatty(fd) != 1)
		close_fd(&fd);
	return fd;
}
