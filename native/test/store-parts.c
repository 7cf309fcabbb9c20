/* SPDX-License-Identifier: Apache-2.0 */
/* The store's parts, and what its functions answer. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store-kit.h"
#include "store/space.h"
#include "store/table.h"

struct entry {
	uint64_t key, value;
};

static void check_table(void)
{
	enum { KEYS = 4000 };
	static bool there[KEYS];
	struct table table = { .entry_bytes = sizeof(struct entry) };
	struct table_walk walk = { 0, 0 };
	uint64_t random = 1, count = 0, next = 0;
	struct entry *entry;

	for (int step = 0; step < 30000; step++) {
		uint64_t key = draw(&random) % KEYS;

		entry = table_find(&table, key);
		EQUAL(entry != NULL, there[key]);
		if (entry != NULL)
			EQUAL(entry->value, key * 3);
		/* First it grows, then it shrinks. */
		if (entry == NULL && (draw(&random) % 4 != 0) == (step < 15000)) {
			entry = table_add(&table, key);
			CHECK(entry != NULL && entry->key == key && entry->value == 0);
			entry->value = key * 3;
		} else if (entry != NULL && (draw(&random) % 4 == 0) == (step < 15000)) {
			table_remove(&table, key);
		} else {
			continue;
		}
		there[key] = !there[key];
		count += there[key] ? 1 : UINT64_MAX;
		EQUAL(table.entries, count);
	}
	while ((entry = table_walk(&table, &walk)) != NULL) {
		CHECK(entry == table_from(&table, next) && there[entry->key]);
		for (; next < entry->key; next++)
			CHECK(!there[next]);
		next = entry->key + 1;
	}
	/* At least half of it is entries, but for the first leaf and the list of leaves. */
	CHECK(table_bytes(&table) < 2 * count * sizeof(*entry) + 4096 + 2 * (table.room + 1) * sizeof(void *));
	table_clear(&table);
	CHECK(table_from(&table, 0) == NULL);
}

static void check_space(void)
{
	struct extent a, b, c;
	struct region *shrunk, *region;
	struct space space;

	space_init(&space, 100 * 1024 * 1024, 64 * 1024 * 1024);
	CHECK(!space_take(&space, 7, 1, &a));
	region = space_give(&space, 7, 1, &shrunk);
	CHECK(region != NULL && shrunk == NULL);
	EQUAL(region->blocks, 64 * 256);
	CHECK(space_take(&space, 7, 10, &a) && space_take(&space, 7, 3, &b) && space_take(&space, 7, 10, &c));
	space_return(&space, a);
	space_return(&space, b);
	/* Neighbours are one; the smaller hole is the better one. */
	EQUAL(region->free_count, 2);
	EQUAL(region->free[0].blocks, 13);
	CHECK(space_take(&space, 7, 12, &b));
	EQUAL(b.block, a.block);
	space_return(&space, b);
	CHECK(!space_carve(&space, region, (struct extent){ c.block, 1 }));
	CHECK(!space_carve(&space, region, (struct extent){ a.block + 5, 9 }));
	space_return(&space, c);
	EQUAL(region->free_count, 1);
	EQUAL(region->free[0].blocks, region->blocks);
	/* The rest is smaller, but enough for a region; then the first one gives half of its tail. */
	CHECK(space_give(&space, 8, 1, &shrunk) != NULL && shrunk == NULL);
	CHECK(space_give(&space, 9, 1, &shrunk) != NULL && shrunk == region);
	EQUAL(region->blocks, 32 * 256);
	EQUAL(region->free[0].blocks, 32 * 256);
	CHECK(space_give(&space, 10, 1, &shrunk) == NULL);
	CHECK(space_add(&space, 11, region->block + 5, 1) == NULL);
	CHECK(space_add(&space, 11, region->block - 5, 6) == NULL);
	CHECK(space_add(&space, 11, space.end_block, 1) == NULL);
	EQUAL(space.count, 3);
	space_drop(&space, space_first_of(&space, 8));
	CHECK(space_first_of(&space, 8) == NULL);
	CHECK(space_give(&space, 8, 1, &shrunk) != NULL && shrunk == NULL);
	space_clear(&space);
}

static int count_record(void *context, uint64_t key, const void *data, size_t bytes)
{
	(void)key, (void)data, (void)bytes;
	return ++*(int *)context == 2 ? 42 : 0;
}

