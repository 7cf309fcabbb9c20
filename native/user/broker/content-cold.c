/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To the disk. Pieces are put into the store by jobs of their own; then one
 * job at a time commits what has gathered: manifests of units whose blocks
 * are all there, manifests that are to go, blobs that nobody needs. Only then
 * do pieces leave memory.
 */
#include "content-inner.h"

#include <stdlib.h>

#define KEY_UNIT (UINT64_C(1) << 60)
#define KEY_AGENT (UINT64_C(2) << 60)
#define KEY_DICTIONARY (UINT64_C(3) << 60)
#define KEY_MASK ((UINT64_C(1) << 60) - 1)

/* Commits wait this long for more, and this long after one that failed. */
#define COMMIT_AFTER_MS 1000
#define COMMIT_AGAIN_MS 5000
#define COMMIT_BYTES (64u * 1024u * 1024u)

struct record {
	struct record *next;
	uint64_t key;
	void *data;			/* NULL: to be removed */
	size_t bytes;
	struct unit *unit;		/* pinned; has this manifest then */
	struct waiter *waiter;
};

struct commit {
	struct job job;
	struct content *content;
	struct record *records;
	uint64_t *frees;
	uint32_t free_count;
	uint64_t *blocks;		/* numbers of those that become durable */
	uint32_t block_count;
	int error;
};

struct numbers {
	uint64_t *list;
	uint32_t count, room;
};

struct cold {
	struct record *records, **records_end;
	struct numbers frees;		/* blobs */
	struct numbers blocks;		/* on disk and not durable yet */
	uint64_t waiting_bytes;		/* of these */
	uint64_t putting_bytes;
	unsigned putting;
	struct commit *commit;		/* under way */
	bool urgent;			/* somebody waits */
	uint64_t next_commit_ms;	/* NEVER: nothing to write */
	uint64_t again_ms;		/* the disk is full or broken: not before */
	uint32_t dictionaries;		/* saved ones, by bit */
};

static bool numbers_add(struct content *content, struct numbers *numbers, uint64_t number)
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

static void numbers_free(struct content *content, struct numbers *numbers)
{
	mem_free(content, numbers->list, numbers->room * sizeof(*numbers->list));
	*numbers = (struct numbers){ 0 };
}

static void write_soon(struct content *content, uint64_t wait_ms)
{
	struct cold *cold = content->cold;

	if (cold->next_commit_ms > content->now_ms + wait_ms)
		cold->next_commit_ms = content->now_ms + wait_ms;
}

/* Takes `data` over. */
static struct record *record_add(struct content *content, uint64_t key, void *data, size_t bytes)
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

static void leave_memory(struct block *block, struct content *content)
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
	put->kind = (enum am_kind)block->kind;
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

/* ---- manifests ---- */

/* A unit is on disk with all that its blocks are packed against. */
static void want_bases(struct content *content, const struct unit *unit)
{
	for (uint32_t i = 0; unit->big && i < unit->body->count; i++) {
		const struct block *block = unit->body->parts[i].block;

		if (block->store_id != 0 && block->base != NULL && block->base->store_id == 0)
			cold_want(content, block->base, false);
	}
}

static bool record_unit(void *context, struct am_entry *entry)
{
	struct content *content = context;
	struct unit *unit = container(entry, struct unit, entry);
	struct record *record;
	size_t bytes;
	void *data;

	if ((unit->recorded && !unit->record_stale) || unit->recording || unit->unrecording || (unit->big && unit->body->changing != NULL))
		return true;
	data = manifest_make(content, unit, &bytes);
	if (data == NULL) {
		want_bases(content, unit);
		return true;
	}
	record = record_add(content, KEY_UNIT | unit->entry.number, data, bytes);
	if (record == NULL)
		return true;
	record->unit = unit;
	unit_pin(unit);
	unit->recording = true;
	unit->record_stale = false;
	return true;
}

void cold_forget_unit(struct content *content, struct unit *unit)
{
	if (content->cold == NULL || content->closing || (!unit->recorded && !unit->recording))
		return;
	record_add(content, KEY_UNIT | unit->entry.number, NULL, 0);
	unit->recorded = false;
}

