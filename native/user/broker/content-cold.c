/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To the disk. Pieces are put into the store by jobs of their own; then one
 * job at a time commits what has gathered: manifests of units whose blocks
 * are all there, manifests that are to go, blobs that nobody needs. Only then
 * do pieces leave memory.
 */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-cold-inner.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>

bool numbers_add(struct content *content, struct numbers *numbers, uint64_t number)
{
	if (numbers->count == numbers->room) {
		uint32_t room = numbers->room == 0 ? 64 : numbers->room * 2;
		uint64_t *list = mem_grow(content, numbers->list, numbers->room * sizeof(*list), room * sizeof(*list));

		if (list == NULL)
			return false;
		numbers->list = list;
		numbers->room = room;
	}
	numbers->list[numbers->count++] = number;
	return true;
}

void numbers_free(struct content *content, struct numbers *numbers)
{
	mem_free(content, numbers->list, numbers->room * sizeof(*numbers->list));
	*numbers = (struct numbers){ 0 };
}

void write_soon(struct content *content, uint64_t wait_ms)
{
	struct cold *cold = content->cold;

	if (cold->next_commit_ms > content->now_ms + wait_ms)
		cold->next_commit_ms = content->now_ms + wait_ms;
}

struct record *record_add(struct content *content, uint64_t key, void *data, size_t bytes)
{
	struct record *record = mem_alloc(content, sizeof(*record));

	if (record == NULL) {
		mem_free(content, data, bytes);
		return NULL;
	}
	record->key = key;
	record->data = data;
	record->bytes = bytes;
	*content->cold->records_end = record;
	content->cold->records_end = &record->next;
	write_soon(content, COMMIT_AFTER_MS);
	return record;
}

/* ---- putting ---- */

struct put {
	struct job job;
	struct content *content;
	struct origin origin;
	uint64_t owner;
	enum am_kind kind;
	uint64_t id;
	uint32_t disk_bytes;
	uint64_t counted_bytes;
	int error;
};

static int put_piece(struct put *put, const struct warm_piece *piece)
{
	size_t bytes = warm_piece_save_bytes(piece);
	uint8_t *saved = pages_alloc(bytes);
	ssize_t length = saved == NULL ? -ENOMEM : warm_piece_save(piece, saved, bytes);
	int error = length < 0 ? (int)length : store_put(put->content->store, put->owner, saved, (size_t)length, &put->id);

	pages_free(saved, bytes);
	put->disk_bytes = length < 0 ? 0 : (uint32_t)length;
	return error;
}

static void put_work(struct job *job)
{
	struct put *put = container(job, struct put, job);
	struct warm_piece *piece = NULL;

	if (put->origin.piece != NULL) {
		put->error = put_piece(put, put->origin.piece);
		return;
	}
	/* A base that is hot for its own readers: packed for the disk alone. */
	put->error = warm_pack(put->content->warm, AM_EFFORT_NORMAL, put->kind, put->origin.plain, put->origin.bytes, NULL, 0, &piece);
	if (put->error == 0)
		put->error = put_piece(put, piece);
	if (piece != NULL)
		warm_drop(put->content->warm, piece);
}

static void put_done(struct content *content, struct job *job)
{
	struct put *put = container(job, struct put, job);
	struct cold *cold = content->cold;
	struct block *block = put->origin.block;

	block->storing = false;
	cold->putting--;
	cold->putting_bytes -= put->counted_bytes;
	if (put->error == 0) {
		block->store_id = put->id;
		block->disk_bytes = put->disk_bytes;
		content->cold_bytes += put->disk_bytes;
		if (numbers_add(content, &cold->blocks, block->entry.number))
			cold->waiting_bytes += put->counted_bytes;
		write_soon(content, cold->waiting_bytes >= COMMIT_BYTES ? 0 : COMMIT_AFTER_MS);
	} else {
		content->errors++;
		block->leave = false;
		block->next_look_ms = content->now_ms + COMMIT_AGAIN_MS;
		cold->again_ms = content->now_ms + COMMIT_AGAIN_MS;
	}
	origin_end(content, &put->origin);
	mem_free(content, put, sizeof(*put));
}

/* What packed pieces need to be read again goes first. */
static void save_dictionary(struct content *content, const struct warm_piece *piece)
{
	unsigned number = piece == NULL ? 0 : warm_piece_dictionary(piece);
	const void *data;
	size_t bytes;
	void *copy;

	if (number == 0 || content->cold->dictionaries >> number & 1)
		return;
	bytes = warm_dictionary(content->warm, number, &data);
	copy = bytes == 0 ? NULL : mem_alloc(content, bytes);
	if (copy == NULL)
		return;
	memcpy(copy, data, bytes);
	if (record_add(content, KEY_DICTIONARY | number, copy, bytes) != NULL)
		content->cold->dictionaries |= 1u << number;
}

void leave_memory(struct block *block, struct content *content)
{
	if (!block->leave || !block->committed || block->pins > 0 || block->packing || (block->base != NULL && !block->base->committed))
		return;
	block_drop_piece(content, block);
	if (!block->cached)
		block_drop_plain(content, block);
	block->forced = false;
}

