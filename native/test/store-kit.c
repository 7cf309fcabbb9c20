/* SPDX-License-Identifier: Apache-2.0 */
#include "store-kit.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

_Noreturn void failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: expected %s\n", file, line, what);
	/* A child of a test ends too; its parent sees it. */
	_exit(1);
}

void equal(long long a, long long b, const char *file, int line, const char *what)
{
	if (a == b)
		return;
	fprintf(stderr, "%s:%d: expected %s, got %lld and %lld\n", file, line, what, a, b);
	_exit(1);
}

uint64_t draw(uint64_t *random)
{
	uint64_t mixed = *random += UINT64_C(0x9e3779b97f4a7c15);

	mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
	return mixed ^ (mixed >> 31);
}

void fill(void *data, size_t bytes, uint64_t seed)
{
	uint8_t *to = data;

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = draw(&seed);

		memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

int differs(const void *data, size_t bytes, uint64_t seed)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = draw(&seed);

		if (memcmp(from + i, &word, bytes - i < 8 ? bytes - i : 8) != 0)
			return 1;
	}
	return 0;
}

static size_t draw_bytes(struct model *model)
{
	uint64_t kind = draw(&model->random) % 8;
	uint64_t size = draw(&model->random);

	if (kind == 0)
		return (size_t)(size % MODEL_BLOB_BYTES);
	if (kind < 3)
		return 4096 * (size_t)(size % 8);
	return (size_t)(size % 6000);
}

static bool went_well(struct model *model, int error)
{
	if (!model->lenient)
		EQUAL(error, 0);
	model->refused += error < 0;
	return error == 0;
}

static void step_put(struct model *model, struct store *store)
{
	struct model_blob *blob = &model->blobs[model->blob_count];
	static _Thread_local uint8_t data[MODEL_BLOB_BYTES];

	blob->owner = draw(&model->random) % MODEL_OWNERS;
	blob->bytes = draw_bytes(model);
	blob->seed = draw(&model->random);
	blob->id = model->next_id;
	if (store != NULL) {
		uint64_t id = 0;

		fill(data, blob->bytes, blob->seed);
		if (!went_well(model, store_put(store, blob->owner, data, blob->bytes, &id)))
			return;
		EQUAL(id, blob->id);
	}
	model->next_id++;
	model->blob_count++;
}

static void step_free(struct model *model, struct store *store)
{
	size_t at = (size_t)(draw(&model->random) % model->blob_count);
	uint64_t id = model->blobs[at].id;

	if (store != NULL) {
		if (!went_well(model, store_free(store, id)))
			return;
		EQUAL(store_free(store, id), -ENOENT);
	}
	model->blobs[at] = model->blobs[--model->blob_count];
}

static void step_record(struct model *model, struct store *store)
{
	uint64_t key = draw(&model->random) % MODEL_RECORDS;
	size_t bytes = (size_t)(draw(&model->random) % 4 == 0 ? 0 : draw(&model->random) % MODEL_RECORD_BYTES);
	uint64_t seed = draw(&model->random);
	uint8_t data[MODEL_RECORD_BYTES];
	size_t at = 0;

	if (store != NULL) {
		fill(data, bytes, seed);
		if (!went_well(model, store_record(store, key, data, bytes)))
			return;
	}
	while (at < model->record_count && model->records[at].key != key)
		at++;
	if (bytes > 0) {
		model->records[at] = (struct model_record){ .key = key, .seed = seed, .bytes = bytes };
		if (at == model->record_count)
			model->record_count++;
	} else if (at < model->record_count) {
		model->records[at] = model->records[--model->record_count];
	}
}

static void step_free_owner(struct model *model, struct store *store)
{
	uint64_t owner = draw(&model->random) % MODEL_OWNERS;
	size_t kept = 0;

	if (store != NULL && !went_well(model, store_free_owner(store, owner)))
		return;
	for (size_t i = 0; i < model->blob_count; i++)
		if (model->blobs[i].owner != owner)
			model->blobs[kept++] = model->blobs[i];
	model->blob_count = kept;
}

enum step model_step(struct model *model, struct store *store, const struct hooks *hooks)
{
	uint64_t kind = draw(&model->random) % 100;

	if ((kind < 45 && model->blob_count < MODEL_BLOBS) || (kind < 65 && model->blob_count == 0)) {
		step_put(model, store);
		return STEP_PUT;
	}
	if (kind < 65) {
		step_free(model, store);
		return STEP_FREE;
	}
	if (kind < 80) {
		step_record(model, store);
		return STEP_RECORD;
	}
	if (kind < 83 || model->uncommitted) {
		step_free_owner(model, store);
		return STEP_FREE_OWNER;
	}
	model->commits++;
	if (hooks != NULL && hooks->before_commit != NULL)
		hooks->before_commit(hooks->context, model);
	model->commit_error = store == NULL ? 0 : store_commit(store);
	if (went_well(model, model->commit_error) && hooks != NULL && hooks->after_commit != NULL)
		hooks->after_commit(hooks->context, model);
	return STEP_COMMIT;
}

struct matching {
	const struct model *model;
	size_t seen;
};

static int match_record(void *context, uint64_t key, const void *data, size_t bytes)
{
	struct matching *matching = context;

	for (size_t i = 0; i < matching->model->record_count; i++) {
		const struct model_record *record = &matching->model->records[i];

		if (record->key != key)
			continue;
		matching->seen++;
		return record->bytes != bytes || differs(data, bytes, record->seed);
	}
	return 1;
}

static int match_blob(void *context, uint64_t id, uint64_t owner, size_t bytes)
{
	struct matching *matching = context;

	for (size_t i = 0; i < matching->model->blob_count; i++) {
		const struct model_blob *blob = &matching->model->blobs[i];

		if (blob->id != id)
			continue;
		matching->seen++;
		return blob->owner != owner || blob->bytes != bytes;
	}
	return 1;
}

bool model_matches(const struct model *model, struct store *store)
{
	struct matching blobs = { .model = model }, records = { .model = model };
	static _Thread_local uint8_t data[MODEL_BLOB_BYTES];

	if (store_each_record(store, match_record, &records) != 0 || records.seen != model->record_count)
		return false;
	if (store_each_blob(store, match_blob, &blobs) != 0 || blobs.seen != model->blob_count)
		return false;
	for (size_t i = 0; i < model->blob_count; i++) {
		const struct model_blob *blob = &model->blobs[i];

		if (store_get(store, blob->id, data, sizeof(data)) != (ssize_t)blob->bytes || differs(data, blob->bytes, blob->seed))
			return false;
	}
	return true;
}

struct store *open_in(const char *folder, uint64_t apparent_bytes, bool direct)
{
	struct store_options options = { .folder = folder, .apparent_bytes = apparent_bytes, .region_bytes = 32 * 1024 * 1024, .direct = direct };
	struct store *store;

	EQUAL(store_open(&store, &options), 0);
	return store;
}

void remove_folder(const char *folder)
{
	DIR *entries = opendir(folder);
	char path[PATH_MAX];
	struct dirent *entry;

	if (entries == NULL)
		return;
	while ((entry = readdir(entries)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	closedir(entries);
	rmdir(folder);
}
