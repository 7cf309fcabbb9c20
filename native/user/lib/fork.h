/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_FORK_H
#define LIB_FORK_H

#include <pthread.h>

/* A child that was told: fork(3) took all locks before it. One that was not: any lock may be held by a thread that is not there. */
enum fork_side { FORK_PARENT, FORK_CHILD, FORK_UNTOLD_CHILD };

static inline void fork_unlock(pthread_mutex_t *lock, enum fork_side side)
{
	if (side == FORK_UNTOLD_CHILD)
		pthread_mutex_init(lock, NULL);
	else
		pthread_mutex_unlock(lock);
}

#endif
