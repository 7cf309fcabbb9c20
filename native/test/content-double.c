/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the broker's content in tests of the protocol: units in plain
 * memory, no tiers, no threads. Answers to what is handed in come later, as
 * the real one's do, after CONTENT_DOUBLE_DELAY_MS. Records of agents are kept
 * in the file CONTENT_DOUBLE_RECORDS.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "broker/content.h"
#include "common/digest.h"
#include "common/host.h"

#define SMALL_BYTES 4096u
#define HOLDERS_MOST 256u
#define RECORD_MOST 1024u

struct holder {
	uint64_t agent, holds, maps;
};

struct unit {
	struct unit *next;
	uint64_t number, domain, bytes;
	enum am_kind kind;
	struct am_digest digest;
	uint8_t *data;
	int fd;
	struct holder holders[HOLDERS_MOST];
};

struct later {
	struct later *next;
	content_done done;
	void *context;
	uint64_t agent, unit, due_ms;
	int error;
	bool known;
};

struct record {
	struct record *next;
	uint64_t agent;
	size_t bytes;
	uint8_t data[RECORD_MOST];
};

struct content {
	struct content_options options;
	struct unit *units;
	struct later *laters;
	struct record *records;
	uint64_t last_number, delay_ms;
	int event_fd;
};

struct content_question {
	struct unit *candidate;
	struct proof_tag tag;
	uint64_t domain;
};

static struct holder *holder_of(struct unit *unit, uint64_t agent, bool make)
{
	struct holder *empty = NULL;

	for (unsigned i = 0; i < HOLDERS_MOST; i++) {
		if (unit->holders[i].holds > 0 && unit->holders[i].agent == agent)
			return &unit->holders[i];
		if (unit->holders[i].holds == 0 && empty == NULL)
			empty = &unit->holders[i];
	}
	if (make && empty != NULL)
		*empty = (struct holder){ .agent = agent };
	return make ? empty : NULL;
}

static struct unit *unit_of(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = content->units;

	while (unit != NULL && unit->number != number)
		unit = unit->next;
	return unit != NULL && holder_of(unit, agent, false) != NULL ? unit : NULL;
}

static void drop(struct content *content, struct unit *unit)
{
	struct unit **at = &content->units;

	for (unsigned i = 0; i < HOLDERS_MOST; i++)
		if (unit->holders[i].holds > 0)
			return;
	while (*at != unit)
		at = &(*at)->next;
	*at = unit->next;
	if (unit->fd >= 0)
		close(unit->fd);
	free(unit->data);
	free(unit);
}

static void fill(const struct unit *unit, bool known, struct content_result *result)
{
	*result = (struct content_result){ .unit = unit->number, .bytes = unit->bytes, .kind = unit->kind, .known = known, .fd = unit->fd, .total_bytes = unit->bytes };
	if (unit->kind != AM_KIND_CONVERSATION) {
		result->has_digest = true;
		result->digest = unit->digest;
	}
}

static void say(content_done done, void *context, struct unit *unit, int error)
{
	struct content_result result = { .error = error, .fd = -1 };

	if (error == 0)
		fill(unit, false, &result);
	done(context, &result);
}

/* Answered when the loop comes by again. */
static void put_off(struct content *content, uint64_t agent, const struct unit *unit, int error, bool known, content_done done, void *context)
{
	struct later *later = calloc(1, sizeof(*later)), **at = &content->laters;

	*later = (struct later){ .done = done, .context = context, .agent = agent, .unit = unit == NULL ? 0 : unit->number, .error = error, .known = known, .due_ms = now_ms() + content->delay_ms };
	while (*at != NULL)
		at = &(*at)->next;
	*at = later;
	eventfd_write(content->event_fd, 1);
}

static void answer_due(struct content *content)
{
	while (content->laters != NULL && content->laters->due_ms <= now_ms()) {
		struct later *later = content->laters;
		struct unit *unit = unit_of(content, later->agent, later->unit);
		struct content_result result = { .error = later->error != 0 ? later->error : -ENOENT, .fd = -1 };

		content->laters = later->next;
		if (later->error == 0 && unit != NULL)
			fill(unit, later->known, &result);
		later->done(later->context, &result);
		free(later);
	}
}

void content_event(struct content *content)
{
	eventfd_t value;

	(void)eventfd_read(content->event_fd, &value);
	answer_due(content);
}

uint64_t content_step(struct content *content, uint64_t at_ms)
{
	(void)at_ms;
	answer_due(content);
	return content->laters == NULL ? UINT64_MAX : content->laters->due_ms;
}

