/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define SEALS_WANTED (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int source_check(int fd, uint64_t bytes)
{
	struct statfs system;
	struct stat status;
	int mode = fcntl(fd, F_GETFL);
	int seals = fcntl(fd, F_GET_SEALS);

	/* Answered by the kernel for files in memory alone: behind this no file system of anybody's own is asked. */
	if (mode < 0 || seals < 0 || (mode & O_PATH) != 0 || (mode & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if ((seals & SEALS_WANTED) != SEALS_WANTED)
		return -EPERM;
	if (fstatfs(fd, &system) != 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return -EBADF;
	if (system.f_type != TMPFS_MAGIC)
		return -EOPNOTSUPP;
	return status.st_size >= 0 && (uint64_t)status.st_size == bytes ? 0 : -EINVAL;
}
