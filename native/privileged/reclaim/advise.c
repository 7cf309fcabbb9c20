/* SPDX-License-Identifier: Apache-2.0 */
#include "advise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "areas.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise 440 /* the same on every architecture; absent from old headers */
#endif

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/*
 * A call takes at most MAX_RW_COUNT (2 GiB less a page) and cuts the rest off
 * silently; a batch stays under that, and an area above it goes in pieces.
 */
#define BATCH_BYTES ((uint64_t)1 << 30)
#define MOST_RETRIES 16

struct batch {
	const struct target *target;
	enum advice advice;
	struct iovec parts[IOV_MAX];
	size_t count;
	uint64_t bytes;
	uint64_t advised;
	size_t refused; /* parts the kernel would not take */
	size_t taken;
};

/* Errors of one area; anything else is about the process or the kernel. */
static bool about_one_area(int error)
{
	return error == EINVAL || error == ENOMEM || error == EFAULT || error == EBADF || error == EIO || error == EAGAIN;
}

static const char *word_for_errno(int error)
{
	switch (error) {
	case ESRCH:
		return "process-gone";
	case ENOSYS:
		return "not-supported";
	case EPERM:
	case EACCES:
		return "not-permitted";
	default:
		return "unreadable";
	}
}

/* Sends what is collected. The kernel answers with whole parts done, or the error of the first. */
static const char *flush(struct batch *batch)
{
	size_t done = 0;
	int retries = 0;

	while (done < batch->count) {
		ssize_t bytes = syscall(SYS_process_madvise, batch->target->pidfd, &batch->parts[done],
					batch->count - done, (int)batch->advice, 0);

		if (bytes < 0 && (errno == EINTR || errno == EAGAIN) && retries++ < MOST_RETRIES)
			continue;
		if (bytes < 0 && !about_one_area(errno))
			return word_for_errno(errno);
		if (bytes <= 0) {
			batch->refused++;
			done++;
			retries = 0;
			continue;
		}
		batch->advised += (uint64_t)bytes;
		while (done < batch->count && (size_t)bytes >= batch->parts[done].iov_len) {
			bytes -= (ssize_t)batch->parts[done].iov_len;
			batch->taken++;
			done++;
		}
		if (bytes > 0 && done < batch->count) {
			/* Stopped within a part: go on behind what was done. */
			batch->parts[done].iov_base = (char *)batch->parts[done].iov_base + bytes;
			batch->parts[done].iov_len -= (size_t)bytes;
		}
		retries = 0;
	}
	batch->count = 0;
	batch->bytes = 0;
	return NULL;
}

static const char *add(struct batch *batch, struct area area)
{
	while (area.start < area.end) {
		uint64_t left = BATCH_BYTES - batch->bytes;
		uint64_t size = area.end - area.start < left ? area.end - area.start : left;

		batch->parts[batch->count++] = (struct iovec){
			.iov_base = (void *)(uintptr_t)area.start,
			.iov_len = (size_t)size,
		};
		batch->bytes += size;
		area.start += size;
		if (batch->count == IOV_MAX || batch->bytes >= BATCH_BYTES) {
			const char *problem = flush(batch);

			if (problem != NULL)
				return problem;
		}
	}
	return NULL;
}

const char *advise_all(const struct target *target, enum advice advice, uint64_t *advised_bytes)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	const char *problem = NULL;
	char *line = NULL;
	size_t room = 0;
	FILE *maps;
	int fd;

	*advised_bytes = 0;
	if (batch == NULL)
		return "no-memory";
	batch->target = target;
	batch->advice = advice;
	fd = openat(target->proc, "maps", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (maps == NULL) {
		problem = errno == ESRCH || errno == ENOENT ? "process-gone" : "unreadable";
		if (fd >= 0)
			close(fd);
		free(batch);
		return problem;
	}
	while (problem == NULL && getline(&line, &room, maps) > 0) {
		struct area area;

		if (area_from_maps_line(line, &area))
			problem = add(batch, area);
	}
	if (problem == NULL && ferror(maps) != 0)
		problem = word_for_errno(errno);
	if (problem == NULL)
		problem = flush(batch);
	/* A kernel that does not know the advice refuses every area alike. */
	if (problem == NULL && batch->taken == 0 && batch->refused > 0)
		problem = "not-supported";
	*advised_bytes = batch->advised;
	free(line);
	fclose(maps);
	free(batch);
	return problem;
}