void cold_want(struct content *content, struct block *block, bool leave)
{
	struct cold *cold = content->cold;
	struct put *put;

	if (cold == NULL || content->closing)
		return;
	if (leave)
		block->leave = true;
	if (block->store_id != 0 || block->storing || block->packing) {
		leave_memory(block, content);
		return;
	}
	if (content->now_ms < cold->again_ms || (block->piece == NULL && (block->plain == NULL || block->open || block->base_users == 0)))
		return;
	if (block->base != NULL)
		cold_want(content, block->base, false);
	put = mem_alloc(content, sizeof(*put));
	if (put == NULL)
		return;
	save_dictionary(content, block->piece);
	put->job = (struct job){ .class = JOB_PACK, .work = put_work, .done = put_done };
	put->content = content;
	put->owner = block->owner;
	put->kind = learnt_kind(content, block->entry.domain, block->kind);
	put->counted_bytes = block->piece == NULL ? block->bytes : warm_piece_stored_bytes(block->piece);
	origin_of(block, &put->origin);
	block->storing = true;
	cold->putting++;
	cold->putting_bytes += put->counted_bytes;
	workers_start(content->workers, &put->job);
}

void cold_forget_block(struct content *content, struct block *block)
{
	if (block->store_id == 0 || content->cold == NULL)
		return;
	content->cold_bytes -= block->disk_bytes;
	if (!content->closing) {
		numbers_add(content, &content->cold->frees, block->store_id);
		write_soon(content, COMMIT_AFTER_MS);
	}
	block->store_id = 0;
	block->disk_bytes = 0;
}

bool cold_is_busy(const struct content *content)
{
	const struct cold *cold = content->cold;

	return cold != NULL && content->now_ms >= cold->again_ms && (cold->putting > 0 || cold->commit != NULL || cold->waiting_bytes > 0);
}

uint64_t cold_under_way(const struct content *content)
{
	return content->cold == NULL ? 0 : content->cold->putting_bytes + content->cold->waiting_bytes;
}

uint64_t cold_next_ms(const struct content *content)
{
	return content->cold == NULL || content->cold->commit != NULL ? NEVER : content->cold->next_commit_ms;
}

/* ---- beginning and end ---- */

void cold_finish(struct content *content)
{
	struct cold *cold = content->cold;

	if (cold == NULL)
		return;
	if (cold->blocks.count > 0 || content->records_stale || cold->records != NULL)
		cold->next_commit_ms = 0;
	cold_step(content);
}

static int read_record(void *context, uint64_t key, const void *data, size_t bytes)
{
	struct content *content = context;
	struct keeper *keeper;

	if ((key & ~KEY_MASK) == KEY_DICTIONARY) {
		int error = warm_add_dictionary(content->warm, (unsigned)(key & KEY_MASK), data, bytes);

		if (error == 0)
			content->cold->dictionaries |= 1u << (key & KEY_MASK);
		return error == -ENOMEM ? error : 0;
	}
	if ((key & ~KEY_MASK) != KEY_AGENT || bytes == 0)
		return 0;
	keeper = keeper_get(content, key & KEY_MASK);
	if (keeper == NULL || keeper->saved != NULL)
		return keeper == NULL ? -ENOMEM : 0;
	keeper->saved = mem_alloc(content, bytes);
	if (keeper->saved == NULL)
		return -ENOMEM;
	memcpy(keeper->saved, data, bytes);
	keeper->saved_bytes = (uint32_t)bytes;
	return 0;
}

bool cold_is_manifest(uint64_t key, uint64_t *unit)
{
	*unit = key & KEY_MASK;
	return (key & ~KEY_MASK) == KEY_UNIT;
}

void cold_free_blob(struct content *content, uint64_t id)
{
	numbers_add(content, &content->cold->frees, id);
	write_soon(content, COMMIT_AFTER_MS);
}

int cold_open(struct content *content)
{
	const struct store_options options = {
		.folder = content->options.store_folder, .most_bytes = content->options.store_most_bytes, .direct = true,
	};
	int error = store_open(&content->store, &options);

	if (error != 0) {
		content->store = NULL;
		return error;
	}
	content->cold = mem_alloc(content, sizeof(*content->cold));
	if (content->cold == NULL)
		return -ENOMEM;
	content->cold->records_end = &content->cold->records;
	content->cold->next_commit_ms = NEVER;
	error = store_each_record(content->store, read_record, content);
	return error == 0 ? manifests_read(content) : error;
}

/* What has gathered is written; nothing is under way any more. */
void cold_close(struct content *content)
{
	struct cold *cold = content->cold;

	if (cold != NULL) {
		for (struct record *record = cold->records; record != NULL;) {
			struct record *next = record->next;

			store_record(content->store, record->key, record->data, record->bytes);
			mem_free(content, record->data, record->bytes);
			mem_free(content, record, sizeof(*record));
			record = next;
		}
		for (uint32_t i = 0; i < cold->frees.count; i++)
			store_free(content->store, cold->frees.list[i]);
		numbers_free(content, &cold->frees);
		numbers_free(content, &cold->blocks);
		mem_free(content, cold, sizeof(*cold));
		content->cold = NULL;
	}
	if (content->store != NULL)
		store_close(content->store);
	content->store = NULL;
}
