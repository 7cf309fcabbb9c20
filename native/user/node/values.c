/* SPDX-License-Identifier: Apache-2.0 */
#include "values.h"

#include <stdlib.h>
#include <string.h>

#define SAFE_MOST 9007199254740991.0
#define HEX_MOST 32

struct arguments arguments_of(napi_env env, napi_callback_info info)
{
	struct arguments arguments = { .env = env };
	size_t count = ARGUMENTS_MOST;

	/* What is not given is filled with undefined. */
	if (napi_get_cb_info(env, info, &count, arguments.value, NULL, NULL) != napi_ok)
		arguments.is_wrong = true;
	return arguments;
}

napi_value arguments_wrong(napi_env env)
{
	napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "agentmem.node was called with wrong arguments; it is to be called by its index.ts only");
	return NULL;
}

struct handle *handle_at(struct arguments *arguments, size_t at)
{
	struct handle *handle = handle_of(arguments->env, arguments->value[at]);

	arguments->is_wrong |= handle == NULL;
	return handle;
}

uint64_t big_at(struct arguments *arguments, size_t at)
{
	bool is_lossless = false;
	uint64_t value = 0;

	if (napi_get_value_bigint_uint64(arguments->env, arguments->value[at], &value, &is_lossless) != napi_ok || !is_lossless)
		arguments->is_wrong = true;
	return value;
}

static uint64_t size_of(struct arguments *arguments, napi_value value)
{
	double number = 0;

	/* Written so that NaN is wrong too. */
	if (napi_get_value_double(arguments->env, value, &number) != napi_ok || !(number >= 0 && number <= SAFE_MOST)) {
		arguments->is_wrong = true;
		return 0;
	}
	return (uint64_t)number;
}

uint64_t size_at(struct arguments *arguments, size_t at)
{
	return size_of(arguments, arguments->value[at]);
}

bool bool_at(struct arguments *arguments, size_t at)
{
	bool value = false;

	if (napi_get_value_bool(arguments->env, arguments->value[at], &value) != napi_ok)
		arguments->is_wrong = true;
	return value;
}

static struct bytes bytes_of(struct arguments *arguments, napi_value value)
{
	struct bytes bytes = { .value = value };
	napi_typedarray_type type;
	void *data = NULL;
	bool is_array = false;

	if (napi_is_typedarray(arguments->env, value, &is_array) != napi_ok || !is_array ||
	    napi_get_typedarray_info(arguments->env, value, &type, &bytes.bytes, &data, NULL, NULL) != napi_ok || type != napi_uint8_array)
		arguments->is_wrong = true;
	/* Older ones give the pointer of an empty array as it comes. */
	bytes.data = arguments->is_wrong || bytes.bytes == 0 ? NULL : data;
	return bytes;
}

struct bytes bytes_at(struct arguments *arguments, size_t at)
{
	return bytes_of(arguments, arguments->value[at]);
}

/* False where it is undefined. */
static bool get(struct arguments *arguments, napi_value object, const char *name, napi_value *value)
{
	napi_valuetype type = napi_undefined;

	if (napi_get_named_property(arguments->env, object, name, value) != napi_ok || napi_typeof(arguments->env, *value, &type) != napi_ok)
		arguments->is_wrong = true;
	return !arguments->is_wrong && type != napi_undefined;
}

uint64_t size_in(struct arguments *arguments, napi_value object, const char *name, uint64_t otherwise)
{
	napi_value value;

	return get(arguments, object, name, &value) ? size_of(arguments, value) : otherwise;
}

char *text_in(struct arguments *arguments, napi_value object, const char *name)
{
	napi_value value;
	size_t bytes = 0;
	char *text;

	if (!get(arguments, object, name, &value))
		return NULL;
	if (napi_get_value_string_utf8(arguments->env, value, NULL, 0, &bytes) != napi_ok) {
		arguments->is_wrong = true;
		return NULL;
	}
	text = calloc(1, bytes + 1);
	if (text == NULL || napi_get_value_string_utf8(arguments->env, value, text, bytes + 1, &bytes) != napi_ok)
		arguments->is_wrong = true;
	return text;
}

const void *bytes_in(struct arguments *arguments, napi_value object, const char *name, size_t bytes)
{
	struct bytes found;
	napi_value value;

	if (!get(arguments, object, name, &value))
		return NULL;
	found = bytes_of(arguments, value);
	arguments->is_wrong |= found.bytes != bytes;
	return arguments->is_wrong ? NULL : found.data;
}

void set_value(napi_env env, napi_value object, const char *name, napi_value value)
{
	napi_set_named_property(env, object, name, value);
}

napi_value new_object(napi_env env)
{
	napi_value object = NULL;

	napi_create_object(env, &object);
	return object;
}

napi_value new_size(napi_env env, uint64_t value)
{
	napi_value number = NULL;

	/* Bytes and milliseconds: what would not be exact is not on any machine. */
	napi_create_double(env, (double)value, &number);
	return number;
}

napi_value new_big(napi_env env, uint64_t value)
{
	napi_value number = NULL;

	napi_create_bigint_uint64(env, value, &number);
	return number;
}

void set_size(napi_env env, napi_value object, const char *name, uint64_t value)
{
	set_value(env, object, name, new_size(env, value));
}

void set_big(napi_env env, napi_value object, const char *name, uint64_t value)
{
	set_value(env, object, name, new_big(env, value));
}

void set_text(napi_env env, napi_value object, const char *name, const char *value)
{
	napi_value text = NULL;

	napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &text);
	set_value(env, object, name, text);
}

void set_hex(napi_env env, napi_value object, const char *name, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * HEX_MOST + 1];

	if (count > HEX_MOST)
		count = HEX_MOST;
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = '\0';
	set_text(env, object, name, text);
}
