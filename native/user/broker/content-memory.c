/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the broker itself, counted; pages and memfds of what it keeps. */
#include "content-inner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEAL_TRIES 20u

#ifdef __has_feature
#define IS_WATCHED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_WATCHED 1
#else
#define IS_WATCHED 0
#endif

void *mem_alloc(struct content *content, size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (memory != NULL)
		content->own_bytes += bytes;
	return memory;
}

void mem_free(struct content *content, void *memory, size_t bytes)
{
	if (memory == NULL)
		return;
	content->own_bytes -= bytes;
	free(memory);
}

void *mem_grow(struct content *content, void *memory, size_t old_bytes, size_t bytes)
{
	void *more = realloc(memory, bytes);

	if (more != NULL)
		content->own_bytes += bytes - old_bytes;
	return more;
}

static size_t whole_pages(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

void *pages_alloc(size_t bytes)
{
	void *memory = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void pages_free(void *memory, size_t bytes)
{
	if (memory != NULL)
		munmap(memory, whole_pages(bytes));
}

void *pages_grow(void *memory, size_t bytes, size_t more_bytes)
{
	void *more;

	if (memory == NULL)
		return pages_alloc(more_bytes);
#if IS_WATCHED
	/* What watches memory does not know that it moved. */
	more = pages_alloc(more_bytes);
	if (more == NULL)
		return NULL;
	memcpy(more, memory, bytes);
	pages_free(memory, bytes);
	return more;
#else
	more = mremap(memory, whole_pages(bytes), whole_pages(more_bytes), MREMAP_MAYMOVE);
	return more == MAP_FAILED ? NULL : more;
#endif
}

int memfd_make(uint64_t bytes)
{
	int fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int memfd_seal(int fd)
{
	for (unsigned tries = 1; fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0; tries++)
		/* Each try waits by itself, 150 ms (mm/memfd.c). */
		if (errno != EBUSY || tries == SEAL_TRIES)
			return -errno;
	return 0;
}