static void load_records(struct content *content)
{
	const char *path = getenv("CONTENT_DOUBLE_RECORDS");
	FILE *file = path == NULL ? NULL : fopen(path, "rb");
	struct record record;

	while (file != NULL && fread(&record, sizeof(record), 1, file) == 1)
		(void)content_save_agent(content, record.agent, record.data, record.bytes);
	if (file != NULL)
		fclose(file);
}

static void store_records(const struct content *content)
{
	const char *path = getenv("CONTENT_DOUBLE_RECORDS");
	FILE *file = path == NULL ? NULL : fopen(path, "wb");

	for (const struct record *record = content->records; file != NULL && record != NULL; record = record->next)
		fwrite(record, sizeof(*record), 1, file);
	if (file != NULL)
		fclose(file);
}

int content_open(struct content **content, const struct content_options *options)
{
	const char *delay = getenv("CONTENT_DOUBLE_DELAY_MS");
	struct content *made = calloc(1, sizeof(*made));

	made->options = *options;
	made->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	made->delay_ms = delay == NULL ? 0 : strtoull(delay, NULL, 10);
	load_records(made);
	*content = made;
	return 0;
}

void content_close(struct content *content)
{
	store_records(content);
	while (content->laters != NULL) {
		struct later *later = content->laters;

		content->laters = later->next;
		later->done(later->context, &(struct content_result){ .error = -ECANCELED, .fd = -1 });
		free(later);
	}
	while (content->records != NULL) {
		struct record *record = content->records;

		content->records = record->next;
		free(record);
	}
	while (content->units != NULL) {
		memset(content->units->holders, 0, sizeof(content->units->holders));
		drop(content, content->units);
	}
	close(content->event_fd);
	free(content);
}

int content_fd(const struct content *content)
{
	return content->event_fd;
}

void content_set_policy(struct content *content, const struct am_policy *policy)
{
	content->options.policy = *policy;
}

static struct unit *unit_new(struct content *content, uint64_t domain, enum am_kind kind, const void *data, uint64_t bytes)
{
	struct unit *unit = calloc(1, sizeof(*unit));

	unit->number = ++content->last_number;
	unit->domain = domain;
	unit->kind = kind;
	unit->bytes = bytes;
	unit->fd = -1;
	unit->data = malloc(bytes + 1);
	memcpy(unit->data, data, bytes);
	digest_of(unit->data, bytes, &unit->digest);
	unit->next = content->units;
	content->units = unit;
	return unit;
}

static void *bytes_of(struct content_source *source)
{
	uint8_t *bytes = malloc(source->bytes + 1);

	if (source->fd < 0) {
		if (source->bytes > 0)
			memcpy(bytes, source->data, source->bytes);
		return bytes;
	}
	for (uint64_t at = 0; at < source->bytes;) {
		ssize_t got = pread(source->fd, bytes + at, source->bytes - at, (off_t)at);

		if (got <= 0)
			abort();
		at += (uint64_t)got;
	}
	close(source->fd);
	source->fd = -1;
	return bytes;
}

void content_add(struct content *content, uint64_t agent, uint64_t domain, enum am_kind kind, struct content_source source, content_done done, void *context)
{
	uint8_t *bytes = bytes_of(&source);
	struct unit *unit = kind == AM_KIND_CONVERSATION ? NULL : content->units;
	bool known;

	while (unit != NULL && (unit->domain != domain || unit->kind == AM_KIND_CONVERSATION || unit->bytes != source.bytes || memcmp(unit->data, bytes, source.bytes) != 0))
		unit = unit->next;
	known = unit != NULL;
	if (!known)
		unit = unit_new(content, domain, kind, bytes, source.bytes);
	holder_of(unit, agent, true)->holds++;
	free(bytes);
	put_off(content, agent, unit, 0, known, done, context);
}

struct content_question *content_ask(struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint, const uint8_t secret[256])
{
	struct content_question *question = calloc(1, sizeof(*question));

	question->domain = domain;
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next)
		if (unit->domain == domain && unit->bytes == bytes && unit->kind != AM_KIND_CONVERSATION && fingerprint_of(unit->data, bytes) == fingerprint)
			question->candidate = unit;
	if (question->candidate != NULL)
		question->tag = proof_of(secret, question->candidate->data, bytes);
	return question;
}

void content_claim(struct content *content, struct content_question *question, uint64_t agent, enum am_kind kind, const struct am_digest *digest, uint64_t tag_low, uint64_t tag_high, content_done done, void *context)
{
	struct unit *unit = content->units;
	bool good;

	(void)kind;
	while (unit != NULL && unit != question->candidate)
		unit = unit->next;
	good = unit != NULL && question->tag.low == tag_low && question->tag.high == tag_high && memcmp(&unit->digest, digest, sizeof(*digest)) == 0;
	free(question);
	if (good)
		holder_of(unit, agent, true)->holds++;
	put_off(content, agent, good ? unit : NULL, good ? 0 : -ENOENT, true, done, context);
}

