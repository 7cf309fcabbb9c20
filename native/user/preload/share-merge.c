/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal pages of large allocations are the kernel's to find (KSM): it compares
 * and copies on write, so merging cannot be seen but by timing. A whole process
 * is opted in by prctl, by the launcher. Two kinds of kernels need help: before
 * 6.7 exec ends that opt-in, so it is made again here; before 6.4 there is none,
 * so areas are opted in one by one as they become writable. Not code, not
 * address space that is only reserved: the scanner would walk it page by page.
 */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "share.h"

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#endif
/* V8's unit is 256 KiB. Below, areas are many and hold little. */
#define MERGE_LEAST_BYTES ((size_t)256 * 1024)

static _Atomic bool by_area;
static void *(*next_mmap)(void *, size_t, int, int, int, off_t);
static int (*next_mprotect)(void *, size_t, int);

static void find_next(void)
{
	*(void **)&next_mprotect = dlsym(RTLD_NEXT, "mprotect");
	*(void **)&next_mmap = dlsym(RTLD_NEXT, "mmap");
}

void merge_start(void)
{
	const char *wanted = getenv("AGENTMEM_SHARE_MERGE");

	if (next_mmap == NULL)
		find_next();
	if (wanted == NULL || (strcmp(wanted, "1") != 0 && strcmp(wanted, "areas") != 0))
		return;
	if (strcmp(wanted, "areas") == 0 || prctl(PR_SET_MEMORY_MERGE, 1UL, 0UL, 0UL, 0UL) != 0)
		atomic_store(&by_area, true);
}

void merge_area(void *start, size_t bytes, int rights)
{
	int before = errno;

	if (!atomic_load_explicit(&by_area, memory_order_relaxed) || bytes < MERGE_LEAST_BYTES || (rights & (PROT_WRITE | PROT_EXEC)) != PROT_WRITE)
		return;
	madvise(start, bytes, MADV_MERGEABLE);
	errno = before;
}

SHOWN void *mmap(void *start, size_t bytes, int rights, int flags, int fd, off_t offset)
{
	void *at;

	if (__builtin_expect(next_mmap == NULL, 0))
		find_next();
	at = next_mmap(start, bytes, rights, flags, fd, offset);
	if (at != MAP_FAILED && (flags & (MAP_PRIVATE | MAP_ANONYMOUS)) == (MAP_PRIVATE | MAP_ANONYMOUS) && (flags & (MAP_HUGETLB | MAP_GROWSDOWN | MAP_STACK)) == 0)
		merge_area(at, bytes, rights);
	return at;
}

SHOWN void *mmap64(void *start, size_t bytes, int rights, int flags, int fd, off64_t offset)
{
	return mmap(start, bytes, rights, flags, fd, offset);
}

SHOWN int mprotect(void *start, size_t bytes, int rights)
{
	int result;

	if (__builtin_expect(next_mprotect == NULL, 0))
		find_next();
	result = next_mprotect(start, bytes, rights);
	if (result == 0)
		merge_area(start, bytes, rights);
	return result;
}
