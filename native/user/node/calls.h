/* SPDX-License-Identifier: Apache-2.0 */
/* What index.ts calls. Each takes a handle first, open() excepted, and gives a promise where it can block. */
#ifndef NODE_CALLS_H
#define NODE_CALLS_H

#include "agentmem.h"
#include "node.h"

/* agent.c */
napi_value call_open(napi_env env, napi_callback_info info);
napi_value call_close(napi_env env, napi_callback_info info);
napi_value call_backend(napi_env env, napi_callback_info info);
napi_value call_set_state(napi_env env, napi_callback_info info);
napi_value call_set_importance(napi_env env, napi_callback_info info);
napi_value call_error_text(napi_env env, napi_callback_info info);
/* unit.c */
napi_value call_alloc(napi_env env, napi_callback_info info);
napi_value call_append(napi_env env, napi_callback_info info);
napi_value call_fork(napi_env env, napi_callback_info info);
napi_value call_edit(napi_env env, napi_callback_info info);
napi_value call_share(napi_env env, napi_callback_info info);
napi_value call_find(napi_env env, napi_callback_info info);
napi_value call_mark_hot(napi_env env, napi_callback_info info);
napi_value call_free(napi_env env, napi_callback_info info);
napi_value call_free_later(napi_env env, napi_callback_info info);
napi_value call_keep(napi_env env, napi_callback_info info);
/* bytes.c */
napi_value call_map(napi_env env, napi_callback_info info);
napi_value call_detach(napi_env env, napi_callback_info info);
napi_value call_read(napi_env env, napi_callback_info info);
/* look.c */
napi_value call_stat(napi_env env, napi_callback_info info);
napi_value call_stat_unit(napi_env env, napi_callback_info info);
napi_value call_agents(napi_env env, napi_callback_info info);
napi_value call_units(napi_env env, napi_callback_info info);
napi_value call_settings(napi_env env, napi_callback_info info);

#endif
