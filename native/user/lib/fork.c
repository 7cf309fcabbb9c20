/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork() with other threads in the middle of calls: all our locks are taken
 * before, so that the child finds whole tables, and made anew in the child,
 * where a thread of another number would have to release them. Descriptors
 * that calls hold for a moment are closed there, sockets first: the broker
 * must hear of the parent's end though the child lives on.
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

static void after(bool is_child)
{
	held_after_fork(is_child);
	maps_after_fork(is_child);
	for (struct agentmem *am = all; am != NULL; am = am->next)
		am->operations->after_fork(am->state, is_child);
	if (is_child) {
		pthread_mutex_init(&lock, NULL);
		if (mark != NULL)
			atomic_store(mark, 1);
	} else {
		pthread_mutex_unlock(&lock);
	}
}

static void after_in_parent(void)
{
	after(false);
}

static void after_in_child(void)
{
	after(true);
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
		after(true);
}
