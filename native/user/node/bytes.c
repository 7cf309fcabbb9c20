/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of units for JavaScript: mapped, or read into memory of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "area.h"
#include "calls.h"
#include "work.h"

struct mapped {
	struct area *area;
	const void *data;		/* where there is no area */
	bool wants_copy;
};

static int run_map(struct work *work, agentmem_t *am)
{
	struct mapped *mapped = work->own;
	int error = agentmem_map(am, work->unit, &mapped->data, &work->bytes);

	if (error != 0)
		return error;
	work->data = mapped->data;
	if (!mapped->wants_copy)
		mapped->area = area_new(work->handle, am, mapped->data, work->bytes);
	if (mapped->area != NULL)
		mapped->data = NULL;
	return 0;
}

static void map_drop(struct work *work)
{
	struct mapped *mapped = work->own;

	if (mapped == NULL)
		return;
	if (mapped->area != NULL)
		area_drop(mapped->area);
	else if (mapped->data != NULL)
		handle_unmap_later(work->handle, mapped->data);
}

static int run_copy(struct work *work, agentmem_t *am)
{
	(void)am;
	memcpy(work->target, work->data, work->bytes);
	return 0;
}

static napi_value map_value(napi_env env, napi_value buffer, bool is_copy)
{
	napi_value object = new_object(env), flag;

	if (object == NULL || napi_get_boolean(env, is_copy, &flag) != napi_ok)
		return NULL;
	set_value(env, object, "buffer", buffer);
	set_value(env, object, "isCopy", flag);
	return object;
}

/* Shared where it can be; else a copy, a large one on the thread once more. */
static napi_value map_result(napi_env env, struct work *work)
{
	struct mapped *mapped = work->own;
	napi_value buffer;

	if (work->is_again)
		return map_value(env, work_kept(work), true);
	buffer = mapped->area == NULL ? NULL : area_value(env, mapped->area);
	if (buffer != NULL) {
		mapped->area = NULL;
		return map_value(env, buffer, false);
	}
	if (napi_create_arraybuffer(env, work->bytes, &work->target, &buffer) != napi_ok) {
		work->error = -ENOMEM;
		return NULL;
	}
	if (work->bytes > SMALL_BYTES) {
		if (!work_keep(work, buffer))
			work->error = -ENOMEM;
		return NULL;
	}
	if (work->bytes > 0)
		memcpy(work->target, work->data, work->bytes);
	return map_value(env, buffer, true);
}

napi_value call_map(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	struct work *work = work_new(env);
	struct mapped *mapped;

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	mapped = work->own = calloc(1, sizeof(*mapped));
	if (mapped == NULL)
		return work_refuse(work);
	mapped->wants_copy = bool_at(&arguments, 2);
	work->run = run_map;
	work->result = map_result;
	work->again = run_copy;
	work->drop = map_drop;
	return arguments.is_wrong ? work_refuse(work) : work_start(work, handle);
}

/* Only what map gave as shared is given here; anything else that can be detached loses its bytes, as it would by a transfer. */
napi_value call_detach(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	bool is_buffer = false, is_detached = false;

	if (napi_is_arraybuffer(env, arguments.value[0], &is_buffer) != napi_ok || !is_buffer)
		return arguments_wrong(env);
	if (napi_is_detached_arraybuffer(env, arguments.value[0], &is_detached) == napi_ok && !is_detached)
		napi_detach_arraybuffer(env, arguments.value[0]);
	return NULL;
}

/* Bytes read into `to`, short at the end of the unit only. */
static int read_all(struct work *work, agentmem_t *am, void *to)
{
	size_t done = 0;

	while (done < work->bytes) {
		ssize_t got = agentmem_read(am, work->unit, work->offset + done, (char *)to + done, work->bytes - done);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	work->bytes = done;
	return 0;
}

/* Small: read at once. Large: first how much there is, so that no more memory is taken. */
static int run_read(struct work *work, agentmem_t *am)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	int error;

	if (work->bytes <= SMALL_BYTES) {
		work->own = malloc(work->bytes + 1);
		return work->own == NULL ? -ENOMEM : read_all(work, am, work->own);
	}
	error = agentmem_stat_unit(am, work->unit, &stat);
	if (error != 0)
		return error;
	if (work->offset >= stat.bytes)
		work->bytes = 0;
	else if (work->bytes > stat.bytes - work->offset)
		work->bytes = (size_t)(stat.bytes - work->offset);
	return 0;
}

static int run_read_large(struct work *work, agentmem_t *am)
{
	return read_all(work, am, work->target);
}

static napi_value read_result(napi_env env, struct work *work)
{
	napi_value buffer, array = NULL;

	if (work->is_again) {
		buffer = work_kept(work);
	} else {
		if (napi_create_arraybuffer(env, work->bytes, &work->target, &buffer) != napi_ok) {
			work->error = -ENOMEM;
			return NULL;
		}
		if (work->own == NULL && work->bytes > 0) {
			if (!work_keep(work, buffer))
				work->error = -ENOMEM;
			return NULL;
		}
		if (work->bytes > 0)
			memcpy(work->target, work->own, work->bytes);
	}
	napi_create_typedarray(env, napi_uint8_array, work->bytes, buffer, 0, &array);
	return array;
}

napi_value call_read(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->unit = big_at(&arguments, 1);
	work->offset = size_at(&arguments, 2);
	work->bytes = (size_t)size_at(&arguments, 3);
	work->run = run_read;
	work->again = run_read_large;
	work->result = read_result;
	return arguments.is_wrong ? work_refuse(work) : work_start(work, handle);
}
