/* SPDX-License-Identifier: Apache-2.0 */
/* Units: made, changed, shared and given back. */
#include <errno.h>

#include "calls.h"
#include "work.h"

typedef int (*runner)(struct work *work, agentmem_t *am);

static napi_value unit_result(napi_env env, struct work *work)
{
	return new_big(env, work->unit);
}

/* A unit, if asked for, as second argument; what else there is has been read into `work`. */
static napi_value begin(struct arguments *arguments, struct work *work, runner run)
{
	struct handle *handle = handle_at(arguments, 0);

	work->run = run;
	return arguments->is_wrong ? work_refuse(work) : work_start(work, handle);
}

/* What was made is owned at once: nothing is lost where nobody is there to take it. */
static int own(struct work *work, agentmem_t *am, int error)
{
	if (error != 0 || handle_own(work->handle, work->unit))
		return error;
	agentmem_free(am, work->unit);
	return -ENOMEM;
}

static int run_alloc(struct work *work, agentmem_t *am)
{
	return own(work, am, agentmem_alloc(am, work->number, work->data, work->bytes, &work->unit));
}

napi_value call_alloc(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	struct bytes bytes;

	if (work == NULL)
		return NULL;
	work->number = (int)size_at(&arguments, 1);
	bytes = bytes_at(&arguments, 2);
	if (arguments.is_wrong || !work_take_bytes(work, bytes))
		return work_refuse(work);
	work->result = unit_result;
	return begin(&arguments, work, run_alloc);
}

static int run_append(struct work *work, agentmem_t *am)
{
	return agentmem_append(am, work->unit, work->data, work->bytes);
}

napi_value call_append(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	struct bytes bytes;

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	bytes = bytes_at(&arguments, 2);
	if (arguments.is_wrong || !work_take_bytes(work, bytes))
		return work_refuse(work);
	return begin(&arguments, work, run_append);
}

static int run_fork(struct work *work, agentmem_t *am)
{
	return own(work, am, agentmem_fork(am, work->unit, work->count, &work->unit));
}

/* Without a prefix: all. */
napi_value call_fork(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	napi_valuetype type = napi_undefined;

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	napi_typeof(env, arguments.value[2], &type);
	work->count = type == napi_undefined ? SIZE_MAX : size_at(&arguments, 2);
	work->result = unit_result;
	return begin(&arguments, work, run_fork);
}

static int run_edit(struct work *work, agentmem_t *am)
{
	return agentmem_edit(am, work->unit, work->offset, work->count, work->data, work->bytes);
}

napi_value call_edit(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	struct bytes bytes;

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	work->offset = size_at(&arguments, 2);
	work->count = size_at(&arguments, 3);
	bytes = bytes_at(&arguments, 4);
	if (arguments.is_wrong || !work_take_bytes(work, bytes))
		return work_refuse(work);
	return begin(&arguments, work, run_edit);
}

static int run_share(struct work *work, agentmem_t *am)
{
	return agentmem_share(am, work->unit, work->agent);
}

napi_value call_share(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	work->agent = big_at(&arguments, 2);
	return begin(&arguments, work, run_share);
}

static int run_find(struct work *work, agentmem_t *am)
{
	return agentmem_find(am, work->data, &work->unit);
}

napi_value call_find(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);
	struct bytes bytes;

	if (work == NULL)
		return NULL;
	bytes = bytes_at(&arguments, 1);
	if (arguments.is_wrong || bytes.bytes != AGENTMEM_DIGEST_BYTES || !work_take_bytes(work, bytes))
		return work_refuse(work);
	work->result = unit_result;
	return begin(&arguments, work, run_find);
}

static int run_mark_hot(struct work *work, agentmem_t *am)
{
	return agentmem_mark_hot(am, work->unit);
}

napi_value call_mark_hot(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	return begin(&arguments, work, run_mark_hot);
}

static int run_free(struct work *work, agentmem_t *am)
{
	int error;

	if (work->is_owned && !handle_disown(work->handle, work->unit))
		return -ENOENT;
	error = agentmem_free(am, work->unit);
	if (error != 0 && work->is_owned)
		handle_own(work->handle, work->unit);
	return error;
}

napi_value call_free(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	work->is_owned = bool_at(&arguments, 2);
	return begin(&arguments, work, run_free);
}

/* It is somebody else's to free. */
napi_value call_keep(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	agentmem_unit_t unit = big_at(&arguments, 1);

	if (arguments.is_wrong)
		return arguments_wrong(env);
	handle_disown(handle, unit);
	return NULL;
}

/* For what was collected: nobody waits, nobody is told. */
napi_value call_free_later(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	agentmem_unit_t unit = big_at(&arguments, 1);

	if (arguments.is_wrong)
		return arguments_wrong(env);
	handle_free_later(handle, unit);
	return NULL;
}
