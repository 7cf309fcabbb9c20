/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-subject CASE FILE: does with large reads what programs may do, and
 * prints all it can see of them. FILE has 8 MiB and is older than a minute. It
 * prints the same with and without the shim, which is the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim-subject.h"

const char *subject_file;

uint64_t sum(const void *data, size_t bytes)
{
	const unsigned char *at = data;
	uint64_t hash = 14695981039346656037u;
	uint64_t word = 0;

	for (; bytes >= sizeof(word); bytes -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * 1099511628211u;
		hash ^= hash >> 32;
	}
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ at[i]) * 1099511628211u;
	return hash;
}

void tell(const char *what, long value)
{
	int error = errno;

	printf("%s %ld %s\n", what, value, value < 0 ? strerror(error) : "");
}

void tell_bytes(const char *what, const void *data, size_t bytes)
{
	printf("%s %zu bytes %016llx\n", what, bytes, (unsigned long long)sum(data, bytes));
}

int open_file(void)
{
	int fd = open(subject_file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		exit(3);
	return fd;
}

char *read_whole(void)
{
	int fd = open_file();
	char *data = malloc(WHOLE);

	errno = 77;
	if (data == NULL || read(fd, data, WHOLE) != WHOLE || errno != 77)
		exit(4);
	close(fd);
	return data;
}

static void whole(void)
{
	char *data = read_whole();
	char *second = read_whole();

	tell_bytes("first", data, WHOLE);
	memset(data + 1000, 7, 500000);
	tell_bytes("written", data, WHOLE);
	tell_bytes("second", second, WHOLE);
	for (size_t i = 0; i < WHOLE; i += 4096)
		second[i]++;
	tell_bytes("each page", second, WHOLE);
	free(data);
	free(second);
	data = calloc(1, WHOLE);
	for (size_t i = 0; i < WHOLE; i++)
		if (data[i] != 0)
			tell("not zero", (long)i);
	tell_bytes("calloc", data, WHOLE);
}

static void calls(void)
{
	char *data = malloc(WHOLE + 8192);
	struct iovec parts[3] = { { data + 5, 1000000 }, { data + 2000000, 3 }, { data + 3000001, 3000000 } };
	int fd = open_file();
	FILE *stream = fopen(subject_file, "rb");
	void *volatile nowhere = (void *)16;

	memset(data, 1, WHOLE + 8192);
	tell("pread", pread(fd, data + 1, 2000000, 12345));
	tell_bytes("pread", data, WHOLE + 8192);
	tell("seek", lseek(fd, 0, SEEK_CUR));
	tell("readv", readv(fd, parts, 3));
	tell_bytes("readv", data, WHOLE + 8192);
	tell("preadv", preadv(fd, parts, 3, 777));
	tell_bytes("preadv", data, WHOLE + 8192);
	tell("seek", lseek(fd, 0, SEEK_CUR));
	free(data);
	data = malloc(WHOLE + 8192);
	tell("fread", (long)fread(data + 16, 3, 1000000, stream));
	tell_bytes("fread", data + 16, 3000000);
	tell("fread", (long)fread(data + 3000016, 1, WHOLE - 3000000, stream));
	tell_bytes("fread", data + 16, WHOLE);
	tell("fread", (long)fread(data, 1, WHOLE, stream));
	tell("ftell", ftell(stream));
	tell("feof", feof(stream) != 0);
	fclose(stream);
	free(data);
	data = malloc(WHOLE);
	lseek(fd, WHOLE - 600000, SEEK_SET);
	tell("at the end", read(fd, data, WHOLE));
	tell_bytes("at the end", data, 600000);
	tell("behind it", read(fd, data, WHOLE));
	tell("no descriptor", read(-1, data, WHOLE));
	tell("folder", read(open("/", O_RDONLY), data, WHOLE));
	lseek(fd, 0, SEEK_SET);
	tell("no memory", read(fd, nowhere, WHOLE));
	tell("nothing", read(fd, data, 0));
	tell("too much of it", pread(fd, data, 100, -1));
}

static void places(void)
{
	int fd = open_file();
	char stack[1000000];
	char *shared = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *own = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static char fixed[1000000];
	void *aligned;
	char *heap;
	int status;

	tell("stack", pread(fd, stack, sizeof(stack), 1));
	tell_bytes("stack", stack, sizeof(stack));
	tell("fixed", pread(fd, fixed, sizeof(fixed), 2));
	tell_bytes("fixed", fixed, sizeof(fixed));
	tell("own", pread(fd, own, WHOLE, 0));
	tell("own zero", madvise(own, WHOLE / 2, MADV_DONTNEED));
	tell_bytes("own", own, WHOLE);
	if (fork() == 0)
		_exit(pread(fd, shared, WHOLE, 0) != WHOLE);
	wait(&status);
	tell_bytes("shared", shared, WHOLE);
	if (posix_memalign(&aligned, 4096, WHOLE) == 0)
		tell("aligned", pread(fd, aligned, WHOLE, 0));
	tell_bytes("aligned", aligned, WHOLE);
	free(aligned);
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	heap = malloc(WHOLE);
	tell("heap", pread(fd, heap, WHOLE, 0));
	tell_bytes("heap", heap, WHOLE);
	free(heap);
	malloc_trim(0);
	heap = calloc(1, WHOLE);
	tell_bytes("calloc", heap, WHOLE);
}

static void sizes(void)
{
	char *data = read_whole();
	char *more = realloc(data, WHOLE * 2);
	char *volatile kept;
	volatile size_t impossible = SIZE_MAX / 2 - 1;
	char *less;

	tell_bytes("grown", more, WHOLE);
	free(more);
	data = read_whole();
	less = realloc(data, WHOLE - 1);
	tell_bytes("a byte less", less, WHOLE - 1);
	less = realloc(less, 1000000);
	tell_bytes("less", less, 1000000);
	less = realloc(less, 10);
	tell_bytes("ten", less, 10);
	free(less);
	data = read_whole();
	kept = data;
	tell("impossible", realloc(data, impossible) == NULL);
	data = kept;
	tell_bytes("kept", data, WHOLE);
	tell("room", malloc_usable_size(data) >= WHOLE);
	free(data);
	for (size_t at = 600000; at < 3000000; at += 300001) {
		int fd = open_file();

		data = malloc(at);
		tell("part", read(fd, data, at));
		data = realloc(data, at + 1000001);
		tell("rest", read(fd, data + at, 1000001));
		tell_bytes("both", data, at + 1000001);
		free(data);
		close(fd);
	}
}

static void changed_file(void)
{
	char path[4096];
	char *data = malloc(WHOLE);
	char *again = malloc(WHOLE);
	char block[4096];
	int fd;

	snprintf(path, sizeof(path), "%s.changing", subject_file);
	fd = open(path, O_RDWR);
	tell("read", read(fd, data, WHOLE));
	tell_bytes("read", data, WHOLE);
	memset(block, 9, sizeof(block));
	for (off_t at = 0; at < WHOLE; at += 100000)
		if (pwrite(fd, block, sizeof(block), at) != sizeof(block))
			exit(5);
	tell_bytes("changed", data, WHOLE);
	tell("again", pread(fd, again, WHOLE, 0));
	tell_bytes("again", again, WHOLE);
	if (ftruncate(fd, 10) != 0)
		exit(6);
	tell_bytes("cut", data, WHOLE);
	unlink(path);
	tell_bytes("gone", data, WHOLE);
}

static void forks(void)
{
	char *data = read_whole();
	int status;

	fflush(stdout);
	if (fork() == 0) {
		tell_bytes("child", data, WHOLE);
		memset(data, 3, WHOLE / 2);
		tell_bytes("child wrote", data, WHOLE);
		tell("zero", madvise(data - 16 + 4096, WHOLE / 2, MADV_DONTNEED));
		tell_bytes("child zeroed", data, WHOLE);
		free(data);
		tell_bytes("child read", read_whole(), WHOLE);
		fflush(stdout);
		_exit(0);
	}
	data[5]++;
	wait(&status);
	tell("child", status);
	tell_bytes("parent", data, WHOLE);
	tell_bytes("parent reads", read_whole(), WHOLE);
	fflush(stdout);
	tell("system", system("echo from sh"));
	fflush(stdout);
	if (vfork() == 0)
		_exit(7);
	wait(&status);
	tell("vfork", WEXITSTATUS(status));
}

static void other_files(void)
{
	char *data = malloc(WHOLE);
	char path[4096];
	int pair[2];
	int fd;
	size_t have = 0;
	void *aligned = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	tell("zero", read(open("/dev/zero", O_RDONLY), data, WHOLE));
	tell_bytes("zero", data, WHOLE);
	fd = open("/proc/self/status", O_RDONLY);
	tell("status", read(fd, data, WHOLE) > 100);
	snprintf(path, sizeof(path), "%s.sparse", subject_file);
	fd = open(path, O_RDONLY);
	free(data);
	data = malloc(WHOLE);
	tell("sparse", read(fd, data, WHOLE));
	tell_bytes("sparse", data, WHOLE);
	if (pipe(pair) == 0 && fork() == 0) {
		char *all = read_whole();
		ssize_t put = 1;

		for (size_t at = 0; at < WHOLE && put > 0; at += (size_t)put)
			put = write(pair[1], all + at, WHOLE - at);
		_exit(0);
	}
	close(pair[1]);
	for (ssize_t got; (got = read(pair[0], data + have, WHOLE - have)) > 0;)
		have += (size_t)got;
	tell_bytes("pipe", data, have);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && fork() == 0) {
		char *all = read_whole();
		ssize_t put = 1;

		for (size_t at = 0; at < WHOLE && put > 0; at += (size_t)put)
			put = send(pair[1], all + at, WHOLE - at, 0);
		_exit(0);
	}
	close(pair[1]);
	have = 0;
	for (ssize_t got; (got = read(pair[0], data + have, WHOLE - have)) > 0;)
		have += (size_t)got;
	tell_bytes("socket", data, have);
	fd = open(subject_file, O_RDONLY | O_DIRECT);
	if (fd >= 0 && read(fd, aligned, WHOLE) == WHOLE)
		tell_bytes("direct", aligned, WHOLE);
	else
		memcpy(aligned, read_whole(), WHOLE);
	tell_bytes("direct", aligned, WHOLE);
	while (wait(NULL) > 0)
		;
}

static const struct subject_case cases[] = {
	{ "whole", whole }, { "calls", calls }, { "places", places }, { "sizes", sizes }, { "changed-file", changed_file }, { "forks", forks },
	{ "other-files", other_files }, { "advice", subject_advice }, { "rights", subject_rights }, { "locked", subject_locked },
	{ "limits", subject_limits }, { "descriptors", subject_descriptors }, { "signals", subject_signals }, { "cancelled", subject_cancelled },
	{ "filter", subject_filter }, { "threads", subject_threads }, { "writer", subject_writer }, { "pipe-pages", subject_pipe_pages }, { "many", subject_many },
	{ "stay", subject_stay },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	subject_file = argv[2];
	/* Large blocks stay mappings of their own after the first was freed: more to go wrong. */
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		cases[i].run();
		return 0;
	}
	return 2;
}
