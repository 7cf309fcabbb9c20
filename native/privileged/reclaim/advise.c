/* SPDX-License-Identifier: Apache-2.0 */
#include "advise.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "areas.h"
#include "scan.h"

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

/* For runs of pages: a problem ends the scan. */
struct run_sink {
	struct batch *batch;
	struct wish *wish;
	const char *problem;
};

static bool add_run(void *data, uint64_t start, uint64_t end)
{
	struct run_sink *sink = data;

	if (sink->wish->bounded) {
		uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
		uint64_t most = sink->wish->most / page * page;

		if (end - start > most)
			end = start + most;
		sink->wish->most -= end - start;
	}
	if (end > start)
		sink->problem = add(sink->batch, (struct area){ .start = start, .end = end, .file = false });
	return sink->problem == NULL && (!sink->wish->bounded || sink->wish->most >= (uint64_t)sysconf(_SC_PAGESIZE));
}

static const char *add_anonymous(struct batch *batch, struct wish *wish, int pagemap, struct area area)
{
	struct run_sink sink = { .batch = batch, .wish = wish, .problem = NULL };

	if (!scan_anonymous(pagemap, area, add_run, &sink))
		return "unreadable";
	return sink.problem;
}

/* One area as smaps shows it, for choosing the coldest. */
struct measured {
	struct area area;
	uint64_t resident;   /* KiB, as below */
	uint64_t anonymous;
	uint64_t referenced; /* since the references were last cleared */
};

/* The least touched quarter first, within one the area that holds most. */
static int colder_first(const void *a, const void *b)
{
	const struct measured *one = a;
	const struct measured *other = b;
	uint64_t heat_one = one->resident == 0 ? 0 : one->referenced * 4 / one->resident;
	uint64_t heat_other = other->resident == 0 ? 0 : other->referenced * 4 / other->resident;

	if (heat_one != heat_other)
		return heat_one < heat_other ? -1 : 1;
	if (one->anonymous != other->anonymous)
		return one->anonymous > other->anonymous ? -1 : 1;
	return one->area.start < other->area.start ? -1 : 1;
}

/* Areas with anonymous pages; the caller frees them. NULL with a problem, or where there are none. */
static struct measured *measure_areas(FILE *smaps, size_t *count, const char **problem)
{
	struct measured *areas = NULL;
	struct measured now = { .resident = 0 };
	size_t room = 0;
	size_t line_room = 0;
	char *line = NULL;
	bool wanted = false;

	*count = 0;
	while (getline(&line, &line_room, smaps) > 0) {
		uint64_t kib;
		struct area area;

		if (sscanf(line, "Rss: %" SCNu64 " kB", &kib) == 1) {
			now.resident = kib;
		} else if (sscanf(line, "Referenced: %" SCNu64 " kB", &kib) == 1) {
			now.referenced = kib;
		} else if (sscanf(line, "Anonymous: %" SCNu64 " kB", &kib) == 1) {
			now.anonymous = kib;
			if (!wanted || kib == 0)
				continue;
			if (*count == room) {
				struct measured *more = realloc(areas, (room = room * 2 + 256) * sizeof(*areas));

				if (more == NULL) {
					*problem = "no-memory";
					break;
				}
				areas = more;
			}
			areas[(*count)++] = now;
		} else if ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f')) {
			wanted = area_from_maps_line(line, &area);
			now = (struct measured){ .area = area };
		}
	}
	free(line);
	return areas;
}

static const char *advise_coldest(struct batch *batch, struct wish *wish, int pagemap, FILE *smaps)
{
	const char *problem = NULL;
	size_t count = 0;
	struct measured *areas = measure_areas(smaps, &count, &problem);

	if (areas != NULL)
		qsort(areas, count, sizeof(*areas), colder_first);
	for (size_t i = 0; i < count && problem == NULL && wish->most > 0; i++)
		problem = add_anonymous(batch, wish, pagemap, areas[i].area);
	free(areas);
	return problem;
}

static const char *advise_areas(struct batch *batch, struct wish *wish, int pagemap, FILE *maps)
{
	const char *problem = NULL;
	char *line = NULL;
	size_t room = 0;

	while (problem == NULL && getline(&line, &room, maps) > 0) {
		struct area area;

		if (!area_from_maps_line(line, &area))
			continue;
		problem = wish->anonymous && area.file ? add_anonymous(batch, wish, pagemap, area) : add(batch, area);
	}
	free(line);
	return problem;
}

/* From now on the kernel notes anew what is touched: the next bounded call goes by that. */
static void count_anew(const struct target *target)
{
	int fd = openat(target->proc, "clear_refs", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	(void)!write(fd, "1", 1);
	close(fd);
}

const char *advise_all(const struct target *target, struct wish *wish, uint64_t *advised_bytes)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	struct target_memory memory;
	const char *problem = target_memory_open(&memory, target, wish->bounded ? "smaps" : "maps");

	*advised_bytes = 0;
	if (batch == NULL) {
		problem = "no-memory";
	} else if (problem == NULL) {
		batch->target = target;
		batch->advice = wish->advice;
		problem = wish->bounded ? advise_coldest(batch, wish, memory.pagemap, memory.maps) : advise_areas(batch, wish, memory.pagemap, memory.maps);
		if (problem == NULL && ferror(memory.maps) != 0)
			problem = word_for_errno(errno);
		if (problem == NULL)
			problem = flush(batch);
		/* A kernel that does not know the advice refuses every area alike. */
		if (problem == NULL && batch->taken == 0 && batch->refused > 0)
			problem = "not-supported";
		*advised_bytes = batch->advised;
		if (problem == NULL && wish->bounded)
			count_anew(target);
	}
	target_memory_close(&memory);
	free(batch);
	return problem;
}