static void check_answers(const char *folder)
{
	struct store_options options = { .folder = folder, .apparent_bytes = UINT64_C(1) << 30, .most_bytes = 1024 * 1024 };
	static uint8_t data[STORE_BLOB_MOST + 1];
	struct store_options wrong = options;
	struct store *store, *second;
	struct store_stats stats;
	uint64_t id, empty, third;
	int count = 0;

	wrong.apparent_bytes = 4096;
	EQUAL(store_open(&store, &wrong), -EINVAL);
	EQUAL(store_open(&store, &options), 0);
	EQUAL(store_open(&second, &options), -EBUSY);
	EQUAL(store_put(store, 1, data, STORE_BLOB_MOST + 1, &id), -EFBIG);
	EQUAL(store_record(store, 1, data, STORE_RECORD_MOST + 1), -EFBIG);
	EQUAL(store_put(store, 1, data, 2 * 1024 * 1024, &id), -ENOSPC);
	fill(data, 5000, 8);
	EQUAL(store_put(store, 1, data, 5000, &id), 0);
	EQUAL(store_put(store, 1, data, 0, &empty), 0);
	CHECK(id != 0 && empty > id);
	EQUAL(store_get(store, empty, data, 0), 0);
	/* Too little room: the length alone. */
	memset(data, 1, 5000);
	EQUAL(store_get(store, id, data, 4999), 5000);
	EQUAL(data[0], 1);
	EQUAL(store_get(store, id, data, 5000), 5000);
	CHECK(!differs(data, 5000, 8));
	EQUAL(data[5000], 0);
	EQUAL(store_read(store, id, 4990, data, 100), 10);
	EQUAL(store_read(store, id, 5000, data, 100), 0);
	EQUAL(store_read(store, id, UINT64_MAX, data, 100), 0);
	EQUAL(store_get(store, id + 100, data, 1), -ENOENT);
	EQUAL(store_read(store, 0, 0, data, 1), -ENOENT);
	EQUAL(store_free(store, id + 100), -ENOENT);
	EQUAL(store_free_owner(store, 99), 0);
	EQUAL(store_record(store, 5, NULL, 0), 0);
	EQUAL(store_record(store, 5, "a", 1), 0);
	EQUAL(store_record(store, UINT64_MAX, "b", 1), 0);
	EQUAL(store_each_record(store, count_record, &count), 42);
	EQUAL(store_commit(store), 0);
	EQUAL(store_commit(store), 0);
	store_close(store);
	/* Without a commit too: closing does. Ids are not given again. */
	EQUAL(store_open(&store, &options), 0);
	EQUAL(store_free(store, empty), 0);
	EQUAL(store_put(store, 1, "x", 1, &third), 0);
	CHECK(third > empty);
	store_close(store);
	EQUAL(store_open(&store, &options), 0);
	store_stats(store, &stats);
	EQUAL(stats.blobs, 2);
	EQUAL(stats.records, 2);
	EQUAL(stats.stored_bytes, 5001);
	store_close(store);
	store_close(NULL);
}

static int open_at(const char *folder, const char *name, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return open(path, flags | O_CLOEXEC, 0600);
}

static void expect_open(const char *folder, int expected)
{
	struct store_options options = { .folder = folder, .apparent_bytes = UINT64_C(1) << 30 };
	struct store *store;

	EQUAL(store_open(&store, &options), expected);
	CHECK((store == NULL) == (expected < 0));
	store_close(store);
}

static void check_limit(const char *folder)
{
	enum { LIMIT_BYTES = 200 * 1024 * 1024 };
	struct store_options options = { .folder = folder };
	struct rlimit whole, limit;
	struct store_stats stats;
	struct store *store;

	EQUAL(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ .rlim_cur = LIMIT_BYTES, .rlim_max = whole.rlim_max };
	EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
	EQUAL(store_open(&store, &options), 0);
	store_stats(store, &stats);
	EQUAL(stats.apparent_bytes, LIMIT_BYTES);
	store_close(store);
	EQUAL(setrlimit(RLIMIT_FSIZE, &whole), 0);
}

