/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that somebody still holds when it is to be sealed. */
#include "content-test.h"
#include "broker/content-inner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static void *let_go(void *context)
{
	char page[4096];

	usleep(500000);
	CHECK(read(*(int *)context, page, sizeof(page)) == sizeof(page));
	return NULL;
}

/* A pipe holds a page, as the kernel does that of a read past the cache which it has not tidied up after. */
void held_pages(void)
{
	int fd = memfd_make(4096), ends[2];
	struct iovec page = { .iov_len = 4096 };
	pthread_t thread;

	CHECK(fd >= 0 && pipe(ends) == 0);
	page.iov_base = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(page.iov_base != MAP_FAILED);
	memset(page.iov_base, 'x', 4096);
	CHECK(vmsplice(ends[1], &page, 1, 0) == 4096);
	CHECK(munmap(page.iov_base, 4096) == 0);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0 && errno == EBUSY);
	CHECK(pthread_create(&thread, NULL, let_go, ends) == 0);
	CHECK(memfd_seal(fd) == 0);
	CHECK((fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) != 0);
	CHECK(pthread_join(thread, NULL) == 0);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}
