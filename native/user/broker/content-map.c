/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping, keeping hot, and the digest of a conversation: all want the whole unit. */
#include "content-inner.h"
#include "bus.h"
#include "content-bodies.h"
#include "content-tiers.h"
#include "content-units.h"
#include "content-workers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* agentmem_mark_hot() holds for this long. */
#define HOT_HOLD_MS (10u * 60u * 1000u)
/* Conversations up to this get a digest when asked for. */
#define DIGEST_MOST_BYTES (16u * 1024u * 1024u)

enum whole_for { FOR_MAP, FOR_HOT, FOR_STAT };

struct whole {
	struct op op;
	struct waiter waiter;
	struct job job;
	struct content *content;
	uint64_t agent;
	enum whole_for what;
	struct broker_unit_stat *stat;
	content_done done;
	void *context;
	struct am_digest digest;
	int fd;
	uint64_t bytes;
	uint32_t version;
	int error;
};

static void whole_end(struct content *content, struct whole *whole, int error)
{
	struct unit *unit = whole->op.unit;
	struct holder *holder = unit->dead ? NULL : unit_holder(unit, whole->agent);
	struct content_result result;

	if (error == 0 && holder == NULL)
		error = -ENOENT;
	if (error != 0) {
		answer_error(whole->done, whole->context, error);
	} else {
		result_of(unit, &result);
		if (whole->what == FOR_MAP) {
			holder->maps++;
			unit->body->maps++;
			result.fd = unit->body->fd;
			result.bytes = unit->body->fd_bytes;
		}
		if (whole->what == FOR_STAT)
			stat_fill(content, unit, whole->stat);
		else
			holder->keeper->used_ms = content->now_ms;
		whole->done(whole->context, &result);
	}
	unit_unpin(content, unit);
	mem_free(content, whole, sizeof(*whole));
}

static void digest_work(struct job *job)
{
	struct whole *whole = container(job, struct whole, job);
	void *data = mmap(NULL, whole->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, whole->fd, 0);

	if (data == MAP_FAILED) {
		whole->error = -errno;
		return;
	}
	bus_watch(data, whole->bytes);
	digest_of(data, whole->bytes, &whole->digest);
	if (bus_end())
		whole->error = -EIO;
	munmap(data, whole->bytes);
}

static void set_digest(struct whole *whole)
{
	struct unit *unit = whole->op.unit;

	if (whole->version != unit->body->version || unit->body->digested || unit->dead)
		return;
	unit->body->digested = true;
	unit->body->digest = whole->digest;
	for (struct holder *holder = &unit->first_holder; holder != NULL; holder = holder->next)
		if (holder->keeper != NULL)
			holder->keeper->digested++;
}

static void digest_done(struct content *content, struct job *job)
{
	struct whole *whole = container(job, struct whole, job);

	close(whole->fd);
	if (whole->error == 0)
		set_digest(whole);
	/* It was made for the digest alone. */
	if (whole->op.unit->body->maps == 0)
		body_set_fd(content, whole->op.unit->body, -1, 0);
	/* A stat is right without a digest too. */
	whole_end(content, whole, 0);
}

static void whole_ready(struct content *content, struct waiter *waiter, int error)
{
	struct whole *whole = container(waiter, struct whole, waiter);
	struct body *body = whole->op.unit->body;

	if (error != 0 || whole->what != FOR_STAT || body->fd_bytes == 0 || body->version != whole->version) {
		if (whole->what == FOR_HOT && error == 0)
			body->next_look_ms = whole->op.unit->used_ms;
		whole_end(content, whole, error);
		return;
	}
	/* One of its own: the next append closes the unit's. */
	whole->fd = fcntl(body->fd, F_DUPFD_CLOEXEC, 0);
	whole->bytes = body->fd_bytes;
	if (whole->fd < 0) {
		whole_end(content, whole, 0);
		return;
	}
	workers_start(content->workers, &whole->job);
}

static void whole_run(struct op *op)
{
	struct whole *whole = container(op, struct whole, op);
	struct unit *unit = op->unit;

	whole->version = unit->body->version;
	if (unit->dead) {
		whole_end(whole->content, whole, -ENOENT);
	} else if (whole->what == FOR_HOT && unit_is_conversation(unit)) {
		tier_bring_back(whole->content, unit, true);
		whole_end(whole->content, whole, 0);
	} else if (whole->what == FOR_STAT && (!unit_is_conversation(unit) || unit->body->digested || unit->bytes == 0 || unit->bytes > DIGEST_MOST_BYTES)) {
		whole_end(whole->content, whole, 0);
	} else {
		fill_want(whole->content, unit, &whole->waiter);
	}
}

static void whole_start(struct content *content, uint64_t agent, struct unit *unit, enum whole_for what, content_done done, void *context, struct broker_unit_stat *stat)
{
	struct whole *whole = mem_alloc(content, sizeof(*whole));

	if (whole == NULL) {
		answer_error(done, context, -ENOMEM);
		return;
	}
	*whole = (struct whole){ .content = content, .agent = agent, .what = what, .done = done, .context = context, .stat = stat };
	whole->op = (struct op){ .content = content, .unit = unit, .run = whole_run };
	whole->waiter.ready = whole_ready;
	whole->job = (struct job){ .class = JOB_URGENT, .work = digest_work, .done = digest_done };
	unit_pin(unit);
	op_start(&whole->op);
}

void content_map(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL) {
		answer_error(done, context, -ENOENT);
		return;
	}
	unit_used(content, unit);
	if (unit->big)
		unit->body->generation = 0;
	/* Data instead of a memfd: a page for each would be more than the unit. */
	if (!unit->big || (unit_is_conversation(unit) && unit->bytes <= BROKER_INLINE_MOST && unit->body->changing == NULL))
		read_start(content, agent, unit, 0, BROKER_INLINE_MOST, true, done, context);
	else
		whole_start(content, agent, unit, FOR_MAP, done, context, NULL);
}

void content_mark_hot(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL) {
		answer_error(done, context, -ENOENT);
		return;
	}
	unit->used_ms = content->now_ms + HOT_HOLD_MS;
	if (unit->big) {
		whole_start(content, agent, unit, FOR_HOT, done, context, NULL);
		return;
	}
	tier_bring_back(content, unit, true);
	answer_unit(unit, true, done, context);
}

void content_stat(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context, struct broker_unit_stat *stat)
{
	struct unit *unit = unit_of(content, agent, number);

	memset(stat, 0, sizeof(*stat));
	if (unit == NULL) {
		answer_error(done, context, -ENOENT);
	} else if (unit->big) {
		whole_start(content, agent, unit, FOR_STAT, done, context, stat);
	} else {
		stat_fill(content, unit, stat);
		answer_unit(unit, true, done, context);
	}
}
