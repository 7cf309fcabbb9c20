/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are cut off, turned over, or another store's. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include "store-image.h"
#include "store-kit.h"

enum { APPARENT_BYTES = 320 * 1024 * 1024, BATCHES = 7, HEADER_BYTES = 64 };

/* -EUCLEAN, and not a byte of it changed. */
static void check_refused(const char *folder, const struct image *index)
{
	struct store_options options = { .folder = folder, .apparent_bytes = APPARENT_BYTES };
	struct image now = { 0 };
	struct store *store;

	EQUAL(store_open(&store, &options), -EUCLEAN);
	CHECK(store == NULL);
	image_load(&now, folder, "store.index", SIZE_MAX);
	EQUAL(now.size, index->size);
	CHECK(now.size == 0 || memcmp(now.bytes, index->bytes, now.size) == 0);
	free(now.bytes);
}

static void check_state(const char *folder, const struct model *model)
{
	struct store *store = open_in(folder, APPARENT_BYTES, false);

	CHECK(model_matches(model, store));
	store_close(store);
}

static size_t size_in(const char *folder, const char *name)
{
	char path[PATH_MAX];
	struct stat stat_buffer;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	EQUAL(stat(path, &stat_buffer), 0);
	return (size_t)stat_buffer.st_size;
}

/* What is cut off or turned over in the index, and in the data. */
int test_tears(const char *folder)
{
	struct store *store = open_in(folder, APPARENT_BYTES, false);
	static struct model states[BATCHES + 1];
	size_t ends[BATCHES + 1] = { HEADER_BYTES };
	struct image index = { 0 };
	uint8_t data[3000];

	states[0] = (struct model){ .next_id = 1 };
	for (unsigned batch = 1; batch <= BATCHES; batch++) {
		struct model *model = &states[batch];
		struct model_blob *blob = &model->blobs[states[batch - 1].blob_count];

		*model = states[batch - 1];
		*blob = (struct model_blob){ .id = model->next_id++, .owner = batch % 2, .seed = batch, .bytes = 3000 };
		model->blob_count++;
		fill(data, 3000, blob->seed);
		EQUAL(store_put(store, blob->owner, data, 3000, &blob->id), 0);
		model->records[0] = (struct model_record){ .key = 4, .seed = batch, .bytes = 20 + batch };
		model->record_count = 1;
		fill(data, 20 + batch, batch);
		EQUAL(store_record(store, 4, data, 20 + batch), 0);
		if (batch == 5) {
			EQUAL(store_free(store, model->blobs[0].id), 0);
			model->blobs[0] = model->blobs[--model->blob_count];
		}
		EQUAL(store_commit(store), 0);
		image_load(&index, folder, "store.index", SIZE_MAX);
		ends[batch] = index.size;
	}
	store_close(store);
	for (size_t cut = ends[BATCHES]; cut >= HEADER_BYTES; cut--) {
		unsigned batch = BATCHES;

		/* What is freed in a batch lost is not read back after it was. */
		while (ends[batch] > cut)
			batch--;
		if (batch < 5)
			break;
		image_save(&index, folder, "store.index", cut);
		check_state(folder, &states[batch]);
		EQUAL(size_in(folder, "store.index"), ends[batch]);
	}
	for (size_t at = 0; at < index.size; at++) {
		index.bytes[at] ^= (uint8_t)(1u << at % 8);
		image_save(&index, folder, "store.index", index.size);
		if (at < ends[BATCHES - 1])
			check_refused(folder, &index);
		else
			check_state(folder, &states[BATCHES - 1]);
		index.bytes[at] ^= (uint8_t)(1u << at % 8);
	}
	/* Shorter than its header, empty, and one of another store. */
	image_save(&index, folder, "store.index", 0);
	index.size = 0;
	check_refused(folder, &index);
	free(index.bytes);
	return 0;
}
