/* SPDX-License-Identifier: Apache-2.0 */
#include "handle.h"

#include <stdlib.h>
#include <unistd.h>

/* Tells our objects from all others: another addon's pointer is never taken for a handle. */
static const napi_type_tag handle_tag = { 0x616765e16d656d01, 0x9b1f4c7ad2305e86 };

struct later {
	struct later *next;
	enum { FREE_UNIT, UNMAP, CLOSE } what;
	agentmem_unit_t unit;
	const void *data;
};

struct handle *handle_new(agentmem_t *am)
{
	struct handle *handle = calloc(1, sizeof(*handle));

	if (handle == NULL)
		return NULL;
	atomic_init(&handle->refs, 1);
	pthread_mutex_init(&handle->lock, NULL);
	pthread_cond_init(&handle->changed, NULL);
	handle->am = am;
	handle->last = &handle->first;
	return handle;
}

struct handle *handle_get(struct handle *handle)
{
	atomic_fetch_add(&handle->refs, 1);
	return handle;
}

void handle_put(struct handle *handle)
{
	if (atomic_fetch_sub(&handle->refs, 1) != 1)
		return;
	pthread_cond_destroy(&handle->changed);
	pthread_mutex_destroy(&handle->lock);
	free(handle);
}

agentmem_t *handle_use(struct handle *handle)
{
	agentmem_t *am;

	pthread_mutex_lock(&handle->lock);
	while (handle->is_closing)
		pthread_cond_wait(&handle->changed, &handle->lock);
	handle->uses++;
	am = handle->am;
	pthread_mutex_unlock(&handle->lock);
	return am;
}

void handle_done(struct handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	handle->uses--;
	pthread_cond_broadcast(&handle->changed);
	pthread_mutex_unlock(&handle->lock);
}

void handle_close(struct handle *handle)
{
	agentmem_t *am;

	pthread_mutex_lock(&handle->lock);
	while (handle->uses > 0 || handle->is_closing)
		pthread_cond_wait(&handle->changed, &handle->lock);
	am = handle->am;
	handle->am = NULL;
	handle->is_closing = true;
	pthread_mutex_unlock(&handle->lock);
	handle_free_owned(handle, am);
	/* Mappings stay, and are unmapped without it. */
	agentmem_close(am);
	pthread_mutex_lock(&handle->lock);
	handle->is_closing = false;
	pthread_cond_broadcast(&handle->changed);
	pthread_mutex_unlock(&handle->lock);
}

static void act(struct handle *handle, const struct later *later)
{
	agentmem_t *am;

	if (later->what == CLOSE) {
		handle_close(handle);
		return;
	}
	am = handle_use(handle);
	if (later->what == UNMAP)
		agentmem_unmap(am, later->data);
	else if (am != NULL && handle_disown(handle, later->unit))
		agentmem_free(am, later->unit);
	handle_done(handle);
}

static void act_on_all(struct handle *handle)
{
	struct later *later;

	for (;;) {
		pthread_mutex_lock(&handle->lock);
		later = handle->first;
		if (later == NULL) {
			handle->has_thread = false;
			pthread_mutex_unlock(&handle->lock);
			return;
		}
		handle->first = later->next;
		if (handle->first == NULL)
			handle->last = &handle->first;
		pthread_mutex_unlock(&handle->lock);
		act(handle, later);
		free(later);
	}
}

static void *run(void *argument)
{
	act_on_all(argument);
	handle_put(argument);
	return NULL;
}

/* Takes what is asked over. Without memory it is lost: the broker takes it back when this process ends. */
static void push(struct handle *handle, struct later asked)
{
	struct later *later = malloc(sizeof(*later));
	pthread_attr_t attributes;
	bool starts;
	pthread_t thread;

	if (later == NULL)
		return;
	*later = asked;
	pthread_mutex_lock(&handle->lock);
	*handle->last = later;
	handle->last = &later->next;
	starts = !handle->has_thread;
	handle->has_thread = true;
	pthread_mutex_unlock(&handle->lock);
	if (!starts)
		return;
	handle_get(handle);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* No thread to be had: done here, though it may take a moment. */
	if (pthread_create(&thread, &attributes, run, handle) != 0)
		run(handle);
	pthread_attr_destroy(&attributes);
}

void handle_free_later(struct handle *handle, agentmem_unit_t unit)
{
	push(handle, (struct later){ .what = FREE_UNIT, .unit = unit });
}

void handle_unmap_later(struct handle *handle, const void *data)
{
	push(handle, (struct later){ .what = UNMAP, .data = data });
}

void handle_close_later(struct handle *handle)
{
	push(handle, (struct later){ .what = CLOSE });
}

/*
 * Whether what the first thread's environment still holds goes with the
 * process: a thread that gives it back would get some of it done, or none.
 */
static atomic_bool process_ends;

static bool is_first_thread(void)
{
	return getpid() == gettid();
}

/* Runs before the finalizers of what is left. */
static void end(void *argument)
{
	(void)argument;
	if (is_first_thread())
		atomic_store(&process_ends, true);
}

bool handle_begin(napi_env env)
{
	return napi_add_env_cleanup_hook(env, end, NULL) == napi_ok;
}

/* Collected, or its environment ends. Calls that run hold it through their work. */
static void finalize(napi_env env, void *data, void *hint)
{
	struct handle *handle = data;

	(void)env;
	(void)hint;
	if (!handle->is_closed && handle->busy == 0 && !(atomic_load(&process_ends) && is_first_thread()))
		handle_close_later(handle);
	handle->is_collected = !handle->is_closed;
	handle->is_closed = true;
	handle_put(handle);
}

napi_value handle_value(napi_env env, struct handle *handle)
{
	napi_value value;

	if (napi_create_object(env, &value) != napi_ok || napi_type_tag_object(env, value, &handle_tag) != napi_ok ||
	    napi_wrap(env, value, handle, finalize, NULL, NULL) != napi_ok)
		return NULL;
	return value;
}

struct handle *handle_of(napi_env env, napi_value value)
{
	napi_valuetype type;
	bool is_ours = false;
	void *data = NULL;

	if (value == NULL || napi_typeof(env, value, &type) != napi_ok || type != napi_object ||
	    napi_check_object_type_tag(env, value, &handle_tag, &is_ours) != napi_ok || !is_ours || napi_unwrap(env, value, &data) != napi_ok)
		return NULL;
	return data;
}
