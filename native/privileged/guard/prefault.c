/* SPDX-License-Identifier: Apache-2.0 */
#include "prefault.h"

#include <errno.h>
#include <sys/uio.h>

#include "base.h"

/* Between two looks at the clock: from compressed swap about a millisecond. */
#define BATCH 128

page_range range_make(uint64_t start, uint64_t pages, unsigned process)
{
	return start / RANGE_PAGE << 28 | pages << 4 | process;
}

uint64_t range_start(page_range range)
{
	return (range >> 28) * RANGE_PAGE;
}

uint64_t range_pages(page_range range)
{
	return range >> 4 & RANGE_MOST_PAGES;
}

unsigned range_process(page_range range)
{
	return range & 15;
}

/*
 * One byte of each page by process_vm_readv: the kernel faults the page into
 * the process itself, so that it does not even fault when it runs. (MADV_WILLNEED
 * only fills the swap cache; MADV_POPULATE_READ is refused for other processes.)
 */
uint64_t prefault_range(pid_t pid, page_range range, uint64_t *page, int64_t until_us, bool *refused)
{
	static char bytes[BATCH];
	static struct iovec remote[BATCH];
	uint64_t pages = range_pages(range);
	uint64_t done = 0;

	while (*page < pages && now_us() < until_us) {
		struct iovec local = { .iov_base = bytes, .iov_len = BATCH };
		unsigned count = pages - *page < BATCH ? (unsigned)(pages - *page) : BATCH;
		ssize_t got;

		for (unsigned i = 0; i < count; i++)
			remote[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)(range_start(range) + (*page + i) * RANGE_PAGE), .iov_len = 1 };
		got = process_vm_readv(pid, &local, 1, remote, count, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno != EFAULT) {
			*refused = true;
			break;
		}
		if (got < 0)
			got = 0;
		done += (uint64_t)got;
		/* It stops at the first page that is not there any more: on behind it. */
		*page += got < (ssize_t)count ? (uint64_t)got + 1 : count;
	}
	return done * RANGE_PAGE;
}
