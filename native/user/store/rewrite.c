/* SPDX-License-Identifier: Apache-2.0 */
/* The index anew, when what it says is mostly of the past. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/inner.h"
#include "store/tap.h"

enum { LEAST_BYTES = 64 * 1024, BUFFER_BYTES = 64 * 1024 };

struct writer {
	int fd;
	uint64_t salt;
	uint64_t at;
	uint8_t *buffer;
	size_t room;
	size_t used;
};

bool rewrite_wanted(const struct store *store)
{
	uint64_t live = sizeof(struct index_header) + store->blobs.entries * index_space_of(sizeof(struct index_put)) + store->record_bytes +
			store->space.count * index_space_of(sizeof(struct index_region));
	uint64_t all = store->index_end + store->going.used;

	return all > LEAST_BYTES && all / 2 > live;
}

int record_read(struct store *store, const struct record *record, void *out)
{
	size_t bytes = record_space(record->bytes);
	const struct batch *batch = record->batch == batch_tag(&store->now) ? &store->now : &store->going;
	uint8_t *whole;
	size_t got = 0;
	bool good;

	if (record->batch != 0) {
		memcpy(out, batch->bytes + record->at + sizeof(struct index_head) + sizeof(uint64_t), record->bytes);
		return 0;
	}
	whole = malloc(bytes);
	if (whole == NULL)
		return -ENOMEM;
	while (got < bytes) {
		ssize_t more = pread(store->files.index_fd, whole + got, bytes - got, (off_t)(record->at + got));

		if (more < 0 && errno == EINTR)
			continue;
		if (more <= 0)
			break;
		got += (size_t)more;
	}
	good = got == bytes && index_good(store->index_salt, record->at, whole, sizeof(uint64_t) + record->bytes);
	if (good)
		memcpy(out, whole + sizeof(struct index_head) + sizeof(uint64_t), record->bytes);
	free(whole);
	return good ? 0 : -EIO;
}

static int flush(struct writer *writer)
{
	int error;

	index_seal(writer->salt, writer->at, writer->buffer, writer->used);
	error = tap(TAP_WRITE, TAP_NEW_INDEX, writer->at, writer->buffer, writer->used);
	if (error == 0)
		error = write_all(writer->fd, writer->buffer, writer->used, writer->at);
	writer->at += writer->used;
	writer->used = 0;
	return error;
}

/* Where the record lies is told in *at, if asked. */
static int write_one(struct writer *writer, enum index_kind kind, const void *body, size_t bytes, const void *more, size_t more_bytes, uint64_t *at)
{
	size_t space = index_space_of(bytes + more_bytes);
	int error = writer->room - writer->used < space ? flush(writer) : 0;

	if (error < 0)
		return error;
	if (at != NULL)
		*at = writer->at + writer->used;
	index_write(writer->buffer + writer->used, kind, body, bytes, more, more_bytes);
	writer->used += space;
	return 0;
}

static int write_records(struct store *store, struct writer *writer, uint8_t *data)
{
	struct table_walk walk = { 0, 0 };
	struct record *record;
	int error = 0;

	while (error == 0 && (record = table_walk(&store->records, &walk)) != NULL) {
		error = record_read(store, record, data);
		if (error == 0)
			error = write_one(writer, INDEX_RECORD, &record->key, sizeof(record->key), data, record->bytes, &record->next_at);
	}
	return error;
}

static int write_state(struct store *store, struct writer *writer, uint8_t *data)
{
	struct index_commit commit = { .sequence = store->sequence + 1, .next_id = store->next_id };
	struct table_walk walk = { 0, 0 };
	struct blob *blob;
	int error = 0;

	for (uint32_t i = 0; error == 0 && i < store->space.count; i++) {
		const struct region *region = store->space.regions[i];
		struct index_region body = { .owner = region->owner, .block = region->block, .blocks = region->blocks };

		if (region->leaving == 0)
			error = write_one(writer, INDEX_REGION, &body, sizeof(body), NULL, 0, NULL);
	}
	while (error == 0 && (blob = table_walk(&store->blobs, &walk)) != NULL) {
		struct index_put body = { .id = blob->id, .checksum = blob->checksum, .block = blob->block, .bytes = blob->bytes };

		error = write_one(writer, INDEX_PUT, &body, sizeof(body), NULL, 0, NULL);
	}
	if (error == 0)
		error = write_records(store, writer, data);
	if (error == 0)
		error = write_one(writer, INDEX_COMMIT, &commit, sizeof(commit), NULL, 0, NULL);
	return error < 0 ? error : flush(writer);
}

static uint32_t largest_record(const struct store *store)
{
	struct table_walk walk = { 0, 0 };
	struct record *record;
	uint32_t most = 0;

	while ((record = table_walk(&store->records, &walk)) != NULL) {
		if (record->bytes > most)
			most = record->bytes;
		record->next_at = 0;
	}
	return most;
}

int rewrite_begin(struct store *store, struct rewrite *rewrite)
{
	uint32_t most = largest_record(store);
	struct writer writer = { .room = BUFFER_BYTES + record_space(most), .at = sizeof(rewrite->header) };
	uint8_t *data = malloc(most + (most == 0));
	int error = -ENOMEM;

	writer.buffer = malloc(writer.room);
	rewrite->fd = -1;
	if (data != NULL && writer.buffer != NULL) {
		rewrite->header = (struct index_header){ .sequence = store->sequence, .next_id = 1 };
		rewrite->fd = error = files_new_index(&store->files, &rewrite->header);
	}
	if (rewrite->fd >= 0) {
		writer.fd = rewrite->fd;
		writer.salt = rewrite->header.salt;
		error = write_state(store, &writer, data);
		rewrite->end = writer.at;
	}
	free(writer.buffer);
	free(data);
	if (error < 0 && rewrite->fd >= 0)
		rewrite_drop(store, rewrite);
	return error < 0 ? error : 0;
}

int rewrite_finish(struct store *store, struct rewrite *rewrite, bool *unknown)
{
	int error = tap(TAP_SYNC, TAP_NEW_INDEX, 0, NULL, 0);

	if (error == 0 && fsync(rewrite->fd) < 0)
		error = -errno;
	if (error == 0)
		error = files_put_new_index(&store->files);
	if (error < 0)
		return error;
	error = files_sync_folder(&store->files);
	*unknown = error < 0;
	return error;
}

void rewrite_drop(struct store *store, struct rewrite *rewrite)
{
	close(rewrite->fd);
	rewrite->fd = -1;
	unlinkat(store->files.folder_fd, NEW_INDEX_NAME, 0);
}

void rewrite_take(struct store *store, struct rewrite *rewrite)
{
	struct table_walk walk = { 0, 0 };
	struct record *record;

	/* What was put meanwhile has no place in the new file. */
	while ((record = table_walk(&store->records, &walk)) != NULL) {
		if (record->next_at == 0)
			continue;
		record->at = record->next_at;
		record->next_at = 0;
		record->batch = 0;
	}
	close(store->files.index_fd);
	store->files.index_fd = rewrite->fd;
	store->index_salt = rewrite->header.salt;
	store->index_end = rewrite->end;
	store->reserved_end = rewrite->end;
}
