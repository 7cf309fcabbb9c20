/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { WINDOW_BYTES = 256 * 1024 };

static const char magic[8] = { 'A', 'G', 'M', 'I', 'N', 'D', 'E', 'X' };

static uint64_t header_check(const struct index_header *header)
{
	return XXH3_64bits(header, offsetof(struct index_header, check));
}

void index_header_seal(struct index_header *header)
{
	memcpy(header->magic, magic, sizeof(magic));
	header->version = INDEX_VERSION;
	header->header_bytes = sizeof(*header);
	header->check = header_check(header);
}

bool index_header_good(const struct index_header *header)
{
	return memcmp(header->magic, magic, sizeof(magic)) == 0 && header->version == INDEX_VERSION && header->header_bytes == sizeof(*header) && header->check == header_check(header);
}

/* Of everything behind the checksum itself, with the padding. */
static uint32_t record_check(uint64_t salt, uint64_t at, const uint8_t *record, size_t body_bytes)
{
	uint64_t hash = XXH3_64bits_withSeed(record + sizeof(uint32_t), index_space_of(body_bytes) - sizeof(uint32_t), salt ^ at);

	return (uint32_t)(hash ^ (hash >> 32));
}

void index_write(void *to, enum index_kind kind, const void *body, size_t bytes, const void *more, size_t more_bytes)
{
	size_t all = bytes + more_bytes;
	struct index_head head = { .check = 0, .kind_bytes = (uint32_t)kind << 24 | (uint32_t)all };
	uint8_t *at = to;

	memset(at + index_space_of(all) - 8, 0, 8);
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), body, bytes);
	if (more_bytes > 0)
		memcpy(at + sizeof(head) + bytes, more, more_bytes);
}

static void view_of(const uint8_t *record, uint64_t at, struct index_view *view)
{
	struct index_head head;

	memcpy(&head, record, sizeof(head));
	view->kind = (enum index_kind)(head.kind_bytes >> 24);
	view->bytes = head.kind_bytes & 0xffffffu;
	view->body = record + sizeof(head);
	view->at = at;
}

bool index_next(const uint8_t *records, size_t bytes, size_t *at, struct index_view *view)
{
	if (*at >= bytes)
		return false;
	view_of(records + *at, *at, view);
	*at += index_space_of(view->bytes);
	return true;
}

void index_seal(uint64_t salt, uint64_t at, void *records, size_t bytes)
{
	struct index_view view;
	size_t next = 0;

	while (index_next(records, bytes, &next, &view)) {
		uint8_t *record = (uint8_t *)records + view.at;
		uint32_t check = record_check(salt, at + view.at, record, view.bytes);

		memcpy(record, &check, sizeof(check));
	}
}

bool index_good(uint64_t salt, uint64_t at, const void *record, size_t body_bytes)
{
	uint32_t check;

	memcpy(&check, record, sizeof(check));
	return check == record_check(salt, at, record, body_bytes);
}

/* `bytes` from `at` in the window; NULL with *error where they are not to be had. */
static const uint8_t *look(struct index_source *source, uint64_t at, size_t bytes, int *error)
{
	size_t room = bytes > WINDOW_BYTES ? bytes : WINDOW_BYTES;
	uint64_t left;

	*error = -EUCLEAN;
	if (at > source->bytes || bytes > source->bytes - at)
		return NULL;
	if (at >= source->window_at && at - source->window_at <= source->window_bytes && bytes <= source->window_bytes - (size_t)(at - source->window_at))
		return source->window + (at - source->window_at);
	if (room > source->window_room) {
		uint8_t *window = realloc(source->window, room);

		*error = -ENOMEM;
		if (window == NULL)
			return NULL;
		source->window = window;
		source->window_room = room;
	}
	left = source->bytes - at;
	source->window_at = at;
	source->window_bytes = 0;
	room = left < source->window_room ? (size_t)left : source->window_room;
	while (source->window_bytes < room) {
		ssize_t got = source->read(source->context, source->window + source->window_bytes, room - source->window_bytes, at + source->window_bytes);

		if (got < 0) {
			*error = (int)got;
			return NULL;
		}
		if (got == 0)
			break;
		source->window_bytes += (size_t)got;
	}
	*error = -EUCLEAN;
	return source->window_bytes >= bytes ? source->window : NULL;
}

static bool size_fits(const struct index_view *view)
{
	switch (view->kind) {
	case INDEX_PUT:
		return view->bytes == sizeof(struct index_put);
	case INDEX_FREE:
	case INDEX_BACK:
		return view->bytes == sizeof(uint64_t);
	case INDEX_REGION:
		return view->bytes == sizeof(struct index_region);
	case INDEX_COMMIT:
		return view->bytes == sizeof(struct index_commit);
	case INDEX_RECORD:
		return view->bytes >= sizeof(uint64_t) && view->bytes <= INDEX_BODY_MOST;
	default:
		return false;
	}
}

int index_look(struct index_source *source, uint64_t at, struct index_view *view)
{
	int error;
	const uint8_t *record = look(source, at, sizeof(struct index_head), &error);

	if (record == NULL)
		return error;
	view_of(record, at, view);
	if (!size_fits(view))
		return -EUCLEAN;
	record = look(source, at, index_space_of(view->bytes), &error);
	if (record == NULL)
		return error;
	view->body = record + sizeof(struct index_head);
	return index_good(source->salt, at, record, view->bytes) ? 0 : -EUCLEAN;
}

void index_source_clear(struct index_source *source)
{
	free(source->window);
	source->window = NULL;
	source->window_room = source->window_bytes = 0;
}

/*
 * A batch is written once the one before it is durable. So a tear is in the
 * last one, and a marker two further on says that something whole was broken.
 */
static int look_beyond(struct index_source *source, uint64_t from, uint64_t sequence)
{
	struct index_commit commit;
	struct index_view view;

	for (uint64_t at = from; at + index_space_of(sizeof(commit)) <= source->bytes; at += 8) {
		int error;
		const uint8_t *record = look(source, at, sizeof(struct index_head), &error);

		if (record == NULL)
			return error == -EUCLEAN ? 0 : error;
		view_of(record, at, &view);
		if (view.kind != INDEX_COMMIT)
			continue;
		error = index_look(source, at, &view);
		if (error == -EUCLEAN)
			continue;
		if (error < 0)
			return error;
		memcpy(&commit, view.body, sizeof(commit));
		if (commit.sequence > sequence + 1)
			return -EUCLEAN;
	}
	return 0;
}

int index_find_end(struct index_source *source, const struct index_header *header, struct index_extent *extent)
{
	uint64_t at = sizeof(*header);
	struct index_view view;
	int error;

	*extent = (struct index_extent){ .end = at, .sequence = header->sequence, .next_id = header->next_id };
	while ((error = index_look(source, at, &view)) == 0) {
		at += index_space_of(view.bytes);
		if (view.kind == INDEX_COMMIT) {
			struct index_commit commit;

			memcpy(&commit, view.body, sizeof(commit));
			if (commit.sequence != extent->sequence + 1 || commit.next_id < extent->next_id)
				break;
			*extent = (struct index_extent){ .end = at, .sequence = commit.sequence, .next_id = commit.next_id };
		}
	}
	if (error < 0 && error != -EUCLEAN)
		return error;
	return look_beyond(source, extent->end, extent->sequence);
}
