/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open agentmem_t as JavaScript holds it, and what is done for it later.
 *
 * Calls run on threads of the pool, begun and ended on the thread of their
 * environment: `busy` is that thread's alone. Finalizers may not wait, so they
 * leave what has to be given back to a thread of the handle's own, which is
 * there only while there is something to do.
 */
#ifndef NODE_HANDLE_H
#define NODE_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "agentmem.h"
#include "node.h"

struct later;
struct work;

struct handle {
	atomic_uint refs;
	pthread_mutex_t lock;		/* guards all up to the next comment, is never held in a call of the library */
	pthread_cond_t changed;
	agentmem_t *am;			/* NULL once it is closed */
	unsigned uses;			/* threads that are in a call with it */
	bool is_closing;		/* never while there are uses */
	struct am_table *owned;		/* NULL: none */
	struct later *first, **last;
	bool has_thread;
	/* Of the thread of the environment. */
	unsigned busy;			/* calls that were begun and are not ended */
	bool is_closed;			/* takes no more calls */
	bool is_collected;		/* closed with the last call that was begun */
	struct work *closer;		/* waits for busy to become 0 */
};

struct handle *handle_new(agentmem_t *am);
/* Once for each environment. */
bool handle_begin(napi_env env);
/* As an object of JavaScript, which takes the reference over; NULL where it could not be made. */
napi_value handle_value(napi_env env, struct handle *handle);
/* NULL for any other value. */
struct handle *handle_of(napi_env env, napi_value value);
struct handle *handle_get(struct handle *handle);
void handle_put(struct handle *handle);
/* On a thread that may wait: until handle_done() it is not closed under the caller. NULL where it is closed. */
agentmem_t *handle_use(struct handle *handle);
void handle_done(struct handle *handle);
/* Waits for those, frees what is owned, and closes it. */
void handle_close(struct handle *handle);

/* owned.c: holds that go with the handle. False without memory; false where it is not owned. */
bool handle_own(struct handle *handle, agentmem_unit_t unit);
bool handle_disown(struct handle *handle, agentmem_unit_t unit);
/* By handle_close() alone. */
void handle_free_owned(struct handle *handle, agentmem_t *am);

/* None of these waits. A unit is freed where it is owned. */
void handle_free_later(struct handle *handle, agentmem_unit_t unit);
void handle_unmap_later(struct handle *handle, const void *data);
void handle_close_later(struct handle *handle);

#endif
