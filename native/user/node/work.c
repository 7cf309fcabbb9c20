/* SPDX-License-Identifier: Apache-2.0 */
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct work *work_new(napi_env env)
{
	struct work *work = calloc(1, sizeof(*work));

	if (work == NULL)
		napi_throw_error(env, "ENOMEM", "there is no memory left for this");
	else
		work->env = env;
	return work;
}

bool work_keep(struct work *work, napi_value value)
{
	return napi_create_reference(work->env, value, 1, &work->kept) == napi_ok;
}

napi_value work_kept(struct work *work)
{
	napi_value value = NULL;

	napi_get_reference_value(work->env, work->kept, &value);
	return value;
}

bool work_take_bytes(struct work *work, struct bytes bytes)
{
	work->bytes = bytes.bytes;
	work->data = bytes.data;
	if (bytes.bytes == 0)
		return true;
	if (bytes.bytes > SMALL_BYTES)
		return work_keep(work, bytes.value);
	work->data = work->own = malloc(bytes.bytes);
	if (work->own == NULL)
		return false;
	memcpy(work->own, bytes.data, bytes.bytes);
	return true;
}

static void work_end(struct work *work)
{
	if (work->drop != NULL)
		work->drop(work);
	if (work->kept != NULL)
		napi_delete_reference(work->env, work->kept);
	if (work->task != NULL)
		napi_delete_async_work(work->env, work->task);
	if (work->handle != NULL)
		handle_put(work->handle);
	free(work->own);
	free(work);
}

napi_value work_refuse(struct work *work)
{
	napi_env env = work->env;
	bool is_pending = false;

	work_end(work);
	if (napi_is_exception_pending(env, &is_pending) == napi_ok && !is_pending)
		arguments_wrong(env);
	return NULL;
}

static void execute(napi_env env, void *data)
{
	struct work *work = data;
	agentmem_t *am = NULL;

	(void)env;
	if (work->is_closer) {
		handle_close(work->handle);
		return;
	}
	if (work->handle != NULL)
		am = handle_use(work->handle);
	if (am == NULL && work->handle != NULL)
		work->error = -EBADF;
	else
		work->error = work->is_again ? work->again(work, am) : work->run(work, am);
	if (work->handle != NULL)
		handle_done(work->handle);
}

static void reject(struct work *work, int error)
{
	napi_value number;

	if (napi_create_int32(work->env, error, &number) == napi_ok)
		napi_reject_deferred(work->env, work->deferred, number);
}

/* Where a thread cannot be asked, it is an error like any other. */
static bool queue(struct work *work)
{
	return napi_queue_async_work(work->env, work->task) == napi_ok;
}

static void finish(struct work *work)
{
	struct handle *handle = work->handle;
	struct work *closer = NULL;

	if (handle != NULL && !work->is_closer && --handle->busy == 0) {
		closer = handle->closer;
		handle->closer = NULL;
		if (handle->is_collected)
			handle_close_later(handle);
	}
	work_end(work);
	if (closer != NULL && !queue(closer)) {
		reject(closer, -ENOMEM);
		work_end(closer);
	}
}

static void complete(napi_env env, napi_status status, void *data)
{
	struct work *work = data;
	napi_value value = NULL;

	if (status != napi_ok && work->error == 0)
		work->error = -ECANCELED;
	if (work->error == 0) {
		value = work->result == NULL ? NULL : work->result(env, work);
		if (work->error == 0 && value == NULL && work->again != NULL && !work->is_again) {
			work->is_again = true;
			if (queue(work))
				return;
			work->error = -ENOMEM;
		}
		/* What JavaScript has no place for throws; the promise is what tells of it. */
		if (work->result != NULL && value == NULL && work->error == 0)
			work->error = -ENOMEM;
		if (work->error != 0) {
			bool is_pending = false;

			if (napi_is_exception_pending(env, &is_pending) == napi_ok && is_pending)
				napi_get_and_clear_last_exception(env, &value);
		}
	}
	if (work->error != 0) {
		reject(work, work->error);
	} else {
		if (value == NULL)
			napi_get_undefined(env, &value);
		napi_resolve_deferred(env, work->deferred, value);
	}
	finish(work);
}

static napi_value start(struct work *work, struct handle *handle)
{
	napi_env env = work->env;
	napi_value name, promise;

	if (handle != NULL)
		work->handle = handle_get(handle);
	if (napi_create_string_utf8(env, "agentmem", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_async_work(env, NULL, name, execute, complete, work, &work->task) != napi_ok ||
	    napi_create_promise(env, &work->deferred, &promise) != napi_ok)
		return NULL;
	return promise;
}

napi_value work_start(struct work *work, struct handle *handle)
{
	napi_value promise = start(work, handle);

	if (promise == NULL)
		return work_refuse(work);
	if (handle != NULL)
		handle->busy++;
	if (handle != NULL && handle->is_closed) {
		reject(work, -EBADF);
		finish(work);
	} else if (!queue(work)) {
		reject(work, -ENOMEM);
		finish(work);
	}
	return promise;
}

napi_value work_start_closer(struct work *work, struct handle *handle)
{
	napi_value promise = start(work, handle);

	if (promise == NULL)
		return work_refuse(work);
	work->is_closer = true;
	/* Whoever closes twice is told so by index.ts; here the second has nothing to do. */
	if (handle->is_closed) {
		reject(work, -EBADF);
		work_end(work);
		return promise;
	}
	handle->is_closed = true;
	if (handle->busy > 0) {
		handle->closer = work;
	} else if (!queue(work)) {
		reject(work, -ENOMEM);
		work_end(work);
	}
	return promise;
}
