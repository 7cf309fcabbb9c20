/* SPDX-License-Identifier: Apache-2.0 */
/* Content that comes in: known or new, small or big. */
#include "content-inner.h"
#include "bus.h"
#include "content-bodies.h"
#include "content-tiers.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Content up to this is hashed where it is; more on a worker. */
#define HASH_HERE_BYTES (16u * 1024u)

struct add {
	struct job job;
	struct gate gate;
	struct content *content;
	uint64_t agent, domain;
	enum am_kind kind;
	struct content_source source;	/* its data is ours: `copy` */
	void *copy;
	struct am_digest digest;
	uint64_t fingerprint;
	int error;
	content_done done;
	void *context;
};

static void add_free(struct content *content, struct add *add)
{
	if (add->source.fd >= 0)
		close(add->source.fd);
	mem_free(content, add->copy, add->source.bytes);
	mem_free(content, add, sizeof(*add));
}

static struct unit *known_unit(struct content *content, uint64_t domain, const struct am_digest *digest)
{
	struct am_entry *entry = am_table_find_digest(content->units, domain, digest);

	return entry == NULL ? NULL : container(entry, struct unit, entry);
}

/* 0 with the unit held, or an error. */
static int hold_known(struct content *content, struct unit *unit, uint64_t agent)
{
	int error = unit_hold(content, unit, agent);

	if (error != 0)
		return error;
	unit_used(content, unit);
	content->found_bytes += unit->bytes;
	return 0;
}

static struct unit *new_small(struct content *content, const struct add *add, const void *data, int *error)
{
	struct unit *unit = unit_new(content, add->domain, add->kind, false);

	*error = -ENOMEM;
	if (unit == NULL)
		return NULL;
	*error = small_put(content, unit, data, add->source.bytes);
	if (*error == 0) {
		am_table_set_digest(content->units, &unit->entry, &add->digest);
		unit_set_bytes(content, unit, add->source.bytes);
		*error = unit_hold(content, unit, add->agent);
	}
	if (*error == 0)
		return unit;
	unit_drop(content, unit);
	return NULL;
}

static void finish_small(struct content *content, const struct add *add, const void *data)
{
	struct unit *unit = known_unit(content, add->domain, &add->digest);
	bool known = unit != NULL;
	int error;

	if (known)
		error = hold_known(content, unit, add->agent);
	else
		unit = new_small(content, add, data, &error);
	if (error != 0)
		answer_error(add->done, add->context, error);
	else
		answer_unit(unit, known, add->done, add->context);
}

static void finish_big(struct content *content, struct add *add)
{
	struct unit *unit = known_unit(content, add->domain, &add->digest);
	bool known = unit != NULL;
	int error = 0;

	if (known) {
		error = hold_known(content, unit, add->agent);
	} else {
		unit = unit_new(content, add->domain, add->kind, true);
		if (unit != NULL) {
			am_table_set_digest(content->units, &unit->entry, &add->digest);
			unit_set_bytes(content, unit, add->source.bytes);
			body_print_add(content, unit->body, add->fingerprint);
		}
		error = unit == NULL ? -ENOMEM : unit_hold(content, unit, add->agent);
		if (error != 0 && unit != NULL)
			unit_drop(content, unit);
	}
	if (error != 0) {
		answer_error(add->done, add->context, error);
		return;
	}
	/* What was put away is here again, as good as what we would make of it. */
	if (unit->big && unit->body->fd < 0 && unit->body->fill == NULL && !unit->body->warming) {
		body_set_fd(content, unit->body, add->source.fd, add->source.bytes);
		add->source.fd = -1;
		body_is_back(content, unit->body);
	}
	if (unit->big)
		unit->body->generation = 0;
	answer_unit(unit, known, add->done, add->context);
}

