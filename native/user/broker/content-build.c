/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting bytes into blocks, on a worker. */
#include "content-inner.h"
#include "content-build.h"

#include <stdlib.h>
#include <unistd.h>

#ifdef CONTENT_SMALL
static const struct am_chunk_sizes small_sizes = CONTENT_CHUNK_SIZES;
const struct am_chunk_sizes *const build_sizes = &small_sizes;
#else
const struct am_chunk_sizes *const build_sizes = &warm_chunk_sizes;
#endif

static int read_all(int fd, uint8_t *out, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t count = pread(fd, out, bytes, (off_t)offset);

		if (count <= 0)
			return count < 0 ? -errno : -EINVAL;
		out += count;
		bytes -= (size_t)count;
		offset += (uint64_t)count;
	}
	return 0;
}

int build_read(int fd, uint8_t *out, size_t bytes)
{
	return read_all(fd, out, bytes, 0);
}

static int add_cut(struct build *build, const uint8_t *data, size_t bytes, bool copy)
{
	struct cut *cut;

	if (build->count == build->room) {
		unsigned room = build->room == 0 ? 8 : build->room * 2;
		struct cut *cuts = realloc(build->cuts, room * sizeof(*cuts));

		if (cuts == NULL)
			return -ENOMEM;
		build->cuts = cuts;
		build->room = room;
	}
	cut = &build->cuts[build->count];
	cut->plain = NULL;
	if (copy) {
		cut->plain = pages_alloc(bytes);
		if (cut->plain == NULL)
			return -ENOMEM;
		memcpy(cut->plain, data, bytes);
	}
	cut->bytes = (uint32_t)bytes;
	digest_of(data, bytes, &cut->digest);
	am_sketch_make(data, bytes, &cut->sketch);
	build->count++;
	return 0;
}

static int keep_rest(struct build *build, const uint8_t *data, size_t bytes)
{
	if (bytes == 0)
		return 0;
	/* Room for the next ones, which come one by one. */
	build->rest_room = (bytes + bytes / 4 + 4095) & ~(size_t)4095;
	build->rest = pages_alloc(build->rest_room);
	if (build->rest == NULL)
		return -ENOMEM;
	memcpy(build->rest, data, bytes);
	build->rest_bytes = bytes;
	return 0;
}

void build_work(struct job *job)
{
	struct build *build = container(job, struct build, job);
	size_t bytes = build->start_bytes + build->bytes;
	uint8_t *all = bytes == 0 ? NULL : pages_alloc(bytes);
	size_t at = 0;

	if (bytes == 0)
		return;
	if (all == NULL) {
		build->error = -ENOMEM;
		return;
	}
	if (build->start_bytes > 0)
		memcpy(all, build->start, build->start_bytes);
	if (build->data != NULL)
		memcpy(all + build->start_bytes, build->data, build->bytes);
	else if (build->bytes > 0)
		build->error = read_all(build->fd, all + build->start_bytes, build->bytes, build->offset);
	while (build->error == 0 && at < bytes) {
		size_t cut = am_chunk_cut(build_sizes, all + at, bytes - at, build->last);

		if (cut == 0)
			break;
		build->error = add_cut(build, all + at, cut, true);
		at += cut;
	}
	if (build->error == 0)
		build->error = keep_rest(build, all + at, bytes - at);
	pages_free(all, bytes);
}

void build_tail_work(struct job *job)
{
	struct build *build = container(job, struct build, job);
	size_t seen = build->seen;
	size_t at = 0, cut;

	while (build->error == 0 && (cut = am_chunk_cut_on(build_sizes, build->start + at, seen, build->start_bytes - at, false)) > 0) {
		build->error = add_cut(build, build->start + at, cut, at > 0);
		at += cut;
		seen = 0;
	}
	if (build->error == 0 && at > 0)
		build->error = keep_rest(build, build->start + at, build->start_bytes - at);
}

void build_free(struct build *build)
{
	for (unsigned i = 0; i < build->count; i++)
		pages_free(build->cuts[i].plain, build->cuts[i].bytes);
	free(build->cuts);
	pages_free(build->rest, build->rest_room);
	build->cuts = NULL;
	build->count = 0;
	build->room = 0;
	build->rest = NULL;
	build->rest_bytes = 0;
	build->rest_room = 0;
}
