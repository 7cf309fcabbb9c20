/* SPDX-License-Identifier: Apache-2.0 */
/* Units in plain memory: handed in, changed, read, held and let go of. */
#include "content-double.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALL_BYTES 4096u

struct content_question {
	struct unit *candidate;
	struct proof_tag tag;
	uint64_t domain;
};

struct holder *double_holder(struct unit *unit, uint64_t agent, bool make)
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

struct unit *double_unit(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = content->units;

	while (unit != NULL && unit->number != number)
		unit = unit->next;
	return unit != NULL && double_holder(unit, agent, false) != NULL ? unit : NULL;
}

void double_drop(struct content *content, struct unit *unit)
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

void double_fill(const struct unit *unit, bool known, struct content_result *result)
{
	*result = (struct content_result){ .unit = unit->number, .bytes = unit->bytes, .kind = unit->kind, .known = known, .fd = unit->fd, .total_bytes = unit->bytes };
	if (unit->kind != AM_KIND_CONVERSATION) {
		result->has_digest = true;
		result->digest = unit->digest;
	}
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
	double_holder(unit, agent, true)->holds++;
	free(bytes);
	double_put_off(content, agent, unit, 0, known, done, context);
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
		double_holder(unit, agent, true)->holds++;
	double_put_off(content, agent, good ? unit : NULL, good ? 0 : -ENOENT, true, done, context);
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
	struct unit *unit = double_unit(content, agent, number);
	int error = unit == NULL ? -ENOENT : unit->kind != AM_KIND_CONVERSATION || offset > unit->bytes || old_bytes > unit->bytes - offset ? -EINVAL : 0;

	if (error == 0)
		change(unit, offset, old_bytes, source);
	else if (source.fd >= 0)
		close(source.fd);
	double_say(done, context, unit, error);
}

void content_append(struct content *content, uint64_t agent, uint64_t number, struct content_source source, content_done done, void *context)
{
	struct unit *unit = double_unit(content, agent, number);

	content_edit(content, agent, number, unit == NULL ? 0 : unit->bytes, 0, source, done, context);
}

void content_fork(struct content *content, uint64_t agent, uint64_t number, uint64_t prefix_bytes, content_done done, void *context)
{
	struct unit *unit = double_unit(content, agent, number);
	struct unit *made = NULL;

	if (unit != NULL && unit->kind == AM_KIND_CONVERSATION) {
		made = unit_new(content, unit->domain, unit->kind, unit->data, prefix_bytes < unit->bytes ? prefix_bytes : unit->bytes);
		double_holder(made, agent, true)->holds++;
	}
	double_say(done, context, made, made != NULL ? 0 : unit == NULL ? -ENOENT : -EINVAL);
}

void content_map(struct content *content, uint64_t agent, uint64_t number, content_done done, void *context)
{
	struct unit *unit = double_unit(content, agent, number);
	struct content_result result = { .error = -ENOENT, .fd = -1 };

	if (unit == NULL) {
		done(context, &result);
		return;
	}
	double_holder(unit, agent, false)->maps++;
	if (unit->bytes > SMALL_BYTES && unit->fd < 0) {
		unit->fd = memfd_create("double", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (unit->fd < 0) {
			result.error = -errno;
			double_holder(unit, agent, false)->maps--;
			done(context, &result);
			return;
		}
		(void)!write(unit->fd, unit->data, unit->bytes);
		fcntl(unit->fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	}
	double_fill(unit, true, &result);
	if (unit->fd < 0) {
		result.data = unit->data;
		result.data_bytes = unit->bytes;
	}
	done(context, &result);
}

int content_unmap(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = double_unit(content, agent, number);

	if (unit == NULL || double_holder(unit, agent, false)->maps == 0)
		return -ENOENT;
	double_holder(unit, agent, false)->maps--;
	return 0;
}

void content_read(struct content *content, uint64_t agent, uint64_t number, uint64_t offset, uint64_t bytes, content_done done, void *context)
{
	struct unit *unit = double_unit(content, agent, number);
	struct content_result result = { .error = -ENOENT, .fd = -1 };

	if (unit != NULL) {
		double_fill(unit, true, &result);
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
	struct unit *unit = double_unit(content, agent, number);

	double_say(done, context, unit, unit == NULL ? -ENOENT : 0);
}

int content_share(struct content *content, uint64_t agent, uint64_t number, uint64_t other, uint64_t other_domain)
{
	struct unit *unit = double_unit(content, agent, number);

	if (unit == NULL || unit->domain != other_domain)
		return -ENOENT;
	double_holder(unit, other, true)->holds++;
	return 0;
}

int content_free(struct content *content, uint64_t agent, uint64_t number)
{
	struct unit *unit = double_unit(content, agent, number);

	if (unit == NULL)
		return -ENOENT;
	double_holder(unit, agent, false)->holds--;
	double_drop(content, unit);
	return 0;
}
