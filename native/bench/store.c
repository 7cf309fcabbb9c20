/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cold store beside a plain reader of the same file: random blobs, cold,
 * and the same places with pread and O_DIRECT, by turns. Lines of
 * `name value unit`.
 *
 *   bench-store FOLDER [MEGABYTES]
 *
 * FOLDER must be on the disk to be measured; what is made in it is removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

enum { BLOB_BYTES = 64 * 1024, SMALL_BYTES = 4096, BIG_BYTES = 16 * 1024 * 1024, READS = 1500, BIG_READS = 12 };

static char folder[PATH_MAX];

static double now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static _Noreturn void stop(const char *what, long error)
{
	fprintf(stderr, "bench-store: %s: %s\n", what, strerror((int)-error));
	exit(1);
}

static void clean(void)
{
	char path[PATH_MAX + 16];
	static const char *const names[] = { "store.data", "store.index" };

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_size);
	return values[count / 2];
}

static struct store *open_store(bool *direct)
{
	struct store_options options = { .folder = folder, .direct = true };
	struct store_stats stats;
	struct store *store;
	int error = store_open(&store, &options);

	if (error < 0)
		stop("the store does not open", error);
	store_stats(store, &stats);
	*direct = stats.direct;
	printf("direct %d yes-or-no\nuring %d yes-or-no\n", stats.direct, stats.uring);
	return store;
}

/* Not compressible, and no two alike: some disks look. */
static void fill(uint8_t *data, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i + 8 <= bytes; i += 8) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(data + i, &seed, 8);
	}
}

static uint64_t *put_all(struct store *store, uint8_t *data, size_t bytes, size_t count, const char *name)
{
	uint64_t *ids = calloc(count, sizeof(*ids));
	double start, spent = 0;

	if (ids == NULL)
		stop("memory", -ENOMEM);
	for (size_t i = 0; i < count; i++) {
		int error;

		fill(data, bytes, i * 2654435761u + bytes);
		start = now_us();
		error = store_put(store, 0, data, bytes, &ids[i]);
		spent += now_us() - start;
		if (error < 0)
			stop("put", error);
	}
	start = now_us();
	if (store_commit(store) < 0)
		stop("commit", -EIO);
	spent += now_us() - start;
	printf("%s %.0f MB/s\n", name, (double)(bytes * count) / spent);
	return ids;
}

/* The first blobs lie one behind the other from the first region on: the plain reader takes the same places. */
static void compare(struct store *store, int fd, const uint64_t *ids, size_t count, uint64_t base, size_t bytes, size_t reads, uint8_t *data, const char *name)
{
	double *ours = calloc(reads, sizeof(*ours)), *raw = calloc(reads, sizeof(*raw));
	double a, b;

	if (ours == NULL || raw == NULL)
		stop("memory", -ENOMEM);
	for (size_t i = 0; i < reads; i++) {
		size_t mine = (size_t)random() % count, other = (size_t)random() % count;

		for (int turn = 0; turn < 2; turn++) {
			double start = now_us();

			if ((turn + (int)i) % 2 == 0) {
				if (store_get(store, ids[mine], data, bytes) != (ssize_t)bytes)
					stop("get", -EIO);
				ours[i] = now_us() - start;
			} else {
				if (pread(fd, data, bytes, (off_t)(base + other * bytes)) != (ssize_t)bytes)
					stop("raw read", -errno);
				raw[i] = now_us() - start;
			}
		}
	}
	a = median(ours, reads);
	b = median(raw, reads);
	printf("store-get-%s %.1f us\nraw-read-%s %.1f us\nratio-%s %.2f x\n", name, a, name, b, name, a / b);
	free(ours);
	free(raw);
}

static uint64_t first_data(int fd)
{
	off_t at = lseek(fd, 1024 * 1024, SEEK_DATA);

	return at < 0 ? 1024 * 1024 : (uint64_t)at;
}

int main(int argc, char **argv)
{
	size_t count = (argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 256) * 1024 * 1024 / BLOB_BYTES;
	char path[PATH_MAX + 16];
	uint64_t *ids, *small, *big;
	struct store *store;
	uint8_t *data;
	bool direct;
	int fd;

	if (argc < 2 || count == 0) {
		fprintf(stderr, "usage: bench-store FOLDER [MEGABYTES]\n");
		return 2;
	}
	snprintf(folder, sizeof(folder), "%s/store-bench-XXXXXX", argv[1]);
	if (mkdtemp(folder) == NULL)
		stop(argv[1], -errno);
	atexit(clean);
	if (posix_memalign((void **)&data, 4096, BIG_BYTES) != 0)
		stop("memory", -ENOMEM);
	store = open_store(&direct);
	ids = put_all(store, data, BLOB_BYTES, count, "put-64k");
	small = put_all(store, data, SMALL_BYTES, 2000, "put-4k");
	big = put_all(store, data, BIG_BYTES, 8, "put-16m");
	snprintf(path, sizeof(path), "%s/store.data", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (fd < 0)
		stop(path, -errno);
	compare(store, fd, ids, count, first_data(fd), BLOB_BYTES, READS, data, "64k");
	compare(store, fd, small, 2000, first_data(fd) + (uint64_t)count * BLOB_BYTES, SMALL_BYTES, READS, data, "4k");
	compare(store, fd, big, 8, first_data(fd) + (uint64_t)count * BLOB_BYTES + 2000 * SMALL_BYTES, BIG_BYTES, BIG_READS, data, "16m");
	close(fd);
	store_close(store);
	free(ids);
	free(small);
	free(big);
	free(data);
	return 0;
}
