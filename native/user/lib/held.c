/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stddef.h>
#include <unistd.h>

#include "held.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct held *list;

void held_begin(void)
{
	pthread_mutex_lock(&lock);
}

void held_put(struct held *held, int fd)
{
	held->fd = fd;
	if (fd < 0)
		return;
	held->next = list;
	held->at = &list;
	if (list != NULL)
		list->at = &held->next;
	list = held;
}

static int take_out(struct held *held)
{
	int fd = held->fd;

	if (fd < 0)
		return fd;
	*held->at = held->next;
	if (held->next != NULL)
		held->next->at = held->at;
	held->fd = -1;
	return fd;
}

void held_end(struct held *held, int fd)
{
	held_put(held, fd);
	pthread_mutex_unlock(&lock);
}

int held_keep(struct held *held)
{
	int fd;

	pthread_mutex_lock(&lock);
	fd = take_out(held);
	pthread_mutex_unlock(&lock);
	return fd;
}

void held_move(struct held *to, struct held *from)
{
	pthread_mutex_lock(&lock);
	held_put(to, take_out(from));
	pthread_mutex_unlock(&lock);
}

void held_close(struct held *held)
{
	int fd = held_keep(held);

	if (fd >= 0)
		close(fd);
}

void held_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void held_after_fork(enum fork_side side)
{
	while (side != FORK_PARENT && list != NULL)
		close(take_out(list));
	fork_unlock(&lock, side);
}
