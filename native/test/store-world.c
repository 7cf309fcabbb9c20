/* SPDX-License-Identifier: Apache-2.0 */
/* The store and what it stands on: a full disk, kernels that refuse, sparse files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store-kit.h"

enum { SKIPPED = 77, SPACE_BLOCK = 4096, BLOB_BYTES = 64 * 1024, DISK_BYTES = 8 * 1024 * 1024 };

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

/* A small disk of memory in a mount namespace of our own. */
static bool mount_small(const char *folder)
{
	char map[64], options[64];
	uid_t user = geteuid();

	snprintf(map, sizeof(map), "0 %u 1", user);
	snprintf(options, sizeof(options), "size=%d,mode=700", DISK_BYTES);
	if (unshare(CLONE_NEWNS) < 0 && (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !write_text("/proc/self/uid_map", map)))
		return false;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || (mkdir(folder, 0700) < 0 && errno != EEXIST))
		return false;
	return mount("small", folder, "tmpfs", 0, options) == 0;
}

static uint8_t data[BLOB_BYTES];

static void put_numbered(struct store *store, uint64_t number, int expected, uint64_t *id)
{
	fill(data, sizeof(data), number);
	EQUAL(store_put(store, number % 3, data, sizeof(data), id), expected);
}

static void get_numbered(struct store *store, uint64_t number, uint64_t id)
{
	EQUAL(store_get(store, id, data, sizeof(data)), sizeof(data));
	CHECK(!differs(data, sizeof(data), number));
}

/* Until there is no room; how many there was room for. */
static uint64_t fill_up(struct store *store, uint64_t *ids, uint64_t most)
{
	for (uint64_t number = 0; number < most; number++) {
		int error;

		fill(data, sizeof(data), number);
		error = store_put(store, number % 3, data, sizeof(data), &ids[number]);
		if (error < 0) {
			EQUAL(error, -ENOSPC);
			return number;
		}
	}
	failed(__FILE__, __LINE__, "an end of the disk");
}

int test_full(const char *folder)
{
	enum { MOST = 2 * DISK_BYTES / BLOB_BYTES };
	uint64_t ids[MOST], count, id;
	struct store *store;
	struct store_stats stats;

	if (!mount_small(folder)) {
		printf("needs mount namespaces\n");
		return SKIPPED;
	}
	store = open_in(folder, UINT64_C(1) << 30, true);
	count = fill_up(store, ids, MOST);
	CHECK(count > MOST / 4);
	EQUAL(store_commit(store), 0);
	put_numbered(store, count, -ENOSPC, &id);
	for (uint64_t i = 0; i < count; i++)
		get_numbered(store, i, ids[i]);
	/* Room is there when the free is durable, not before. */
	EQUAL(store_free(store, ids[1]), 0);
	EQUAL(store_free(store, ids[2]), 0);
	put_numbered(store, 1, -ENOSPC, &id);
	EQUAL(store_commit(store), 0);
	put_numbered(store, 1, 0, &ids[1]);
	put_numbered(store, 2, 0, &ids[2]);
	EQUAL(store_commit(store), 0);
	store_close(store);
	store = open_in(folder, UINT64_C(1) << 30, true);
	for (uint64_t i = 0; i < count; i++)
		get_numbered(store, i, ids[i]);
	for (uint64_t owner = 0; owner < 3; owner++)
		EQUAL(store_free_owner(store, owner), 0);
	EQUAL(store_commit(store), 0);
	store_stats(store, &stats);
	EQUAL(stats.blobs, 0);
	/* Superblock and index alone. */
	CHECK(stats.disk_bytes < 512 * 1024);
	CHECK(fill_up(store, ids, MOST) + 2 >= count);
	store_close(store);
	return 0;
}

/* io_uring is not there for us, as under many container engines. `enter`: it is, and then refuses to work. */
static bool refuse_uring(bool enter)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, enter ? SYS_io_uring_enter : SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void use_without_uring(const char *folder, bool enter)
{
	enum { BIG_BYTES = 3 * 1024 * 1024 + 77 };
	struct store *store;
	struct store_stats stats;
	uint64_t id, big_id;
	uint8_t *big = malloc(BIG_BYTES);

	CHECK(big != NULL);
	if (!refuse_uring(enter))
		_exit(SKIPPED);
	store = open_in(folder, 0, true);
	store_stats(store, &stats);
	CHECK(enter || !stats.uring);
	put_numbered(store, 5, 0, &id);
	fill(big, BIG_BYTES, 6);
	EQUAL(store_put(store, 1, big, BIG_BYTES, &big_id), 0);
	EQUAL(store_commit(store), 0);
	get_numbered(store, 5, id);
	memset(big, 0, BIG_BYTES);
	EQUAL(store_get(store, big_id, big, BIG_BYTES), BIG_BYTES);
	CHECK(!differs(big, BIG_BYTES, 6));
	store_stats(store, &stats);
	EQUAL(stats.blobs, 2);
	store_close(store);
	free(big);
	_exit(0);
}

