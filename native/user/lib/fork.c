/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork() with other threads in the middle of calls: our locks are taken
 * before, so that the child finds whole tables. Descriptors that calls hold
 * for a moment are closed there, and sockets: the broker must hear of the
 * parent's end though the child lives on.
 *
 * Order of locks: this list, the backend's own, mappings, descriptors.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "held.h"
#include "lib.h"
#include "maps.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct agentmem *all;
static bool is_watching;
/* 1 here, 0 in a child of a call that runs no handlers; NULL where the kernel has no such memory. */
static _Atomic(uint32_t) *mark;

static void before(void)
{
	pthread_mutex_lock(&lock);
	for (struct agentmem *am = all; am != NULL; am = am->next)
		am->operations->before_fork(am->state);
	maps_before_fork();
	held_before_fork();
}

static void after(enum fork_side side)
{
	held_after_fork(side);
	maps_after_fork(side);
	for (struct agentmem *am = all; am != NULL; am = am->next)
		am->operations->after_fork(am->state, side);
	if (side != FORK_PARENT && mark != NULL)
		atomic_store(mark, 1);
	fork_unlock(&lock, side);
}

static void after_in_parent(void)
{
	after(FORK_PARENT);
}

static void after_in_child(void)
{
	after(FORK_CHILD);
}

static int watch(void)
{
	void *page;

	if (is_watching)
		return 0;
	if (pthread_atfork(before, after_in_parent, after_in_child) != 0)
		return -ENOMEM;
	is_watching = true;
	page = mmap(NULL, sizeof(*mark), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return 0;
	if (madvise(page, sizeof(*mark), MADV_WIPEONFORK) != 0) {
		munmap(page, sizeof(*mark));
		return 0;
	}
	mark = page;
	atomic_store(mark, 1);
	return 0;
}

int fork_watch(struct agentmem *am)
{
	int error;

	pthread_mutex_lock(&lock);
	error = watch();
	if (error == 0) {
		am->next = all;
		all = am;
	}
	pthread_mutex_unlock(&lock);
	return error;
}

void fork_forget(struct agentmem *am)
{
	pthread_mutex_lock(&lock);
	for (struct agentmem **at = &all; *at != NULL; at = &(*at)->next) {
		if (*at == am) {
			*at = am->next;
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

void fork_check(void)
{
	if (mark != NULL && atomic_load_explicit(mark, memory_order_relaxed) == 0)
		after(FORK_UNTOLD_CHILD);
}