static void look_at_memfd(struct add *add)
{
	struct stat stat;
	void *data;

	if (fstat(add->source.fd, &stat) != 0 || (uint64_t)stat.st_size != add->source.bytes) {
		add->error = -EINVAL;
		return;
	}
	data = mmap(NULL, add->source.bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, add->source.fd, 0);
	if (data == MAP_FAILED) {
		add->error = -errno;
		return;
	}
	bus_watch(data, add->source.bytes);
	digest_of(data, add->source.bytes, &add->digest);
	add->fingerprint = fingerprint_of(data, add->source.bytes);
	if (add->copy != NULL)
		memcpy(add->copy, data, add->source.bytes);
	if (bus_end())
		add->error = -EIO;
	munmap(data, add->source.bytes);
}

static void add_work(struct job *job)
{
	struct add *add = container(job, struct add, job);

	if (add->source.fd >= 0)
		look_at_memfd(add);
	else
		digest_of(add->copy, add->source.bytes, &add->digest);
}

static void add_finish(struct content *content, struct job *job)
{
	struct add *add = container(job, struct add, job);

	if (add->error != 0)
		answer_error(add->done, add->context, add->error);
	else if (add->source.bytes <= BROKER_INLINE_MOST)
		finish_small(content, add, add->copy);
	else
		finish_big(content, add);
	add_free(content, add);
	tier_limits(content);
}

static void add_go(struct content *content, struct gate *gate)
{
	struct add *add = container(gate, struct add, gate);

	if (content->closing) {
		answer_error(add->done, add->context, -ECANCELED);
		add_free(content, add);
		return;
	}
	workers_start(content->workers, &add->job);
}

/* Data longer than messages carry: into a memfd of our own. */
static int to_memfd(struct content_source *source)
{
	int fd = memfd_make(source->bytes);
	uint64_t at = 0;
	int error = fd < 0 ? -errno : 0;

	while (error == 0 && at < source->bytes) {
		ssize_t count = pwrite(fd, (const char *)source->data + at, source->bytes - at, (off_t)at);

		if (count <= 0)
			error = count < 0 ? -errno : -ENOSPC;
		else
			at += (uint64_t)count;
	}
	if (error == 0)
		error = memfd_seal(fd);
	if (error != 0) {
		if (fd >= 0)
			close(fd);
		return error;
	}
	source->fd = fd;
	source->data = NULL;
	return 0;
}

static int add_content(struct content *content, struct add *add)
{
	struct content_source *source = &add->source;
	struct add *later;
	int error = 0;

	if (source->fd < 0 && source->bytes > BROKER_INLINE_MOST)
		error = to_memfd(source);
	if (error != 0)
		return error;
	if (source->fd < 0 && source->bytes <= HASH_HERE_BYTES) {
		digest_of(source->data, source->bytes, &add->digest);
		finish_small(content, add, source->data);
		return 0;
	}
	later = mem_alloc(content, sizeof(*later));
	if (later == NULL)
		return -ENOMEM;
	*later = *add;
	later->job = (struct job){ .class = JOB_BUILD, .work = add_work, .done = add_finish };
	if (source->bytes <= BROKER_INLINE_MOST) {
		later->copy = mem_alloc(content, source->bytes);
		if (later->copy == NULL) {
			mem_free(content, later, sizeof(*later));
			return -ENOMEM;
		}
		if (source->data != NULL)
			memcpy(later->copy, source->data, source->bytes);
	}
	later->source.data = NULL;
	source->fd = -1;
	if (!gate_wait(content, &later->gate, add_go))
		workers_start(content->workers, &later->job);
	return 0;
}

void content_add(struct content *content, uint64_t agent, uint64_t domain, enum am_kind kind, struct content_source source, content_done done, void *context)
{
	struct add add = { .content = content, .agent = agent, .domain = domain, .kind = kind, .source = source, .done = done, .context = context };
	int error = 0;

	content->handed_in_bytes += source.bytes;
	if (kind < AM_KIND_CONVERSATION || kind >= AM_KIND_END || (source.bytes == 0 && kind != AM_KIND_CONVERSATION))
		error = -EINVAL;
	else if (source.bytes > BROKER_UNIT_MOST)
		error = -E2BIG;
	else if (kind == AM_KIND_CONVERSATION) {
		conversation_add(content, agent, domain, source, done, context);
		return;
	} else
		error = add_content(content, &add);
	if (add.source.fd >= 0)
		close(add.source.fd);
	if (error != 0)
		answer_error(done, context, error);
}
