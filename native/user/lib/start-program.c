/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a program inside of somebody else's process: no child that the
 * application could see or have to wait for, no handler of its run, and none
 * of its descriptors, signals or preloaded libraries handed on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/host.h"
#include "connection.h"
#include "start.h"

#define PROGRAM "agentmem-broker"
#define INSTALLED "/usr/lib/agentmem/" PROGRAM

static bool is_program(const char *path)
{
	return path[0] == '/' && access(path, X_OK) == 0;
}

/* Of the file that this code is in: the library, or the program it is linked into. */
static bool own_folder(char folder[PATH_MAX])
{
	Dl_info info;
	char *slash;

	if (dladdr((const void *)&start_program, &info) == 0 || info.dli_fname == NULL)
		return false;
	if (realpath(info.dli_fname[0] == '/' ? info.dli_fname : "/proc/self/exe", folder) == NULL)
		return false;
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

bool start_find_program(char *program, unsigned room)
{
	static const char *const places[] = { PROGRAM, "agentmem/" PROGRAM, "../lib/agentmem/" PROGRAM };
	const char *asked = secure_getenv("AGENTMEM_BROKER");
	char folder[PATH_MAX];

	if (asked != NULL && asked[0] != '\0') {
		snprintf(program, room, "%s", asked);
		return strlen(asked) < room && is_program(program);
	}
	/* A program with more rights than its caller starts what root installed, and nothing else. */
	if (getauxval(AT_SECURE) == 0 && own_folder(folder)) {
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			int bytes = snprintf(program, room, "%s/%s", folder, places[i]);

			if (bytes > 0 && (unsigned)bytes < room && is_program(program))
				return true;
		}
	}
	snprintf(program, room, "%s", INSTALLED);
	return is_program(program);
}

/* Not what was loaded into this program for this program. */
static bool is_handed_on(const char *variable)
{
	return strncmp(variable, "LD_", 3) != 0;
}

static char **environment(void)
{
	size_t count = 0, kept = 0;
	char **copy;

	while (environ != NULL && environ[count] != NULL)
		count++;
	copy = calloc(count + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < count; i++) {
		if (is_handed_on(environ[i]))
			copy[kept++] = environ[i];
	}
	return copy;
}

static long copy_process(void)
{
	/* No signal to the parent when it ends; no handlers of fork(3). */
	return syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

/* Nothing that a library wants to do at the end of this program is to be done at the end of its copy. */
__attribute__((noreturn)) static void end_copy(int status)
{
	for (;;)
		(void)syscall(SYS_exit_group, status);
}

__attribute__((noreturn)) static void become(const char *program, char *const arguments[], char *const variables[])
{
	sigset_t none;
	int null;

	for (int signal_number = 1; signal_number < NSIG; signal_number++)
		(void)signal(signal_number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setsid();
	(void)!chdir("/");
	null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd <= 2; fd++)
		(void)dup2(null, fd);
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
		/* Before Linux 5.11. */
		for (int fd = 3; fd < 4096; fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	execve(program, arguments, variables);
	end_copy(127);
}

/* Waits until the program has gone to the background, or ended, and tells how. Nothing but system calls from here on: other threads may have held any lock. */
__attribute__((noreturn)) static void start_and_tell(const char *program, char *const arguments[], char *const variables[], int report)
{
	long child = copy_process();
	int status = -1;

	if (child == 0)
		become(program, arguments, variables);
	while (child > 0 && waitpid((pid_t)child, &status, __WALL) < 0 && errno == EINTR)
		;
	(void)!write(report, &status, sizeof(status));
	end_copy(0);
}

static int hear(int report, uint64_t end_ms)
{
	struct pollfd look = { .fd = report, .events = POLLIN };
	uint64_t time_ms;
	int status;

	while ((time_ms = now_ms()) < end_ms) {
		if (poll(&look, 1, (int)(end_ms - time_ms)) <= 0)
			continue;
		if (read(report, &status, sizeof(status)) != (ssize_t)sizeof(status) || status == -1)
			return -ENODEV;
		/* Killed meanwhile: that says nothing about the next one. */
		if (WIFSIGNALED(status))
			return -EAGAIN;
		return WEXITSTATUS(status) == 0 ? 0 : -ENODEV;
	}
	return -ETIMEDOUT;
}

int start_program(const char *program, const char *socket_path, uint64_t end_ms)
{
	char *arguments[] = { (char *)(uintptr_t)program, (char *)(uintptr_t)"--socket", (char *)(uintptr_t)socket_path, NULL };
	char **variables = environment();
	struct held read_end = HELD_NONE, write_end = HELD_NONE;
	sigset_t all, before;
	int ends[2], error;
	long child;

	if (variables == NULL)
		return -ENOMEM;
	held_begin();
	if (pipe2(ends, O_CLOEXEC) != 0)
		ends[0] = ends[1] = -1;
	held_put(&read_end, ends[0]);
	held_end(&write_end, ends[1]);
	if (ends[0] < 0) {
		free(variables);
		return -EMFILE;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	child = copy_process();
	if (child == 0)
		start_and_tell(program, arguments, variables, ends[1]);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	held_close(&write_end);
	free(variables);
	error = child < 0 ? -ENOMEM : hear(read_end.fd, end_ms);
	if (child > 0 && error == -ETIMEDOUT)
		(void)kill((pid_t)child, SIGKILL);
	while (child > 0 && waitpid((pid_t)child, NULL, (int)__WCLONE) < 0 && errno == EINTR)
		;
	held_close(&read_end);
	return error;
}