/* What is not ours is left alone. */
static void check_foreign(const char *folder)
{
	char path[PATH_MAX], other[PATH_MAX], content[64] = "";
	struct stat stat_buffer;
	int fd;

	EQUAL(mkdir(folder, 0700), 0);
	fd = open_at(folder, "store.data", O_RDWR | O_CREAT);
	EQUAL(write(fd, "some other file", 15), 15);
	close(fd);
	expect_open(folder, -EUCLEAN);
	fd = open_at(folder, "store.data", O_RDONLY);
	EQUAL(read(fd, content, sizeof(content)), 15);
	EQUAL(strcmp(content, "some other file"), 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/store.data", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	/* A link to it, of either kind. */
	EQUAL(rename(path, other), 0);
	EQUAL(symlink(other, path), 0);
	expect_open(folder, -EUCLEAN);
	EQUAL(unlink(path), 0);
	EQUAL(link(other, path), 0);
	expect_open(folder, -EUCLEAN);
	EQUAL(unlink(path), 0);
	EQUAL(unlink(other), 0);
	expect_open(folder, 0);
	EQUAL(stat(path, &stat_buffer), 0);
	EQUAL(stat_buffer.st_mode & 0777, 0600);
	/* A later version. */
	fd = open_at(folder, "store.data", O_RDWR);
	EQUAL(pread(fd, content, 1, 8), 1);
	content[0]++;
	EQUAL(pwrite(fd, content, 1, 8), 1);
	expect_open(folder, -EUCLEAN);
	content[0]--;
	EQUAL(pwrite(fd, content, 1, 8), 1);
	expect_open(folder, 0);
	/* Cut short. */
	EQUAL(ftruncate(fd, 4096), 0);
	expect_open(folder, -EUCLEAN);
	EQUAL(ftruncate(fd, 1 << 30), 0);
	expect_open(folder, 0);
	close(fd);
	/* An index of another store; one that lost its data; data that lost its index while empty. */
	snprintf(other, sizeof(other), "%s/store.index", folder);
	EQUAL(unlink(other), 0);
	expect_open(folder, 0);
	EQUAL(unlink(path), 0);
	expect_open(folder, -EUCLEAN);
	/* A limit of the process: smaller, and told. */
	remove_folder(folder);
	check_limit(folder);
	/* Where others may write. */
	EQUAL(chmod(folder, 0777), 0);
	expect_open(folder, -EPERM);
	EQUAL(chmod(folder, 0700), 0);
	remove_folder(folder);
}

/* A byte that has turned over in one blob: that one, and no other. */
static void check_rot(const char *folder)
{
	struct store *store = open_in(folder, UINT64_C(1) << 30, true);
	uint64_t ids[3];
	uint8_t data[9000], byte;
	off_t at;
	int fd;

	for (uint64_t i = 0; i < 3; i++) {
		fill(data, sizeof(data), i);
		EQUAL(store_put(store, 0, data, sizeof(data), &ids[i]), 0);
	}
	EQUAL(store_commit(store), 0);
	fd = open_at(folder, "store.data", O_RDWR);
	at = lseek(fd, 1024 * 1024, SEEK_DATA) + 3 * 4096 + 8500;
	EQUAL(pread(fd, &byte, 1, at), 1);
	byte ^= 4;
	EQUAL(pwrite(fd, &byte, 1, at), 1);
	EQUAL(fsync(fd), 0);
	close(fd);
	EQUAL(store_get(store, ids[0], data, sizeof(data)), sizeof(data));
	EQUAL(store_get(store, ids[1], data, sizeof(data)), -EIO);
	EQUAL(store_get(store, ids[2], data, sizeof(data)), sizeof(data));
	CHECK(!differs(data, sizeof(data), 2));
	EQUAL(store_free(store, ids[1]), 0);
	store_close(store);
}

/* What a blob costs in memory, after much has been put and freed. */
static void check_memory(const char *folder)
{
	enum { COUNT = 8000 };
	struct store *store = open_in(folder, 0, false);
	struct store_stats stats;
	static uint64_t ids[COUNT];
	uint64_t random = 4, left = 0, empty_bytes;

	store_stats(store, &stats);
	empty_bytes = stats.own_bytes;
	for (size_t i = 0; i < COUNT; i++)
		EQUAL(store_put(store, i % 50, "blob", 4, &ids[i]), 0);
	EQUAL(store_commit(store), 0);
	store_stats(store, &stats);
	CHECK((stats.own_bytes - empty_bytes) / COUNT <= 40);
	for (size_t i = 0; i < COUNT; i++) {
		if (draw(&random) % 2 == 0)
			EQUAL(store_free(store, ids[i]), 0);
		else
			left++;
	}
	EQUAL(store_commit(store), 0);
	store_stats(store, &stats);
	EQUAL(stats.blobs, left);
	CHECK((stats.own_bytes - empty_bytes) / left <= 64);
	store_close(store);
}

int test_parts(const char *folder)
{
	check_table();
	check_space();
	check_answers(folder);
	remove_folder(folder);
	check_foreign(folder);
	check_rot(folder);
	remove_folder(folder);
	check_memory(folder);
	return 0;
}
