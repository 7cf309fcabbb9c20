/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "store/space.h"
#include "store/store.h"
#include "store/tap.h"

#define NEW_DATA_NAME "store.data.new"

enum { REGION_BYTES_SHIFT = 32 };	/* 4 GiB */

static const char magic[8] = { 'A', 'G', 'M', 'S', 'T', 'O', 'R', 'E' };
static const uint64_t least_apparent_bytes = 2 * (uint64_t)SPACE_LEAST_BYTES;
/* What a superblock alone takes, with what file systems add. */
static const uint64_t empty_disk_bytes = 64 * 1024;
/* Blocks are counted in 32 bits. */
static const uint64_t most_apparent_bytes = (uint64_t)UINT32_MAX * SPACE_BLOCK_BYTES;

int write_all(int fd, const void *from, size_t bytes, uint64_t at)
{
	const char *next = from;

	while (bytes > 0) {
		ssize_t put = pwrite(fd, next, bytes, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		next += put;
		at += (uint64_t)put;
		bytes -= (size_t)put;
	}
	return 0;
}

/* What is in a folder is as durable as its own name. */
static int sync_parent(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int up = fd < 0 ? -1 : openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error = up < 0 || fsync(up) < 0 ? -errno : 0;

	if (up >= 0)
		close(up);
	if (fd >= 0)
		close(fd);
	return error;
}

/* Each missing part of the path with 0700. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t length = strlen(path);

	if (length == 0 || length >= sizeof(part))
		return length == 0 ? -ENOENT : -ENAMETOOLONG;
	for (size_t i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0700) == 0) {
			int error = sync_parent(part);

			if (error < 0)
				return error;
		} else if (errno != EEXIST) {
			return -errno;
		}
	}
	return 0;
}

static int open_folder(struct store_files *files, const char *path)
{
	struct stat stat;
	int error = make_folders(path);

	if (error < 0)
		return error;
	files->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (files->folder_fd < 0)
		return -errno;
	if (fstat(files->folder_fd, &stat) < 0)
		return -errno;
	/* Another one's folder, or one where others put files. */
	if (stat.st_uid != geteuid() || (stat.st_mode & 022) != 0)
		return -EPERM;
	if (flock(files->folder_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

/* The descriptor; -ENOENT where there is none, -EUCLEAN where it is no plain file of ours. */
static int open_file(const struct store_files *files, const char *name)
{
	int fd = openat(files->folder_fd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat stat;

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EUCLEAN : -errno;
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_uid != geteuid() || stat.st_nlink != 1) {
		close(fd);
		return -EUCLEAN;
	}
	return fd;
}

static int make_file(const struct store_files *files, const char *name)
{
	int fd;

	if (unlinkat(files->folder_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(files->folder_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

int files_sync_folder(struct store_files *files)
{
	int error = tap(TAP_SYNC_FOLDER, TAP_INDEX, 0, NULL, 0);

	if (error < 0)
		return error;
	return fsync(files->folder_fd) < 0 ? -errno : 0;
}

static uint64_t super_check(const struct superblock *super)
{
	return checksum_of(super, offsetof(struct superblock, check));
}

static bool super_good(const struct superblock *super)
{
	return memcmp(super->magic, magic, sizeof(magic)) == 0 && super->version == INDEX_VERSION && super->header_bytes == sizeof(*super) && super->check == super_check(super) &&
	       super->apparent_bytes >= least_apparent_bytes && super->apparent_bytes <= most_apparent_bytes && super->region_bytes > 0;
}

static int draw(void *out, size_t bytes)
{
	return getrandom(out, bytes, 0) == (ssize_t)bytes ? 0 : -EIO;
}

/* As long as the file system takes it, and without taking room for it. */
static int stretch(int fd, uint64_t *apparent_bytes)
{
	struct rlimit limit;
	struct stat stat;

	/* Reaching beyond this one ends the process. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < *apparent_bytes)
		*apparent_bytes = limit.rlim_cur & ~(uint64_t)(SPACE_BLOCK_BYTES - 1);
	if (*apparent_bytes < least_apparent_bytes)
		return -EFBIG;
	while (ftruncate(fd, (off_t)*apparent_bytes) < 0) {
		if (errno != EFBIG && errno != EINVAL && errno != ENOSPC)
			return -errno;
		if (*apparent_bytes / 2 < least_apparent_bytes)
			return -EFBIG;
		*apparent_bytes = *apparent_bytes / 2 & ~(uint64_t)(SPACE_BLOCK_BYTES - 1);
	}
	/* FAT and the like fill it with zeros. */
	if (fstat(fd, &stat) < 0)
		return -errno;
	return (uint64_t)stat.st_blocks * 512 > empty_disk_bytes ? -EOPNOTSUPP : 0;
}

static int fill_data(struct store_files *files, const struct store_options *options)
{
	struct superblock *super = &files->super;
	char block[SPACE_BLOCK_BYTES] = { 0 };
	int error;

	memset(super, 0, sizeof(*super));
	memcpy(super->magic, magic, sizeof(magic));
	super->version = INDEX_VERSION;
	super->header_bytes = sizeof(*super);
	super->apparent_bytes = (options->apparent_bytes == 0 ? STORE_APPARENT_BYTES : options->apparent_bytes) & ~(uint64_t)(SPACE_BLOCK_BYTES - 1);
	super->region_bytes = options->region_bytes == 0 ? UINT64_C(1) << REGION_BYTES_SHIFT : options->region_bytes;
	if (super->apparent_bytes < least_apparent_bytes || super->apparent_bytes > most_apparent_bytes || super->region_bytes > most_apparent_bytes)
		return -EINVAL;
	error = draw(super->store_id, sizeof(super->store_id));
	if (error == 0)
		error = stretch(files->data_fd, &super->apparent_bytes);
	if (error < 0)
		return error;
	super->check = super_check(super);
	memcpy(block, super, sizeof(*super));
	error = write_all(files->data_fd, block, sizeof(block), 0);
	if (error == 0 && fsync(files->data_fd) < 0)
		error = -errno;
	return error;
}

int files_new_index(struct store_files *files, struct index_header *header)
{
	int fd = make_file(files, NEW_INDEX_NAME);
	int error = fd < 0 ? fd : draw(&header->salt, sizeof(header->salt));

	if (error < 0) {
		if (fd >= 0)
			close(fd);
		return error;
	}
	memcpy(header->store_id, files->super.store_id, sizeof(header->store_id));
	index_header_seal(header);
	error = tap(TAP_WRITE, TAP_NEW_INDEX, 0, header, sizeof(*header));
	if (error == 0)
		error = write_all(fd, header, sizeof(*header), 0);
	if (error < 0) {
		close(fd);
		unlinkat(files->folder_fd, NEW_INDEX_NAME, 0);
		return error;
	}
	return fd;
}

int files_put_new_index(struct store_files *files)
{
	int error = tap(TAP_RENAME, TAP_NEW_INDEX, 0, NULL, 0);

	if (error < 0)
		return error;
	return renameat(files->folder_fd, NEW_INDEX_NAME, files->folder_fd, INDEX_NAME) < 0 ? -errno : 0;
}

/* The data file is durable under its name before there is an index: a store without index is one that was never finished. */
static int make_store(struct store_files *files, const struct store_options *options)
{
	int error;

	files->data_fd = make_file(files, NEW_DATA_NAME);
	if (files->data_fd < 0)
		return files->data_fd;
	error = fill_data(files, options);
	if (error == 0 && renameat(files->folder_fd, NEW_DATA_NAME, files->folder_fd, DATA_NAME) < 0)
		error = -errno;
	if (error < 0) {
		unlinkat(files->folder_fd, NEW_DATA_NAME, 0);
		return error;
	}
	error = files_sync_folder(files);
	if (error < 0)
		return error;
	memset(&files->header, 0, sizeof(files->header));
	files->header.next_id = 1;
	files->index_fd = files_new_index(files, &files->header);
	if (files->index_fd < 0)
		return files->index_fd;
	if (tap(TAP_SYNC, TAP_NEW_INDEX, 0, NULL, 0) < 0 || fsync(files->index_fd) < 0)
		return -EIO;
	error = files_put_new_index(files);
	return error < 0 ? error : files_sync_folder(files);
}

static int read_super(struct store_files *files, uint64_t *disk_bytes)
{
	struct stat stat;

	if (fstat(files->data_fd, &stat) < 0)
		return -errno;
	if (pread(files->data_fd, &files->super, sizeof(files->super), 0) != (ssize_t)sizeof(files->super) || !super_good(&files->super) || (uint64_t)stat.st_size < files->super.apparent_bytes)
		return -EUCLEAN;
	*disk_bytes = (uint64_t)stat.st_blocks * 512;
	return 0;
}

static int find_store(struct store_files *files, const struct store_options *options)
{
	uint64_t disk_bytes = 0;
	int error = 0;

	files->data_fd = open_file(files, DATA_NAME);
	files->index_fd = open_file(files, INDEX_NAME);
	if (files->data_fd < 0 && files->data_fd != -ENOENT)
		return files->data_fd;
	if (files->index_fd < 0 && files->index_fd != -ENOENT)
		return files->index_fd;
	if (files->data_fd >= 0)
		error = read_super(files, &disk_bytes);
	if (error < 0)
		return error;
	if (files->index_fd < 0) {
		/* Data without an index: only where nothing was ever put into it. */
		if (files->data_fd >= 0 && disk_bytes > empty_disk_bytes)
			return -EUCLEAN;
		if (files->data_fd >= 0)
			close(files->data_fd);
		return make_store(files, options);
	}
	if (files->data_fd < 0)
		return -EUCLEAN;
	if (pread(files->index_fd, &files->header, sizeof(files->header), 0) != (ssize_t)sizeof(files->header) || !index_header_good(&files->header) ||
	    memcmp(files->header.store_id, files->super.store_id, STORE_ID_BYTES) != 0)
		return -EUCLEAN;
	/* Of a start or a rewrite that was not finished. */
	unlinkat(files->folder_fd, NEW_DATA_NAME, 0);
	unlinkat(files->folder_fd, NEW_INDEX_NAME, 0);
	return 0;
}

int files_open(struct store_files *files, const struct store_options *options)
{
	int error;

	files->folder_fd = files->data_fd = files->index_fd = -1;
	error = open_folder(files, options->folder);
	if (error == 0)
		error = find_store(files, options);
	if (error < 0)
		files_close(files);
	return error;
}

void files_close(struct store_files *files)
{
	if (files->data_fd >= 0)
		close(files->data_fd);
	if (files->index_fd >= 0)
		close(files->index_fd);
	if (files->folder_fd >= 0)
		close(files->folder_fd);
	files->folder_fd = files->data_fd = files->index_fd = -1;
}
