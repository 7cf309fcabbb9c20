/* SPDX-License-Identifier: Apache-2.0 */
/* What is written about units and agents, and one commit at a time. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-cold-inner.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>

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
	struct record *record = commit->records, *again = NULL, **again_end = &again;

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
			*again_end = record;
			again_end = &record->next;
		} else {
			record_end(content, record, commit->error);
		}
		record = next;
	}
	/* In front of what came meanwhile: the newest word about somebody is the last. */
	if (again != NULL) {
		*again_end = cold->records;
		if (cold->records == NULL)
			cold->records_end = again_end;
		cold->records = again;
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
	commit->job = (struct job){ .class = JOB_BUILD, .work = commit_work, .done = commit_done };
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
