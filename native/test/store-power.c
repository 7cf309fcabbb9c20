/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. All changes to the files are recorded in order while a store is
 * at work. Then, for moments drawn at random, the files are made as a disk may
 * hold them: what was synced is there; of what was written since, each piece
 * is there, or not, or some of its sectors.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "store-image.h"
#include "store-kit.h"
#include "store/tap.h"

enum { APPARENT_BYTES = 320 * 1024 * 1024, STEPS = 420, CHANGES_MOST = 8192, COMMITS_MOST = 200, SECTOR_BYTES = 512, MARK_BEGUN = 100, MARK_DONE };

struct change {
	int what;
	int file;
	int generation;		/* of an index; 0 is the first */
	uint64_t at;
	uint8_t *data;
	size_t bytes;
};

static struct change changes[CHANGES_MOST];
static size_t change_count;
static int generation, new_generation, generations;
static struct model snapshots[COMMITS_MOST];

static struct change *add_change(int what, int file)
{
	CHECK(change_count < CHANGES_MOST);
	changes[change_count] = (struct change){ .what = what, .file = file };
	return &changes[change_count++];
}

static int record_change(void *context, enum tap_change what, enum tap_file file, uint64_t at, const void *data, size_t bytes)
{
	struct change *change;

	(void)context;
	if (what == TAP_READ)
		return 0;
	change = add_change((int)what, (int)file);
	if (file == TAP_NEW_INDEX && what == TAP_WRITE && at == 0)
		new_generation = ++generations;
	change->generation = file == TAP_NEW_INDEX ? new_generation : generation;
	change->at = at;
	change->bytes = bytes;
	if (what == TAP_WRITE) {
		change->data = malloc(bytes + (bytes == 0));
		CHECK(change->data != NULL);
		if (bytes > 0)
			memcpy(change->data, data, bytes);
	}
	if (what == TAP_RENAME)
		generation = new_generation;
	return 0;
}

static void record_begun(void *context, const struct model *model)
{
	(void)context;
	CHECK(model->commits < COMMITS_MOST);
	snapshots[model->commits] = *model;
	add_change(MARK_BEGUN, -1)->at = model->commits;
}

static void record_done(void *context, const struct model *model)
{
	(void)context;
	add_change(MARK_DONE, -1)->at = model->commits;
}

/* Whether there is a sync of the same file between the change and the cut. */
static bool is_synced(size_t index, size_t cut)
{
	const struct change *change = &changes[index];

	for (size_t i = index + 1; i < cut; i++)
		if (changes[i].what == TAP_SYNC && (changes[i].file == TAP_DATA) == (change->file == TAP_DATA) && changes[i].generation * (change->file != TAP_DATA) == change->generation * (change->file != TAP_DATA))
			return true;
	return false;
}

typedef void put_bytes(void *where, uint64_t at, const uint8_t *data, size_t bytes);

/* All, nothing or some sectors of it. */
static void write_perhaps(put_bytes *put, void *where, const struct change *change, bool synced, uint64_t *random)
{
	uint64_t fate = synced ? 0 : draw(random) % 3;

	if (fate == 0)
		put(where, change->at, change->data, change->bytes);
	if (fate != 2)
		return;
	for (size_t at = 0; at < change->bytes; ) {
		size_t sector = SECTOR_BYTES - (change->at + at) % SECTOR_BYTES;

		if (sector > change->bytes - at)
			sector = change->bytes - at;
		if (draw(random) % 2 == 0)
			put(where, change->at + at, change->data + at, sector);
		at += sector;
	}
}

static void put_in_image(void *where, uint64_t at, const uint8_t *data, size_t bytes)
{
	image_write(where, at, data, bytes);
}

static void put_in_file(void *where, uint64_t at, const uint8_t *data, size_t bytes)
{
	EQUAL(pwrite(*(int *)where, data, bytes, (off_t)at), bytes);
}

