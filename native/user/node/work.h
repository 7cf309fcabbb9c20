/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call on a thread of the pool, as a promise. `run` is on that thread and
 * sees no JavaScript; `result` is back on the environment's. A promise is
 * rejected with a negative errno, of which index.ts makes an Error.
 */
#ifndef NODE_WORK_H
#define NODE_WORK_H

#include "values.h"

struct work {
	/* Set by who makes it. */
	int (*run)(struct work *work, agentmem_t *am);
	napi_value (*result)(napi_env env, struct work *work);	/* NULL: undefined */
	/* A second run after `result`, which answers NULL then; NULL: none. */
	int (*again)(struct work *work, agentmem_t *am);
	void (*drop)(struct work *work);	/* what it holds besides; NULL: nothing */
	/* For those functions. */
	agentmem_unit_t unit;
	uint64_t agent, offset, count;
	const void *data;
	size_t bytes;
	int number;
	bool is_owned;
	void *own;			/* given to free() */
	void *target;			/* of `again` */
	/* Its own. */
	napi_env env;
	napi_async_work task;
	napi_deferred deferred;
	napi_ref kept;
	struct handle *handle;
	int error;
	bool is_again, is_closer;
};

/* Zero. NULL after an exception was thrown for lack of memory. */
struct work *work_new(napi_env env);
/* Its data is these bytes, copied where they are small, held as they are else. */
bool work_take_bytes(struct work *work, struct bytes bytes);
/* Keeps a value alive until the work is done; once only. */
bool work_keep(struct work *work, napi_value value);
napi_value work_kept(struct work *work);
/* The promise; takes the work over. `handle` is NULL for opening alone. */
napi_value work_start(struct work *work, struct handle *handle);
/* Closes after all calls that were begun before. */
napi_value work_start_closer(struct work *work, struct handle *handle);
/* For a call that cannot be: ends the work, throws if nothing was thrown. */
napi_value work_refuse(struct work *work);

#endif
