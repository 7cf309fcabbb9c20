/* SPDX-License-Identifier: Apache-2.0 */
/* Many threads on one store, each with owners and records of its own. */
#include <errno.h>
#include <pthread.h>

#include "store-kit.h"

enum { THREADS = 6, HELD = 24, APPARENT_BYTES = 1024 * 1024 * 1024 };

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned number, steps;
	uint64_t random;
	struct model_blob blobs[HELD];
	size_t count;
	unsigned record_version;
};

static _Atomic bool ended;

static void read_back(struct worker *worker, const struct model_blob *blob, uint8_t *data)
{
	size_t from = blob->bytes / 3 & ~(size_t)7;

	EQUAL(store_get(worker->store, blob->id, data, MODEL_BLOB_BYTES), blob->bytes);
	CHECK(!differs(data, blob->bytes, blob->seed));
	memset(data + from, 0, 8);
	if (blob->bytes >= from + 8)
		EQUAL(store_read(worker->store, blob->id, from, data + from, 8), 8);
	CHECK(!differs(data, blob->bytes, blob->seed));
}

static void put_one(struct worker *worker, uint8_t *data)
{
	struct model_blob *blob = &worker->blobs[worker->count++];

	blob->owner = worker->number;
	blob->seed = draw(&worker->random);
	blob->bytes = 64 + (size_t)(draw(&worker->random) % (MODEL_BLOB_BYTES - 64));
	fill(data, blob->bytes, blob->seed);
	EQUAL(store_put(worker->store, blob->owner, data, blob->bytes, &blob->id), 0);
}

static void *work(void *context)
{
	struct worker *worker = context;
	/* Not aligned: through the bounce buffers. */
	uint8_t *memory = malloc(MODEL_BLOB_BYTES + 8), *data = memory + 1;

	CHECK(memory != NULL);
	for (unsigned step = 0; step < worker->steps; step++) {
		uint64_t kind = draw(&worker->random) % 16;
		size_t at = worker->count == 0 ? 0 : (size_t)(draw(&worker->random) % worker->count);

		if ((kind < 6 && worker->count < HELD) || worker->count == 0) {
			put_one(worker, data);
		} else if (kind < 10) {
			read_back(worker, &worker->blobs[at], data);
		} else if (kind < 13) {
			EQUAL(store_free(worker->store, worker->blobs[at].id), 0);
			EQUAL(store_get(worker->store, worker->blobs[at].id, data, 0), -ENOENT);
			worker->blobs[at] = worker->blobs[--worker->count];
		} else if (kind < 14) {
			worker->record_version++;
			fill(data, 100 + worker->number, worker->record_version);
			EQUAL(store_record(worker->store, worker->number, data, 100 + worker->number), 0);
		} else if (step % 97 == 0) {
			EQUAL(store_free_owner(worker->store, worker->number), 0);
			worker->count = 0;
		} else {
			EQUAL(store_commit(worker->store), 0);
		}
	}
	free(memory);
	return NULL;
}

static int look_at_blob(void *context, uint64_t id, uint64_t owner, size_t bytes)
{
	(void)context;
	return id == 0 || owner >= THREADS || bytes > MODEL_BLOB_BYTES;
}

static int look_at_record(void *context, uint64_t key, const void *data, size_t bytes)
{
	(void)context;
	return key >= THREADS || bytes != 100 + key || ((const uint8_t *)data)[0] + 1 == 0;
}

static void *look_on(void *context)
{
	struct store_stats stats;

	while (!ended) {
		store_stats(context, &stats);
		EQUAL(store_each_blob(context, look_at_blob, NULL), 0);
		EQUAL(store_each_record(context, look_at_record, NULL), 0);
	}
	return NULL;
}

int test_threads(const char *folder, unsigned steps)
{
	static struct worker workers[THREADS];
	static uint8_t data[MODEL_BLOB_BYTES];
	struct store *store = open_in(folder, APPARENT_BYTES, true);
	struct store_stats stats;
	size_t blobs = 0;
	pthread_t looking;

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .store = store, .number = i, .steps = steps, .random = i * 1000 };
		EQUAL(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	EQUAL(pthread_create(&looking, NULL, look_on, store), 0);
	for (unsigned i = 0; i < THREADS; i++)
		EQUAL(pthread_join(workers[i].thread, NULL), 0);
	ended = true;
	EQUAL(pthread_join(looking, NULL), 0);
	EQUAL(store_commit(store), 0);
	store_close(store);
	store = open_in(folder, APPARENT_BYTES, true);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].store = store;
		blobs += workers[i].count;
		for (size_t at = 0; at < workers[i].count; at++)
			read_back(&workers[i], &workers[i].blobs[at], data);
	}
	store_stats(store, &stats);
	EQUAL(stats.blobs, blobs);
	store_close(store);
	return 0;
}
