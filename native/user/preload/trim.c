/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-trim.so, loaded by `agentmem-run --trim`: when the session role
 * sends TRIM_SIGNAL, a thread of its own gives what malloc holds free back to
 * the kernel (malloc_trim(3)). Programs with another allocator are not helped.
 *
 * The handler only posts a semaphore: malloc_trim takes malloc's locks, which
 * the interrupted code may hold.
 */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Beside the session role's helper/agents/ask/trim.ts. Above what Node and Bun reset at their start. */
#define TRIM_SIGNAL (SIGRTMIN + 9)
#define STACK_BYTES (64 * 1024)

static sem_t asked;

static void on_signal(int number)
{
	int before = errno;

	(void)number;
	sem_post(&asked);
	errno = before;
}

static void *serve(void *unused)
{
	(void)unused;
	for (;;) {
		if (sem_wait(&asked) != 0)
			continue;
		/* Several words at once are one. */
		while (sem_trywait(&asked) == 0)
			;
		malloc_trim(0);
	}
	return NULL;
}

/*
 * The launched process keeps its number through any chain of exec (sh, env,
 * node); its children have others. They are programs of their own, mostly no
 * agents: nothing is set up in them, and theirs start without us.
 */
static bool is_launched_process(void)
{
	const char *number = getenv("AGENTMEM_TRIM_PID");

	return number != NULL && strtol(number, NULL, 10) == (long)getpid();
}

static void leave_environment(void)
{
	char *list = getenv("LD_PRELOAD");
	char *found = list == NULL ? NULL : strstr(list, "agentmem-trim.so");
	char *start = found;
	char *rest;

	if (found == NULL)
		return;
	while (start > list && start[-1] != ':' && start[-1] != ' ')
		start--;
	rest = found + strcspn(found, ": ");
	rest += strspn(rest, ": ");
	memmove(start, rest, strlen(rest) + 1);
	if (list[0] == '\0')
		unsetenv("LD_PRELOAD");
	unsetenv("AGENTMEM_TRIM_PID");
}

__attribute__((constructor)) static void set_up(void)
{
	struct sigaction now;
	struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all;
	sigset_t before;
	size_t stack = STACK_BYTES;

	if (!is_launched_process()) {
		leave_environment();
		return;
	}
	/* Taken already: then the signal means something else here. */
	if (sigaction(TRIM_SIGNAL, NULL, &now) != 0 || now.sa_handler != SIG_DFL || sem_init(&asked, 0, 0) != 0)
		return;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	if (pthread_attr_init(&attributes) != 0)
		return;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, stack);
	/* No signal of the program's is ever handled on this thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (pthread_create(&thread, &attributes, serve, NULL) == 0)
		sigaction(TRIM_SIGNAL, &ours, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}