int test_refused(const char *folder)
{
	for (int enter = 0; enter < 2; enter++) {
		pid_t child = fork();
		int status;

		CHECK(child >= 0);
		if (child == 0)
			use_without_uring(folder, enter == 1);
		EQUAL(waitpid(child, &status, 0), child);
		CHECK(WIFEXITED(status));
		if (WEXITSTATUS(status) == SKIPPED) {
			printf("needs seccomp filters\n");
			return SKIPPED;
		}
		EQUAL(WEXITSTATUS(status), 0);
		remove_folder(folder);
	}
	return 0;
}

static uint64_t disk_bytes(const char *folder)
{
	char path[PATH_MAX];
	struct stat stat_buffer;

	snprintf(path, sizeof(path), "%s/store.data", folder);
	EQUAL(stat(path, &stat_buffer), 0);
	return (uint64_t)stat_buffer.st_blocks * 512;
}

/* Ends without a commit, as if killed. */
static _Noreturn void put_and_die(const char *folder, unsigned count)
{
	struct store_options options = { .folder = folder, .direct = true };
	struct store *store;
	uint64_t id;

	EQUAL(store_open(&store, &options), 0);
	for (unsigned i = 0; i < count; i++)
		put_numbered(store, i, 0, &id);
	_exit(0);
}

/* What was not committed takes no room for long. */
static void check_remains(const char *folder)
{
	enum { COUNT = 64 };
	struct store_options options = { .folder = folder, .direct = true };
	uint64_t before = disk_bytes(folder), id;
	struct store *store;
	int status;
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0)
		put_and_die(folder, COUNT);
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
	CHECK(disk_bytes(folder) >= before + COUNT * BLOB_BYTES / 2);
	EQUAL(store_open(&store, &options), 0);
	CHECK(disk_bytes(folder) <= before);
	put_numbered(store, 1, 0, &id);
	EQUAL(store_commit(store), 0);
	get_numbered(store, 1, id);
	store_close(store);
}

/* 500 GB to look at, and on the disk what is in it; holes where something was freed. */
int test_sparse(const char *folder)
{
	enum { COUNT = 48 };
	uint64_t ids[COUNT], before, all, odd;
	struct store_options options = { .folder = folder, .direct = true };
	struct store_stats stats;
	struct store *store;
	int error = store_open(&store, &options);

	EQUAL(error, 0);
	store_stats(store, &stats);
	if (stats.apparent_bytes < STORE_APPARENT_BYTES / SPACE_BLOCK * SPACE_BLOCK) {
		printf("needs a file system with files of 500 GB\n");
		store_close(store);
		return SKIPPED;
	}
	before = disk_bytes(folder);
	CHECK(before < 1024 * 1024);
	for (uint64_t i = 0; i < COUNT; i++)
		put_numbered(store, i, 0, &ids[i]);
	EQUAL(store_commit(store), 0);
	all = disk_bytes(folder);
	CHECK(all >= before + COUNT * BLOB_BYTES && all < before + COUNT * BLOB_BYTES + 1024 * 1024);
	/* One owner of three in one, and some of another's one by one. */
	EQUAL(store_free_owner(store, 0), 0);
	EQUAL(store_free(store, ids[1]), 0);
	EQUAL(store_free(store, ids[7]), 0);
	CHECK(disk_bytes(folder) >= all);
	EQUAL(store_commit(store), 0);
	odd = disk_bytes(folder);
	CHECK(odd + (COUNT / 3 + 2) * BLOB_BYTES <= all + 16 * 1024);
	for (uint64_t i = 0; i < COUNT; i++)
		if (i % 3 != 0 && i != 1 && i != 7)
			get_numbered(store, i, ids[i]);
	store_stats(store, &stats);
	EQUAL(stats.regions, 2);
	store_close(store);
	check_remains(folder);
	return 0;
}
