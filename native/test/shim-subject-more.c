/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of shim-subject.c about memory, limits, signals and threads. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
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

static sigjmp_buf back;
static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms = alarms + 1;
	if (alarms % 3 == 0)
		siglongjmp(back, 1);
}

void subject_signals(void)
{
	struct itimerval often = { { 0, 700 }, { 0, 700 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	static volatile int rounds;
	static char *volatile data;

	signal(SIGALRM, on_alarm);
	sigsetjmp(back, 1);
	if (rounds == 0)
		setitimer(ITIMER_REAL, &often, NULL);
	/* A block a round is lost by jumping. */
	while (rounds < 30) {
		int fd = open_file();

		rounds = rounds + 1;
		data = malloc(WHOLE);
		if (read(fd, data, WHOLE) < 0)
			tell("read", -1);
		close(fd);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	tell_bytes("at last", read_whole(), WHOLE);
}

static void *reads_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		free(read_whole());
	return NULL;
}

void subject_cancelled(void)
{
	for (int i = 0; i < 20; i++) {
		pthread_t thread;
		void *result;

		if (pthread_create(&thread, NULL, reads_for_ever, NULL) != 0)
			exit(7);
		usleep(3000 + 500 * (unsigned)i);
		pthread_cancel(thread);
		pthread_join(thread, &result);
		if (result != PTHREAD_CANCELED)
			tell("not cancelled", i);
	}
	tell_bytes("at last", read_whole(), WHOLE);
}

void subject_filter(void)
{
	/* All that the shim may want is deadly. */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 7, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_poll, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getdents64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	int fd = open_file();
	char *data = malloc(WHOLE);
	char *first = read_whole();

	tell("no more rights", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	tell("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	tell("read", read(fd, data, WHOLE));
	tell_bytes("read", data, WHOLE);
	free(first);
	free(data);
	tell_bytes("calloc", calloc(1, WHOLE), WHOLE);
}

struct share_of_work {
	pthread_t thread;
	unsigned seed;
	const char *expected;
};

static void *reads_parts(void *context)
{
	struct share_of_work *work = context;
	int fd = open_file();

	for (int i = 0; i < 6; i++) {
		size_t bytes = 700000 + (size_t)rand_r(&work->seed) % 1500000;
		size_t at = (size_t)rand_r(&work->seed) % ((size_t)WHOLE - bytes);
		size_t shift = (size_t)rand_r(&work->seed) % 5000;
		char *data = malloc(bytes + shift);

		if (pread(fd, data + shift, bytes, (off_t)at) != (ssize_t)bytes || memcmp(data + shift, work->expected + at, bytes) != 0)
			tell("wrong", i);
		memset(data + shift, i, bytes / 3);
		if (memcmp(data + shift + bytes / 3, work->expected + at + bytes / 3, bytes - bytes / 3) != 0)
			tell("wrong after writing", i);
		free(data);
	}
	close(fd);
	return NULL;
}

void subject_threads(void)
{
	struct share_of_work work[64];
	char *expected = read_whole();
	pthread_attr_t small;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 16384 + 4096);
	for (unsigned i = 0; i < 64; i++) {
		work[i].seed = i;
		work[i].expected = expected;
		if (pthread_create(&work[i].thread, i % 2 == 0 ? &small : NULL, reads_parts, &work[i]) != 0)
			exit(8);
	}
	for (unsigned i = 0; i < 64; i++)
		pthread_join(work[i].thread, NULL);
	tell_bytes("all", expected, WHOLE);
}

static _Atomic int over;

/* Through a mapping: the file's times hardly move. */
static void *writes(void *context)
{
	char *at = context;

	for (int i = 0; !atomic_load(&over); i++)
		for (size_t each = 0; each < WHOLE && !atomic_load(&over); each += 256)
			((volatile char *)at)[each] = (char)i;
	return NULL;
}

/* What a read gave stays what it was, whoever writes the file meanwhile. */
void subject_writer(void)
{
	char name[4096];
	pthread_t thread;
	void *file;
	int fd;

	snprintf(name, sizeof(name), "%s.changing", subject_file);
	fd = open(name, O_RDWR);
	file = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED || pthread_create(&thread, NULL, writes, file) != 0)
		exit(9);
	for (int i = 0; i < 10; i++) {
		char *data = malloc(WHOLE);
		uint64_t before;

		/* Looks old, as it would to a reader that comes long after. */
		futimens(fd, (struct timespec[2]){ { 1000000000, 0 }, { 1000000000, 0 } });
		if (pread(fd, data, WHOLE, 0) != WHOLE)
			tell("read", -1);
		before = sum(data, WHOLE);
		usleep(2000);
		if (sum(data, WHOLE) != before)
			tell("changed", i);
		free(data);
	}
	atomic_store(&over, 1);
	pthread_join(thread, NULL);
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

/* Holds the file's bytes until its input ends. */
void subject_stay(void)
{
	char *data = read_whole();
	char end;

	printf("ready\n");
	fflush(stdout);
	if (read(0, &end, 1) < 0)
		exit(11);
	tell_bytes("held", data, WHOLE);
}
