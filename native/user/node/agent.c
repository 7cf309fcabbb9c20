/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, closing, and what is said of the agent as a whole. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "work.h"

struct opening {
	struct agentmem_options options;
	char *name, *domain, *socket_path;
	uint8_t token[AGENTMEM_TOKEN_BYTES];
	agentmem_t *am;
};

static void opening_drop(struct work *work)
{
	struct opening *opening = work->own;

	if (opening == NULL)
		return;
	free(opening->name);
	free(opening->domain);
	free(opening->socket_path);
	explicit_bzero(opening->token, sizeof(opening->token));
	/* Opened, and nobody there to take it. */
	agentmem_close(opening->am);
}

static int run_open(struct work *work, agentmem_t *am)
{
	struct opening *opening = work->own;

	(void)am;
	return agentmem_open(&opening->am, &opening->options);
}

static napi_value opened(napi_env env, struct work *work)
{
	struct opening *opening = work->own;
	struct handle *handle = handle_new(opening->am);
	napi_value value;

	if (handle == NULL)
		return NULL;
	value = handle_value(env, handle);
	if (value == NULL)
		handle_put(handle);
	else
		opening->am = NULL;
	return value;
}

static bool read_options(struct arguments *arguments, struct opening *opening)
{
	struct agentmem_options *options = &opening->options;
	napi_value object = arguments->value[0];
	const void *token;

	options->size = sizeof(*options);
	options->backend = (int)size_in(arguments, object, "backend", AGENTMEM_AUTO);
	options->importance = (uint32_t)size_in(arguments, object, "importance", 0);
	options->flags = (uint32_t)size_in(arguments, object, "flags", 0);
	options->quota_bytes = size_in(arguments, object, "quotaBytes", 0);
	options->name = opening->name = text_in(arguments, object, "name");
	options->domain = opening->domain = text_in(arguments, object, "domain");
	options->socket_path = opening->socket_path = text_in(arguments, object, "socketPath");
	token = bytes_in(arguments, object, "token", AGENTMEM_TOKEN_BYTES);
	if (token != NULL) {
		memcpy(opening->token, token, AGENTMEM_TOKEN_BYTES);
		options->token = opening->token;
	}
	return !arguments->is_wrong;
}

napi_value call_open(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->run = run_open;
	work->result = opened;
	work->drop = opening_drop;
	work->own = calloc(1, sizeof(struct opening));
	if (work->own == NULL || !read_options(&arguments, work->own))
		return work_refuse(work);
	return work_start(work, NULL);
}

napi_value call_close(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	struct work *work = handle == NULL ? NULL : work_new(env);

	if (work == NULL)
		return arguments.is_wrong ? arguments_wrong(env) : NULL;
	return work_start_closer(work, handle);
}

napi_value call_backend(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);

	/* Never changes; asked before anything could have closed it. */
	return handle == NULL || handle->is_closed ? arguments_wrong(env) : new_size(env, (uint64_t)agentmem_backend(handle->am));
}

static int run_set_state(struct work *work, agentmem_t *am)
{
	return agentmem_set_state(am, work->number);
}

static int run_set_importance(struct work *work, agentmem_t *am)
{
	return agentmem_set_importance(am, (uint32_t)work->number);
}

static napi_value set(napi_env env, napi_callback_info info, int (*run)(struct work *work, agentmem_t *am))
{
	struct arguments arguments = arguments_of(env, info);
	struct handle *handle = handle_at(&arguments, 0);
	struct work *work = work_new(env);

	if (work == NULL)
		return NULL;
	work->run = run;
	work->number = (int)size_at(&arguments, 1);
	return arguments.is_wrong ? work_refuse(work) : work_start(work, handle);
}

napi_value call_set_state(napi_env env, napi_callback_info info)
{
	return set(env, info, run_set_state);
}

napi_value call_set_importance(napi_env env, napi_callback_info info)
{
	return set(env, info, run_set_importance);
}

napi_value call_error_text(napi_env env, napi_callback_info info)
{
	struct arguments arguments = arguments_of(env, info);
	napi_value text = NULL;
	int32_t error = 0;

	if (napi_get_value_int32(env, arguments.value[0], &error) != napi_ok)
		return arguments_wrong(env);
	napi_create_string_utf8(env, agentmem_error_text(error), NAPI_AUTO_LENGTH, &text);
	return text;
}
