/* SPDX-License-Identifier: Apache-2.0 */
#include "area.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/lib.h"
#include "lib/maps.h"

struct area {
	atomic_uint refs;		/* finalizers that are still to come */
	struct handle *handle;
	const void *data;		/* of agentmem_map(): keeps the unit mapped, for its broker too */
	void *pages;
	size_t bytes;
};

struct area *area_new(struct handle *handle, agentmem_t *am, const void *data, size_t bytes)
{
	/* It is mapped once more than it will be unmapped before this returns: it stays. */
	const struct mapping *mapping = maps_find(data, am->state);
	struct area *area;

	if (bytes == 0 || mapping == NULL || mapping->fd < 0)
		return NULL;
	area = calloc(1, sizeof(*area));
	if (area == NULL)
		return NULL;
	area->pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, mapping->fd, 0);
	if (area->pages == MAP_FAILED) {
		free(area);
		return NULL;
	}
	atomic_init(&area->refs, 1);
	area->handle = handle_get(handle);
	area->data = data;
	area->bytes = bytes;
	return area;
}

static void put(struct area *area)
{
	if (atomic_fetch_sub(&area->refs, 1) != 1)
		return;
	munmap(area->pages, area->bytes);
	free(area);
}

/* Its bytes are reached by nobody who may. */
static void let_go(struct area *area)
{
	mmap(area->pages, area->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	handle_unmap_later(area->handle, area->data);
	handle_put(area->handle);
	put(area);
}

static void bytes_finalize(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)data;
	let_go(hint);
}

static void object_finalize(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	put(data);
}

void area_drop(struct area *area)
{
	let_go(area);
}

napi_value area_value(napi_env env, struct area *area)
{
	napi_value value;

	if (napi_create_external_arraybuffer(env, area->pages, area->bytes, bytes_finalize, area, &value) != napi_ok)
		return NULL;
	atomic_fetch_add(&area->refs, 1);
	if (napi_add_finalizer(env, value, area, object_finalize, NULL, NULL) != napi_ok)
		put(area);
	return value;
}
