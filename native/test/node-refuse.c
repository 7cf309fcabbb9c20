/* SPDX-License-Identifier: Apache-2.0 */
/* The addon under a JavaScript that takes no memory of others, as Electron's does not: its name is put in the place of the real one's. */
#include "node/node.h"

napi_status napi_create_external_arraybuffer(napi_env env, void *data, size_t bytes, napi_finalize finalize, void *hint, napi_value *result)
{
	(void)env;
	(void)data;
	(void)bytes;
	(void)finalize;
	(void)hint;
	(void)result;
	return napi_no_external_buffers_allowed;
}
