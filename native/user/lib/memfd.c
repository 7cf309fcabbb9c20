/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memfd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
/* What one write(2) takes at most is a little less than 2 GiB. */
#define STEP_BYTES ((size_t)1 << 30)

int memfd_is_sealed(int fd, uint64_t *bytes)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	/* EINVAL: a descriptor of something else. */
	if (seals < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -EBADF;
	if ((seals & SEALS) != SEALS)
		return -EPERM;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int memfd_new(void)
{
	int fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	/* Before Linux 6.3. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int memfd_fill(int fd, const void *data, size_t bytes)
{
	const char *at = data;

	while (bytes > 0) {
		ssize_t written = write(fd, at, bytes < STEP_BYTES ? bytes : STEP_BYTES);

		if (written < 0 && errno == EINTR)
			continue;
		/* The caller's own memory cannot be read where it is EFAULT. */
		if (written < 0)
			return errno == EFAULT ? -EFAULT : -ENOMEM;
		at += written;
		bytes -= (size_t)written;
	}
	return fcntl(fd, F_ADD_SEALS, SEALS) == 0 ? 0 : -ENOMEM;
}

size_t memory_area(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return bytes == 0 ? page : (bytes + page - 1) / page * page;
}

void *memfd_map(int fd, size_t bytes)
{
	/* Shared can be made writable by nobody; before Linux 6.7 a sealed memfd is refused it, and private reads the same pages. */
	void *data = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	return data == MAP_FAILED ? NULL : data;
}

void *memory_of(const void *data, size_t bytes)
{
	size_t area = memory_area(bytes);
	void *memory = mmap(NULL, area, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (bytes > 0)
		memcpy(memory, data, bytes);
	mprotect(memory, area, PROT_READ);
	return memory;
}
