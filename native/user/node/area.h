/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit's bytes as an ArrayBuffer has them: pages of the unit's own sealed
 * memfd, mapped privately and writable. What a program writes there becomes a
 * page of its own, so nothing it does harms a unit or ends the process.
 *
 * There are two ends. When its bytes are let go (unmap() detaches them, or
 * they are collected) the pages are taken away at once and the unit is
 * unmapped later; the addresses are kept, empty, until the ArrayBuffer itself
 * is collected: a thread of zlib or fs that still works on them finds zeros.
 */
#ifndef NODE_AREA_H
#define NODE_AREA_H

#include "handle.h"

struct area;

/* NULL where it has to be copied: small units, and backends without memfds. Else `data`, of agentmem_map(), is the area's to unmap. */
struct area *area_new(struct handle *handle, agentmem_t *am, const void *data, size_t bytes);
/* For one that no ArrayBuffer was made of. */
void area_drop(struct area *area);
/* An ArrayBuffer, which takes the area over. NULL where this JavaScript takes no memory of others (Electron): then it is still the caller's. */
napi_value area_value(napi_env env, struct area *area);

#endif
