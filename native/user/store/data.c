/* SPDX-License-Identifier: Apache-2.0 */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/tap.h"

struct data_file {
	int fd;
};

const struct store_tap *store_tap;

int data_open(struct data_file **data, int fd, bool direct)
{
	(void)direct;
	*data = calloc(1, sizeof(**data));
	if (*data == NULL)
		return -ENOMEM;
	(*data)->fd = fd;
	return 0;
}

void data_close(struct data_file *data)
{
	free(data);
}

int data_read(struct data_file *data, uint64_t at, void *out, size_t bytes, size_t room)
{
	char *to = out;

	(void)room;
	while (bytes > 0) {
		ssize_t got = pread(data->fd, to, bytes, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		to += got;
		at += (uint64_t)got;
		bytes -= (size_t)got;
	}
	return 0;
}

int data_read_part(struct data_file *data, uint64_t at, void *out, size_t bytes)
{
	return data_read(data, at, out, bytes, bytes);
}

int data_write(struct data_file *data, uint64_t at, const void *from, size_t bytes)
{
	const char *next = from;
	int error = tap(TAP_WRITE, TAP_DATA, at, from, bytes);

	while (error == 0 && bytes > 0) {
		ssize_t put = pwrite(data->fd, next, bytes, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		next += put;
		at += (uint64_t)put;
		bytes -= (size_t)put;
	}
	return error;
}

int data_sync(struct data_file *data)
{
	int error = tap(TAP_SYNC, TAP_DATA, 0, NULL, 0);

	if (error < 0)
		return error;
	return fdatasync(data->fd) < 0 ? -errno : 0;
}

void data_punch(struct data_file *data, uint64_t at, uint64_t bytes)
{
	if (tap(TAP_PUNCH, TAP_DATA, at, NULL, (size_t)bytes) == 0)
		(void)fallocate(data->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes);
}

int data_fd(const struct data_file *data)
{
	return data->fd;
}

bool data_is_direct(const struct data_file *data)
{
	(void)data;
	return false;
}

bool data_has_uring(const struct data_file *data)
{
	(void)data;
	return false;
}

uint64_t data_own_bytes(struct data_file *data)
{
	return sizeof(*data);
}