static int index_after(size_t cut, uint64_t *random)
{
	int sure = 0, last = 0;

	for (size_t i = 0; i < cut; i++) {
		if (changes[i].what == TAP_RENAME)
			last = changes[i].generation;
		if (changes[i].what == TAP_SYNC_FOLDER)
			sure = last;
	}
	return draw(random) % 2 == 0 ? sure : last;
}

static void make_index(const char *folder, const struct image *first, size_t cut, uint64_t *random)
{
	static struct image image;
	int wanted = index_after(cut, random);

	image.size = 0;
	if (wanted == 0)
		image_write(&image, 0, first->bytes, first->size);
	for (size_t i = 0; i < cut; i++) {
		if (changes[i].what != TAP_WRITE || changes[i].file == TAP_DATA || changes[i].generation != wanted)
			continue;
		write_perhaps(put_in_image, &image, &changes[i], is_synced(i, cut), random);
		/* A file may have got longer without what made it so. */
		if (draw(random) % 2 == 0)
			image_reach(&image, (size_t)changes[i].at + changes[i].bytes);
	}
	image_save(&image, folder, "store.index", image.size);
}

static void make_data(const char *folder, const struct image *super, size_t cut, uint64_t *random)
{
	char path[PATH_MAX];
	int fd;

	image_save(super, folder, "store.data", super->size);
	snprintf(path, sizeof(path), "%s/store.data", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	EQUAL(ftruncate(fd, APPARENT_BYTES), 0);
	for (size_t i = 0; i < cut; i++) {
		bool synced = changes[i].file == TAP_DATA && is_synced(i, cut);

		if (changes[i].file != TAP_DATA)
			continue;
		if (changes[i].what == TAP_WRITE)
			write_perhaps(put_in_file, &fd, &changes[i], synced, random);
		if (changes[i].what == TAP_PUNCH && (synced || draw(random) % 2 == 0))
			EQUAL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)changes[i].at, (off_t)changes[i].bytes), 0);
	}
	close(fd);
}

/* After the cut: one of the states that the store may be in, and it can be used. */
static void check_cut(const char *folder, size_t cut)
{
	struct store *store = open_in(folder, APPARENT_BYTES, false);
	unsigned begun = 0, done = 0;
	struct model model;

	for (size_t i = 0; i < cut; i++) {
		if (changes[i].what == MARK_BEGUN)
			begun = (unsigned)changes[i].at;
		if (changes[i].what == MARK_DONE)
			done = (unsigned)changes[i].at;
	}
	model = snapshots[done];
	if (!model_matches(&model, store)) {
		CHECK(begun > done);
		model = snapshots[begun];
		CHECK(model_matches(&model, store));
	}
	model.random += cut;
	for (int step = 0; step < 12; step++)
		model_step(&model, store, NULL);
	store_close(store);
	store = open_in(folder, APPARENT_BYTES, false);
	CHECK(model_matches(&model, store));
	store_close(store);
}

int test_power(const char *folder, unsigned samples)
{
	struct store_tap recorder = { .before = record_change };
	struct hooks hooks = { .before_commit = record_begun, .after_commit = record_done };
	static struct image first, super;
	static struct model model = { .next_id = 1, .random = 23 };
	struct store *store = open_in(folder, APPARENT_BYTES, false);
	uint64_t random = 3;

	snapshots[0] = model;
	image_load(&first, folder, "store.index", SIZE_MAX);
	image_load(&super, folder, "store.data", 4096);
	store_tap = &recorder;
	for (unsigned step = 0; step < STEPS; step++)
		model_step(&model, store, &hooks);
	store_tap = NULL;
	store_close(store);
	/* Else rewriting was not tried. */
	CHECK(generations > 0);
	printf("%zu changes, %u commits, %d rewrites\n", change_count, model.commits, generations);
	for (unsigned sample = 0; sample < samples; sample++) {
		size_t cut = (size_t)(draw(&random) % (change_count + 1));

		make_index(folder, &first, cut, &random);
		make_data(folder, &super, cut, &random);
		check_cut(folder, cut);
	}
	for (size_t i = 0; i < change_count; i++)
		free(changes[i].data);
	free(first.bytes);
	free(super.bytes);
	return 0;
}
