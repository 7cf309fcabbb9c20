/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that fill memory from a file: each is made as it came, then what it filled is looked at. */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "share.h"

/* Found at the first call: other libraries' constructors read before ours runs. */
#define NEXT(name, result, ...) \
	static result (*next)(__VA_ARGS__); \
	if (__builtin_expect(next == NULL, 0)) \
		*(void **)&next = dlsym(RTLD_NEXT, #name)

static inline void filled(int fd, void *buffer, ssize_t bytes)
{
	if (__builtin_expect(bytes >= (ssize_t)SHARE_LEAST_BYTES, 0))
		swap_in(fd, buffer, (size_t)bytes);
}

static void filled_parts(int fd, const struct iovec *parts, int count, ssize_t bytes)
{
	for (int i = 0; i < count && bytes >= (ssize_t)SHARE_LEAST_BYTES; i++) {
		ssize_t part = (ssize_t)parts[i].iov_len < bytes ? (ssize_t)parts[i].iov_len : bytes;

		filled(fd, parts[i].iov_base, part);
		bytes -= part;
	}
}

static void filled_stream(FILE *stream, void *buffer, size_t each, size_t count)
{
	/* Parts of an item are not told of. */
	if (__builtin_expect(each != 0 && count >= SHARE_LEAST_BYTES / each && each * count >= SHARE_LEAST_BYTES, 0)) {
		int before = errno;
		int fd = fileno(stream);

		if (fd >= 0)
			swap_in(fd, buffer, each * count);
		errno = before;
	}
}

/* Declared here: not all are in headers, and those of hardened programs are in none. */
ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t bytes, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t bytes, off64_t at, size_t room);
size_t __fread_chk(void *buffer, size_t room, size_t each, size_t count, FILE *stream);
size_t __fread_unlocked_chk(void *buffer, size_t room, size_t each, size_t count, FILE *stream);

SHOWN ssize_t read(int fd, void *buffer, size_t bytes)
{
	NEXT(read, ssize_t, int, void *, size_t);
	ssize_t got = next(fd, buffer, bytes);

	filled(fd, buffer, got);
	return got;
}

SHOWN ssize_t pread(int fd, void *buffer, size_t bytes, off_t at)
{
	NEXT(pread, ssize_t, int, void *, size_t, off_t);
	ssize_t got = next(fd, buffer, bytes, at);

	filled(fd, buffer, got);
	return got;
}

SHOWN ssize_t pread64(int fd, void *buffer, size_t bytes, off64_t at)
{
	NEXT(pread64, ssize_t, int, void *, size_t, off64_t);
	ssize_t got = next(fd, buffer, bytes, at);

	filled(fd, buffer, got);
	return got;
}

SHOWN ssize_t readv(int fd, const struct iovec *parts, int count)
{
	NEXT(readv, ssize_t, int, const struct iovec *, int);
	ssize_t got = next(fd, parts, count);

	filled_parts(fd, parts, count, got);
	return got;
}

SHOWN ssize_t preadv(int fd, const struct iovec *parts, int count, off_t at)
{
	NEXT(preadv, ssize_t, int, const struct iovec *, int, off_t);
	ssize_t got = next(fd, parts, count, at);

	filled_parts(fd, parts, count, got);
	return got;
}

SHOWN ssize_t preadv64(int fd, const struct iovec *parts, int count, off64_t at)
{
	NEXT(preadv64, ssize_t, int, const struct iovec *, int, off64_t);
	ssize_t got = next(fd, parts, count, at);

	filled_parts(fd, parts, count, got);
	return got;
}

SHOWN size_t fread(void *buffer, size_t each, size_t count, FILE *stream)
{
	NEXT(fread, size_t, void *, size_t, size_t, FILE *);
	size_t got = next(buffer, each, count, stream);

	filled_stream(stream, buffer, each, got);
	return got;
}

#undef fread_unlocked
SHOWN size_t fread_unlocked(void *buffer, size_t each, size_t count, FILE *stream)
{
	NEXT(fread_unlocked, size_t, void *, size_t, size_t, FILE *);
	size_t got = next(buffer, each, count, stream);

	filled_stream(stream, buffer, each, got);
	return got;
}

SHOWN ssize_t __read_chk(int fd, void *buffer, size_t bytes, size_t room)
{
	NEXT(__read_chk, ssize_t, int, void *, size_t, size_t);
	ssize_t got = next(fd, buffer, bytes, room);

	filled(fd, buffer, got);
	return got;
}

SHOWN ssize_t __pread_chk(int fd, void *buffer, size_t bytes, off_t at, size_t room)
{
	NEXT(__pread_chk, ssize_t, int, void *, size_t, off_t, size_t);
	ssize_t got = next(fd, buffer, bytes, at, room);

	filled(fd, buffer, got);
	return got;
}

SHOWN ssize_t __pread64_chk(int fd, void *buffer, size_t bytes, off64_t at, size_t room)
{
	NEXT(__pread64_chk, ssize_t, int, void *, size_t, off64_t, size_t);
	ssize_t got = next(fd, buffer, bytes, at, room);

	filled(fd, buffer, got);
	return got;
}

SHOWN size_t __fread_chk(void *buffer, size_t room, size_t each, size_t count, FILE *stream)
{
	NEXT(__fread_chk, size_t, void *, size_t, size_t, size_t, FILE *);
	size_t got = next(buffer, room, each, count, stream);

	filled_stream(stream, buffer, each, got);
	return got;
}

SHOWN size_t __fread_unlocked_chk(void *buffer, size_t room, size_t each, size_t count, FILE *stream)
{
	NEXT(__fread_unlocked_chk, size_t, void *, size_t, size_t, size_t, FILE *);
	size_t got = next(buffer, room, each, count, stream);

	filled_stream(stream, buffer, each, got);
	return got;
}