void content_forget(struct content *content, struct content_question *question)
{
	(void)content;
	free(question);
}

static void change(struct unit *unit, uint64_t offset, uint64_t old_bytes, struct content_source source)
{
	uint8_t *bytes = bytes_of(&source), *whole = malloc(unit->bytes - old_bytes + source.bytes + 1);

	memcpy(whole, unit->data, offset);
	memcpy(whole + offset, bytes, source.bytes);
	memcpy(whole + offset + source.bytes, unit->data + offset + old_bytes, unit->bytes - offset - old_bytes);
	free(unit->data);
	free(bytes);
	unit->data = whole;
	unit->bytes = unit->bytes - old_bytes + source.bytes;
	if (unit->fd >= 0)
		close(unit->fd);
	unit->fd = -1;
}

void content_edit(struct content *content, uint64_t agent, uint64_t number, uint64_t offset, uint64_t old_bytes, struct content_source source, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);
	int error = unit == NULL ? -ENOENT : unit->kind != AM_KIND_CONVERSATION || offset > unit->bytes || old_bytes > unit->bytes - offset ? -EINVAL : 0;

	if (error == 0)
		change(unit, offset, old_bytes, source);
	else if (source.fd >= 0)
		close(source.fd);
	say(done, context, unit, error);
}

void content_append(struct content *content, uint64_t agent, uint64_t number, struct content_source source, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);

	content_edit(content, agent, number, unit == NULL ? 0 : unit->bytes, 0, source, done, context);
}

void content_fork(struct content *content, uint64_t agent, uint64_t number, uint64_t prefix_bytes, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);
	struct unit *made = NULL;

	if (unit != NULL && unit->kind == AM_KIND_CONVERSATION) {
		made = unit_new(content, unit->domain, unit->kind, unit->data, prefix_bytes < unit->bytes ? prefix_bytes : unit->bytes);
		holder_of(made, agent, true)->holds++;
	}
	say(done, context, made, made != NULL ? 0 : unit == NULL ? -ENOENT : -EINVAL);
}

void content_map(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);
	struct content_result result = { .error = -ENOENT, .fd = -1 };

	if (unit == NULL) {
		done(context, &result);
		return;
	}
	holder_of(unit, agent, false)->maps++;
	if (unit->bytes > SMALL_BYTES && unit->fd < 0) {
		unit->fd = memfd_create("double", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (unit->fd < 0) {
			result.error = -errno;
			holder_of(unit, agent, false)->maps--;
			done(context, &result);
			return;
		}
		(void)!write(unit->fd, unit->data, unit->bytes);
		fcntl(unit->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	}
	fill(unit, true, &result);
	if (unit->fd < 0) {
		result.data = unit->data;
		result.data_bytes = unit->bytes;
	}
	done(context, &result);
}

int content_unmap(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL || holder_of(unit, agent, false)->maps == 0)
		return -ENOENT;
	holder_of(unit, agent, false)->maps--;
	return 0;
}

void content_read(struct content *content, uint64_t agent, uint64_t number, uint64_t offset, uint64_t bytes, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);
	struct content_result result = { .error = -ENOENT, .fd = -1 };

	if (unit != NULL) {
		fill(unit, true, &result);
		result.fd = -1;
		offset = offset < unit->bytes ? offset : unit->bytes;
		bytes = bytes < unit->bytes - offset ? bytes : unit->bytes - offset;
		result.data = unit->data + offset;
		result.bytes = result.data_bytes = bytes;
	}
	done(context, &result);
}

void content_mark_hot(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context)
{
	struct unit *unit = unit_of(content, agent, number);

	say(done, context, unit, unit == NULL ? -ENOENT : 0);
}

static uint32_t sharers(const struct unit *unit)
{
	uint32_t count = 0;

	for (unsigned i = 0; i < HOLDERS_MOST; i++)
		count += unit->holders[i].holds > 0;
	return count;
}

void content_stat(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context, struct broker_unit_stat *stat)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit != NULL) {
		*stat = (struct broker_unit_stat){ .unit = number, .bytes = unit->bytes, .stored_bytes = unit->bytes / sharers(unit), .hot_bytes = unit->bytes, .has_digest = 1, .kind = unit->kind, .tier = AM_TIER_HOT, .sharers = sharers(unit), .importance = 50 };
		memcpy(stat->digest, unit->digest.bytes, sizeof(stat->digest));
	}
	say(done, context, unit, unit == NULL ? -ENOENT : 0);
}

int content_find(struct content *content, uint64_t agent, uint64_t domain, const struct am_digest *digest, struct content_result *result)
{
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next) {
		if (unit->domain != domain || memcmp(&unit->digest, digest, sizeof(*digest)) != 0 || holder_of(unit, agent, false) == NULL)
			continue;
		fill(unit, true, result);
		return 0;
	}
	return -ENOENT;
}

