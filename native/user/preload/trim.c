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

#include "launched.h"

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

static void leave_environment(void)
{
	if (!launched_leave_preload("agentmem-trim.so"))
		return;
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

	if (!launched_is_this("AGENTMEM_TRIM_PID")) {
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
