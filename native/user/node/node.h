/* SPDX-License-Identifier: Apache-2.0 */
/* Node-API as we use it: version 8, which every Node from 20 on and every Electron has. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#define NAPI_VERSION 8
#include <node_api.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is copied at once rather than held, looked up or handed to a thread. */
#define SMALL_BYTES ((size_t)64 << 10)

#endif