int content_share(struct content *content, uint64_t agent, uint64_t number, uint64_t other, uint64_t other_domain)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL || unit->domain != other_domain)
		return -ENOENT;
	holder_of(unit, other, true)->holds++;
	return 0;
}

int content_free(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = unit_of(content, agent, number);

	if (unit == NULL)
		return -ENOENT;
	holder_of(unit, agent, false)->holds--;
	drop(content, unit);
	return 0;
}

static void add_up(const struct content *content, uint64_t agent, uint64_t *units, uint64_t *bytes, uint64_t *shared_bytes)
{
	*units = *bytes = *shared_bytes = 0;
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next) {
		if (agent != 0 && holder_of(unit, agent, false) == NULL)
			continue;
		(*units)++;
		*bytes += unit->bytes;
		*shared_bytes += sharers(unit) > 1 ? unit->bytes : 0;
	}
}

uint64_t content_agent_bytes(const struct content *content, uint64_t agent)
{
	uint64_t units, bytes, shared_bytes;

	add_up(content, agent, &units, &bytes, &shared_bytes);
	return bytes;
}

uint64_t content_unit_bytes(const struct content *content, uint64_t number)
{
	const struct unit *unit = content->units;

	while (unit != NULL && unit->number != number)
		unit = unit->next;
	return unit == NULL ? 0 : unit->bytes;
}

void content_agent_stat(struct content *content, uint64_t agent, struct broker_stat *stat)
{
	add_up(content, agent, &stat->units, &stat->bytes, &stat->shared_bytes);
}

void content_agent_state(struct content *content, uint64_t agent, enum am_state state)
{
	(void)content;
	(void)agent;
	(void)state;
}

void content_agent_gone(struct content *content, uint64_t agent)
{
	for (struct unit *unit = content->units, *next; unit != NULL; unit = next) {
		struct holder *holder = holder_of(unit, agent, false);

		next = unit->next;
		if (holder == NULL)
			continue;
		holder->holds = 0;
		drop(content, unit);
	}
}

void content_stat_all(struct content *content, struct broker_stat *stat)
{
	uint64_t shared_bytes;

	add_up(content, 0, &stat->user_units, &stat->user_bytes, &shared_bytes);
	stat->user_hot_bytes = stat->user_bytes;
	/* What tests look at: mappings that somebody still has. */
	for (struct unit *unit = content->units; unit != NULL; unit = unit->next)
		for (unsigned i = 0; i < HOLDERS_MOST; i++)
			stat->restored_blocks += unit->holders[i].holds > 0 ? unit->holders[i].maps : 0;
}

void content_agent_line(struct content *content, uint64_t agent, struct broker_agent_line *line)
{
	add_up(content, agent, &line->units, &line->bytes, &line->shared_bytes);
	line->hot_bytes = line->bytes;
}

unsigned content_unit_lines(struct content *content, uint64_t agent, uint64_t after, struct broker_unit_line *lines, unsigned most, bool *more)
{
	unsigned count = 0;

	*more = false;
	for (uint64_t number = after + 1; number <= content->last_number; number++) {
		struct unit *unit = content->units;

		while (unit != NULL && unit->number != number)
			unit = unit->next;
		if (unit == NULL || (agent != 0 && holder_of(unit, agent, false) == NULL))
			continue;
		if (count == most) {
			*more = true;
			break;
		}
		lines[count] = (struct broker_unit_line){ .unit = number, .agent = agent, .bytes = unit->bytes, .kind = unit->kind, .tier = AM_TIER_HOT, .sharers = sharers(unit) };
		memcpy(lines[count++].digest, unit->digest.bytes, 8);
	}
	return count;
}

int content_save_agent(struct content *content, uint64_t agent, const void *data, size_t bytes)
{
	struct record **at = &content->records, *record;

	while (*at != NULL && (*at)->agent != agent)
		at = &(*at)->next;
	record = *at;
	if (bytes == 0 && record != NULL) {
		*at = record->next;
		free(record);
		return 0;
	}
	if (bytes == 0 || bytes > RECORD_MOST)
		return bytes == 0 ? 0 : -E2BIG;
	if (record == NULL) {
		record = *at = calloc(1, sizeof(*record));
		record->agent = agent;
	}
	record->bytes = bytes;
	memcpy(record->data, data, bytes);
	return 0;
}

int content_each_agent(struct content *content, int (*look)(void *context, uint64_t agent, const void *data, size_t bytes), void *context)
{
	int error = 0;

	for (struct record *record = content->records; record != NULL && error == 0; record = record->next)
		error = look(context, record->agent, record->data, record->bytes);
	return error;
}
