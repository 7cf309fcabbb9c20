/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of shim-subject.c about what happens meanwhile: signals, threads, a writer. */
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim-subject.h"

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
