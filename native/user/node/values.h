/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of JavaScript from and to C. index.ts checks what users give and says
 * what is wrong with it; here a wrong argument only must do no harm.
 */
#ifndef NODE_VALUES_H
#define NODE_VALUES_H

#include "handle.h"
#include "node.h"

#define ARGUMENTS_MOST 6

struct arguments {
	napi_env env;
	napi_value value[ARGUMENTS_MOST];
	bool is_wrong;			/* one could not be read; the getters below set it */
};

struct bytes {
	const void *data;
	size_t bytes;
	napi_value value;		/* what keeps them alive */
};

struct arguments arguments_of(napi_env env, napi_callback_info info);
/* Throws; always NULL, to be returned. */
napi_value arguments_wrong(napi_env env);

struct handle *handle_at(struct arguments *arguments, size_t at);
uint64_t big_at(struct arguments *arguments, size_t at);
/* A whole number from 0 to 2^53 - 1. */
uint64_t size_at(struct arguments *arguments, size_t at);
bool bool_at(struct arguments *arguments, size_t at);
struct bytes bytes_at(struct arguments *arguments, size_t at);
/* A property by its name; a property that is undefined is `otherwise`. */
uint64_t size_in(struct arguments *arguments, napi_value object, const char *name, uint64_t otherwise);
/* NULL where it is undefined; to be given to free(). */
char *text_in(struct arguments *arguments, napi_value object, const char *name);
/* NULL where it is undefined; exactly `bytes` long, else wrong. */
const void *bytes_in(struct arguments *arguments, napi_value object, const char *name, size_t bytes);

void set_size(napi_env env, napi_value object, const char *name, uint64_t value);
void set_big(napi_env env, napi_value object, const char *name, uint64_t value);
void set_text(napi_env env, napi_value object, const char *name, const char *value);
void set_hex(napi_env env, napi_value object, const char *name, const uint8_t *bytes, size_t count);
void set_value(napi_env env, napi_value object, const char *name, napi_value value);
napi_value new_object(napi_env env);
napi_value new_size(napi_env env, uint64_t value);
napi_value new_big(napi_env env, uint64_t value);

#endif
