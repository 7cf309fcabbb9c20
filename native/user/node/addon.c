/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addon: Node-API only, so that one build serves every Node from 20 on.
 * All it keeps hangs on objects of the environment that made them; a worker
 * thread has its own, and nothing here knows of two.
 */
#include "calls.h"
#include "handle.h"

static const struct {
	const char *name;
	napi_callback call;
} calls[] = {
	{ "open", call_open }, { "close", call_close }, { "backend", call_backend }, { "setState", call_set_state },
	{ "setImportance", call_set_importance }, { "errorText", call_error_text },
	{ "alloc", call_alloc }, { "append", call_append }, { "fork", call_fork }, { "edit", call_edit }, { "share", call_share },
	{ "find", call_find }, { "markHot", call_mark_hot }, { "free", call_free }, { "freeLater", call_free_later }, { "keep", call_keep },
	{ "map", call_map }, { "detach", call_detach }, { "read", call_read },
	{ "stat", call_stat }, { "statUnit", call_stat_unit }, { "agents", call_agents }, { "units", call_units }, { "settings", call_settings },
};

NAPI_MODULE_INIT()
{
	if (!handle_begin(env))
		return NULL;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		napi_value function;

		if (napi_create_function(env, calls[i].name, NAPI_AUTO_LENGTH, calls[i].call, NULL, &function) != napi_ok ||
		    napi_set_named_property(env, exports, calls[i].name, function) != napi_ok)
			return NULL;
	}
	return exports;
}