void cold_unrecord(struct content *content, struct unit *unit, struct waiter *waiter)
{
	struct record *record;

	if (content->cold == NULL || (!unit->recorded && !unit->recording)) {
		waiter->ready(content, waiter, 0);
		return;
	}
	record = record_add(content, KEY_UNIT | unit->entry.number, NULL, 0);
	if (record == NULL) {
		waiter->ready(content, waiter, -ENOMEM);
		return;
	}
	record->waiter = waiter;
	record->unit = unit;
	unit_pin(unit);
	unit->recorded = false;
	unit->unrecording = true;
	content->cold->urgent = true;
	write_soon(content, 0);
	cold_step(content);
}

void cold_forget_agent(struct content *content, uint64_t agent)
{
	if (content->cold != NULL && !content->closing)
		record_add(content, KEY_AGENT | (agent & KEY_MASK), NULL, 0);
}

int content_save_agent(struct content *content, uint64_t agent, const void *data, size_t bytes)
{
	struct keeper *keeper;
	void *saved = NULL;
	void *copy = NULL;

	if (bytes > STORE_RECORD_MOST)
		return -E2BIG;
	keeper = keeper_get(content, agent);
	if (keeper == NULL)
		return -ENOMEM;
	if (bytes > 0) {
		saved = mem_alloc(content, bytes);
		copy = content->cold == NULL ? NULL : mem_alloc(content, bytes);
		if (saved == NULL || (copy == NULL && content->cold != NULL)) {
			mem_free(content, saved, bytes);
			mem_free(content, copy, bytes);
			keeper_tidy(content, keeper);
			return -ENOMEM;
		}
		memcpy(saved, data, bytes);
		if (copy != NULL)
			memcpy(copy, data, bytes);
	}
	mem_free(content, keeper->saved, keeper->saved_bytes);
	keeper->saved = saved;
	keeper->saved_bytes = (uint32_t)bytes;
	keeper_tidy(content, keeper);
	if (content->cold != NULL && record_add(content, KEY_AGENT | (agent & KEY_MASK), copy, bytes) == NULL)
		return -ENOMEM;
	return 0;
}

struct each {
	int (*look)(void *context, uint64_t agent, const void *data, size_t bytes);
	void *context;
	int error;
};

static bool each_saved(void *context, struct am_entry *entry)
{
	struct each *each = context;
	const struct keeper *keeper = container(entry, struct keeper, entry);

	if (keeper->saved != NULL)
		each->error = each->look(each->context, entry->number, keeper->saved, keeper->saved_bytes);
	return each->error == 0;
}

int content_each_agent(struct content *content, int (*look)(void *context, uint64_t agent, const void *data, size_t bytes), void *context)
{
	struct each each = { look, context, 0 };

	am_table_each(content->keepers, each_saved, &each);
	return each.error;
}

/* ---- committing ---- */

static void commit_work(struct job *job)
{
	struct commit *commit = container(job, struct commit, job);
	struct store *store = commit->content->store;

	for (const struct record *record = commit->records; record != NULL && commit->error == 0; record = record->next)
		commit->error = store_record(store, record->key, record->data, record->bytes);
	/* One that is not there (any more) is no reason to stop. */
	for (uint32_t i = 0; i < commit->free_count && commit->error == 0; i++)
		store_free(store, commit->frees[i]);
	if (commit->error == 0)
		commit->error = store_commit(store);
}

static void record_end(struct content *content, struct record *record, int error)
{
	struct unit *unit = record->unit;

	if (record->waiter != NULL) {
		unit->unrecording = false;
		/* Still there, perhaps: the next change asks for its removal again. */
		if (error != 0 && !unit->dead) {
			unit->recorded = true;
			unit->record_stale = true;
		}
		record->waiter->ready(content, record->waiter, error);
	} else if (unit != NULL) {
		unit->recording = false;
		/* Taken back while it was on its way: the next commit removes it. */
		if (error == 0 && !unit->dead)
			unit->recorded = !unit->unrecording;
		else
			unit->record_stale = true;
	}
	if (unit != NULL)
		unit_unpin(content, unit);
	mem_free(content, record->data, record->bytes);
	mem_free(content, record, sizeof(*record));
}

