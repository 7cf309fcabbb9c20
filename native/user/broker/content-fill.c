/* SPDX-License-Identifier: Apache-2.0 */
/* A sealed memfd with all of a unit, made of its parts. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-tiers.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define STEP_PARTS 32

struct fill {
	struct job job;
	struct content *content;
	struct unit *unit;
	struct waiter *waiters;
	int fd;
	uint64_t bytes;
	uint32_t version;
	int error;
	/* What it is made of, as it was when it began. */
	struct block **blocks;
	uint32_t count, at;
	uint64_t offset;		/* of the part `at` */
	uint8_t *tail;
	uint32_t tail_bytes;
	/* Of one job. */
	struct origin origins[STEP_PARTS];
	uint32_t step;
};

static int write_all(int fd, const uint8_t *data, size_t bytes, uint64_t offset)
{
	while (bytes > 0) {
		ssize_t count = pwrite(fd, data, bytes, (off_t)offset);

		if (count <= 0)
			return count < 0 ? -errno : -ENOSPC;
		data += count;
		bytes -= (size_t)count;
		offset += (uint64_t)count;
	}
	return 0;
}

static void fill_work(struct job *job)
{
	struct fill *fill = container(job, struct fill, job);
	uint64_t from = fill->offset & ~UINT64_C(4095);
	uint64_t at = fill->offset - from;
	uint64_t end = at;
	uint8_t *map;

	for (uint32_t i = 0; i < fill->step; i++)
		end += fill->origins[i].bytes;
	if (end > at) {
		map = mmap(NULL, end, PROT_READ | PROT_WRITE, MAP_SHARED, fill->fd, (off_t)from);
		if (map == MAP_FAILED) {
			fill->error = -errno;
			return;
		}
		for (uint32_t i = 0; i < fill->step && fill->error == 0; i++) {
			fill->error = origin_read(fill->content->warm, fill->content->store, &fill->origins[i], map + at, NULL);
			at += fill->origins[i].bytes;
		}
		munmap(map, end);
	}
	if (fill->at + fill->step < fill->count)
		return;
	if (fill->error == 0 && fill->tail_bytes > 0)
		fill->error = write_all(fill->fd, fill->tail, fill->tail_bytes, fill->bytes - fill->tail_bytes);
	if (fill->error == 0)
		fill->error = memfd_seal(fill->fd);
}

static void fill_free(struct content *content, struct fill *fill)
{
	for (uint32_t i = 0; i < fill->count; i++)
		block_unpin(content, fill->blocks[i]);
	mem_free(content, fill->blocks, (fill->count + 1) * sizeof(*fill->blocks));
	pages_free(fill->tail, fill->tail_bytes);
	if (fill->fd >= 0)
		close(fill->fd);
	if (fill->unit->body->fill == fill)
		fill->unit->body->fill = NULL;
	unit_unpin(content, fill->unit);
	mem_free(content, fill, sizeof(*fill));
}

static void fill_tell(struct content *content, struct fill *fill, int error)
{
	struct waiter *waiter = fill->waiters;

	fill->waiters = NULL;
	while (waiter != NULL) {
		struct waiter *next = waiter->next;

		waiter->ready(content, waiter, error);
		waiter = next;
	}
}

/* It has gone on meanwhile: who asked before gets what it was then, and nobody else. */
static void tell_older(struct content *content, struct fill *fill)
{
	struct body *body = fill->unit->body;
	int fd = fill->fd;

	fill->fd = -1;
	body_set_fd(content, body, fd, fill->bytes);
	fill_tell(content, fill, 0);
	if (body->fd == fd)
		body_set_fd(content, body, -1, 0);
}

static void fill_end(struct content *content, struct fill *fill)
{
	struct body *body = fill->unit->body;
	bool is_newest = body->version == fill->version;
	int error = fill->error;

	if (fill->unit->dead && error == 0)
		error = -ENOENT;
	if (body->fill == fill)
		body->fill = NULL;
	if (error == 0 && is_newest) {
		body_set_fd(content, body, fill->fd, fill->bytes);
		fill->fd = -1;
		content->restored_blocks += fill->count;
		if (!unit_is_conversation(fill->unit))
			body_is_back(content, body);
	}
	content->errors += error != 0 && error != -ENOENT;
	unit_used(content, fill->unit);
	content_worked(content, false);
	if (error == 0 && !is_newest)
		tell_older(content, fill);
	else
		fill_tell(content, fill, error);
	fill_free(content, fill);
	tier_limits(content);
}

static void fill_step(struct content *content, struct fill *fill)
{
	uint64_t bytes = 0;

	for (fill->step = 0; fill->step < STEP_PARTS && fill->at + fill->step < fill->count && bytes < STEP_BYTES; fill->step++) {
		struct block *block = fill->blocks[fill->at + fill->step];

		origin_of(block, &fill->origins[fill->step]);
		content->cold_reads += block->plain == NULL && block->piece == NULL;
		bytes += block->bytes;
	}
	workers_start(content->workers, &fill->job);
}

static void fill_done(struct content *content, struct job *job)
{
	struct fill *fill = container(job, struct fill, job);

	for (uint32_t i = 0; i < fill->step; i++) {
		fill->offset += fill->origins[i].bytes;
		origin_end(content, &fill->origins[i]);
	}
	fill->at += fill->step;
	if (fill->error != 0 || fill->at == fill->count)
		fill_end(content, fill);
	else
		fill_step(content, fill);
}

static struct fill *fill_new(struct content *content, struct unit *unit)
{
	struct body *body = unit->body;
	struct fill *fill = mem_alloc(content, sizeof(*fill));

	if (fill == NULL)
		return NULL;
	fill->job = (struct job){ .class = JOB_URGENT, .work = fill_work, .done = fill_done };
	fill->content = content;
	fill->unit = unit;
	fill->version = body->version;
	fill->bytes = unit->bytes;
	fill->fd = memfd_make(unit->bytes);
	fill->blocks = mem_alloc(content, (body->count + 1) * sizeof(*fill->blocks));
	fill->tail = body->tail_bytes == 0 ? NULL : pages_alloc(body->tail_bytes);
	if (fill->blocks == NULL || fill->fd < 0 || (body->tail_bytes > 0 && fill->tail == NULL)) {
		if (fill->fd >= 0)
			close(fill->fd);
		mem_free(content, fill->blocks, (body->count + 1) * sizeof(*fill->blocks));
		pages_free(fill->tail, body->tail_bytes);
		mem_free(content, fill, sizeof(*fill));
		return NULL;
	}
	unit_pin(unit);
	fill->count = body->count;
	for (uint32_t i = 0; i < body->count; i++) {
		fill->blocks[i] = body->parts[i].block;
		block_pin(fill->blocks[i]);
	}
	fill->tail_bytes = body->tail_bytes;
	if (fill->tail_bytes > 0)
		memcpy(fill->tail, body->tail, body->tail_bytes);
	return fill;
}

void fill_want(struct content *content, struct unit *unit, struct waiter *waiter)
{
	struct body *body = unit->body;

	unit_used(content, unit);
	if (body->fd >= 0) {
		waiter->ready(content, waiter, 0);
		return;
	}
	if (body->fill == NULL || body->fill->version != body->version) {
		struct fill *fill = fill_new(content, unit);

		if (fill == NULL) {
			waiter->ready(content, waiter, -ENOMEM);
			return;
		}
		body->fill = fill;
		waiter->next = NULL;
		fill->waiters = waiter;
		fill_step(content, fill);
		return;
	}
	waiter->next = body->fill->waiters;
	body->fill->waiters = waiter;
}
