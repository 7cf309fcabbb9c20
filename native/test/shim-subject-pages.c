/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of shim-subject.c about memory: advice, rights, locks, limits. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim-subject.h"

#define PAGE ((size_t)4096)

/* The first page boundary in a block. */
static char *page_of(char *data)
{
	return (char *)(((uintptr_t)data + PAGE - 1) & ~(PAGE - 1));
}

/* Whether a byte can be looked at, without ending the program. */
static long look(const char *at)
{
	static int null = -1;

	if (null < 0)
		null = open("/dev/random", O_WRONLY);
	return write(null, at, 1);
}

void subject_advice(void)
{
	static const int kinds[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTFORK, MADV_DOFORK, MADV_DONTDUMP, MADV_COLD, MADV_PAGEOUT, MADV_REMOVE, MADV_WIPEONFORK, MADV_KEEPONFORK, 1234 };
	char *data = read_whole();
	char *page = page_of(data);

	tell("part", madvise(page + 10 * PAGE, 100 * PAGE, MADV_DONTNEED));
	tell_bytes("part", data, WHOLE);
	memset(page + 50 * PAGE, 5, 100 * PAGE);
	tell_bytes("written", data, WHOLE);
	tell("again", madvise(page + 10 * PAGE, 100 * PAGE - 5, MADV_DONTNEED));
	tell_bytes("again", data, WHOLE);
	tell("number", syscall(SYS_madvise, page + 300 * PAGE, 50 * PAGE, MADV_DONTNEED));
	tell_bytes("number", data, WHOLE);
	tell("odd", madvise(page + 1, PAGE, MADV_DONTNEED));
	tell("all", madvise(page, WHOLE - 2 * PAGE, MADV_DONTNEED));
	tell_bytes("all", data, WHOLE);
	free(data);
	data = read_whole();
	page = page_of(data);
	tell("free", madvise(page, WHOLE / 2, MADV_FREE));
	memset(page, 1, WHOLE / 2);
	tell_bytes("free", data, WHOLE);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		data = read_whole();
		tell("kind", madvise(page_of(data) + PAGE, 200 * PAGE, kinds[i]));
		tell_bytes("kind", data, WHOLE);
		fflush(stdout);
		if (kinds[i] == MADV_WIPEONFORK && fork() == 0) {
			tell_bytes("wiped", data, WHOLE);
			fflush(stdout);
			_exit(0);
		}
		wait(NULL);
		free(data);
	}
	data = read_whole();
	page = page_of(data);
	tell("moved", mremap(page + 10 * PAGE, 20 * PAGE, 40 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
	tell_bytes("before", data, WHOLE / 1024);
}

void subject_rights(void)
{
	char *data = read_whole();
	char *page = page_of(data);
	int fd = open_file();

	tell("read only", mprotect(page, 100 * PAGE, PROT_READ));
	tell("refused", pread(fd, data, WHOLE, 0));
	tell("zero", madvise(page, 10 * PAGE, MADV_DONTNEED));
	tell_bytes("zero", data, WHOLE);
	tell("writable", mprotect(page, 100 * PAGE, PROT_READ | PROT_WRITE));
	memset(page, 2, 5 * PAGE);
	tell_bytes("written", data, WHOLE);
	tell("none", mprotect(page + 200 * PAGE, 100 * PAGE, PROT_NONE));
	tell("look", look(page + 250 * PAGE));
	tell("zero", madvise(page + 200 * PAGE, 100 * PAGE, MADV_DONTNEED));
	tell("look", look(page + 250 * PAGE));
	tell("back", mprotect(page + 200 * PAGE, 100 * PAGE, PROT_READ | PROT_WRITE));
	tell_bytes("back", data, WHOLE);
	tell("run", mprotect(page + 400 * PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	page[400 * PAGE] = (char)0xc3;
	((void (*)(void))(uintptr_t)(page + 400 * PAGE))();
	tell_bytes("run", data, WHOLE);
	free(data);
	tell_bytes("after", read_whole(), WHOLE);
}

void subject_locked(void)
{
	char *data = read_whole();
	char *page = page_of(data);

	tell("lock", mlock(page, 16 * PAGE));
	tell("zero", madvise(page, 16 * PAGE, MADV_DONTNEED));
	tell("free", madvise(page, 16 * PAGE, MADV_FREE));
	tell_bytes("kept", data, WHOLE);
	tell("zero", madvise(page + 20 * PAGE, 16 * PAGE, MADV_DONTNEED));
	tell_bytes("zero", data, WHOLE);
	tell("unlock", munlock(page, 16 * PAGE));
	tell("zero", madvise(page, 16 * PAGE, MADV_DONTNEED));
	tell_bytes("zero", data, WHOLE);
	tell("lock all", mlockall(MCL_CURRENT | MCL_FUTURE));
	tell_bytes("locked", read_whole(), WHOLE);
}

void subject_limits(void)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	int fd = open_file();
	char *data = malloc(WHOLE);

	tell("files", setrlimit(RLIMIT_FSIZE, &limit));
	tell_bytes("small files", read_whole(), WHOLE);
	limit = (struct rlimit){ (rlim_t)fd + 1, (rlim_t)fd + 1 };
	tell("descriptors", setrlimit(RLIMIT_NOFILE, &limit));
	tell("open", open("/", O_RDONLY));
	tell("read", read(fd, data, WHOLE));
	tell_bytes("no descriptors", data, WHOLE);
	limit = (struct rlimit){ 0, 0 };
	free(data);
	data = malloc(WHOLE);
	tell("space", setrlimit(RLIMIT_AS, &limit));
	tell("read", pread(fd, data, WHOLE, 0));
	tell_bytes("no space", data, WHOLE);
}

void subject_descriptors(void)
{
	char name[4096];
	char line[64] = "";
	int fd;

	tell_bytes("first", read_whole(), WHOLE);
	fd = open("/", O_RDONLY);
	tell("lowest", fd);
	for (int i = 3; i < 1024; i++)
		close(i);
	tell_bytes("after closing", read_whole(), WHOLE);
	/* Whatever was open there becomes a file of ours. */
	snprintf(name, sizeof(name), "%s.own", subject_file);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (int i = 1000; i < 1010; i++)
		dup2(fd, i);
	tell_bytes("after taking its place", read_whole(), WHOLE);
	free(read_whole());
	for (int i = 1000; i < 1010; i++)
		tell("open", fcntl(i, F_GETFD));
	tell("written", pread(fd, line, sizeof(line), 0));
	unlink(name);
}

void subject_pipe_pages(void)
{
	char *data = malloc(WHOLE);
	char *page = page_of(data);
	struct iovec part = { page, 4 * PAGE };
	char seen[4 * PAGE];
	int ends[2];
	int fd = open_file();

	memset(data, 1, WHOLE);
	if (pipe(ends) != 0)
		exit(10);
	tell("into the pipe", vmsplice(ends[1], &part, 1, 0));
	tell("read", read(fd, data, WHOLE));
	page[7] = 'x';
	tell("out of it", read(ends[0], seen, sizeof(seen)));
	tell_bytes("seen", seen, sizeof(seen));
}

/* More than the tables of the shim hold, and all at odd places. */
void subject_many(void)
{
	enum { COUNT = 1200 };
	static char *blocks[COUNT];
	int fd = open_file();
	uint64_t all = 0;

	for (size_t i = 0; i < COUNT; i++) {
		blocks[i] = malloc(550000 + i);
		if (i % 4 == 0 && pread(fd, blocks[i] + i % 20, 550000, (off_t)(i % 7) * 4096) != 550000)
			tell("read", -1);
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (i % 4 == 0) {
			blocks[i][300000] = (char)i;
			all = all * 31 + sum(blocks[i] + i % 20, 550000);
		}
		free(blocks[i]);
	}
	printf("all %016llx\n", (unsigned long long)all);
}