static void commit_good(struct content *content, struct commit *commit)
{
	for (uint32_t i = 0; i < commit->block_count; i++) {
		struct block *block = block_find(content, commit->blocks[i]);

		if (block == NULL || block->store_id == 0)
			continue;
		block->committed = true;
		block->next_look_ms = 0;
	}
	/* All: what is packed against others had to wait for these. */
	for (struct block *block = content->first_block; block != NULL; block = block->next)
		leave_memory(block, content);
	content->next_walk_ms = 0;
}

/* All of it once more, but for whom somebody waits: he hears it. */
static void commit_bad(struct content *content, struct commit *commit)
{
	struct cold *cold = content->cold;

	content->errors++;
	cold->again_ms = content->now_ms + COMMIT_AGAIN_MS;
	for (uint32_t i = 0; i < commit->block_count; i++)
		numbers_add(content, &cold->blocks, commit->blocks[i]);
	for (uint32_t i = 0; i < commit->free_count; i++)
		numbers_add(content, &cold->frees, commit->frees[i]);
	cold->next_commit_ms = cold->again_ms;
}

static void commit_done(struct content *content, struct job *job)
{
	struct commit *commit = container(job, struct commit, job);
	struct cold *cold = content->cold;
	struct record *record = commit->records;

	cold->commit = NULL;
	if (commit->error == 0)
		commit_good(content, commit);
	else
		commit_bad(content, commit);
	while (record != NULL) {
		struct record *next = record->next;

		/* Removals and agents are not made again by anybody else. */
		if (commit->error != 0 && record->waiter == NULL && record->unit == NULL && !content->closing) {
			record->next = NULL;
			*cold->records_end = record;
			cold->records_end = &record->next;
		} else {
			record_end(content, record, commit->error);
		}
		record = next;
	}
	mem_free(content, commit->frees, (commit->free_count + 1) * sizeof(*commit->frees));
	mem_free(content, commit->blocks, (commit->block_count + 1) * sizeof(*commit->blocks));
	mem_free(content, commit, sizeof(*commit));
}

static uint64_t *numbers_take(struct content *content, struct numbers *numbers, uint32_t *count)
{
	uint64_t *list = mem_alloc(content, (numbers->count + 1) * sizeof(*list));

	if (list == NULL)
		return NULL;
	if (numbers->count > 0)
		memcpy(list, numbers->list, numbers->count * sizeof(*list));
	*count = numbers->count;
	numbers_free(content, numbers);
	return list;
}

static void commit_start(struct content *content)
{
	struct cold *cold = content->cold;
	struct commit *commit = mem_alloc(content, sizeof(*commit));

	if (commit == NULL)
		return;
	am_table_each(content->units, record_unit, content);
	content->records_stale = false;
	commit->blocks = numbers_take(content, &cold->blocks, &commit->block_count);
	commit->frees = commit->blocks == NULL ? NULL : numbers_take(content, &cold->frees, &commit->free_count);
	if (commit->frees == NULL) {
		mem_free(content, commit->blocks, (commit->block_count + 1) * sizeof(*commit->blocks));
		mem_free(content, commit, sizeof(*commit));
		return;
	}
	cold->waiting_bytes = 0;
	commit->job = (struct job){ .class = JOB_URGENT, .work = commit_work, .done = commit_done };
	commit->content = content;
	commit->records = cold->records;
	cold->records = NULL;
	cold->records_end = &cold->records;
	cold->urgent = false;
	cold->next_commit_ms = NEVER;
	cold->commit = commit;
	workers_start(content->workers, &commit->job);
}

void cold_step(struct content *content)
{
	struct cold *cold = content->cold;

	if (cold == NULL || cold->commit != NULL)
		return;
	if (content->records_stale)
		write_soon(content, COMMIT_AFTER_MS);
	/* Nothing more comes while pressure waits for it. */
	if (cold->waiting_bytes > 0 && cold->putting == 0 && (content->gates != NULL || content->pressure == AM_PRESSURE_HARD))
		write_soon(content, 0);
	if (content->now_ms >= cold->next_commit_ms && (cold->urgent || content->now_ms >= cold->again_ms))
		commit_start(content);
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
