/* SPDX-License-Identifier: Apache-2.0 */
#include "contexts.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Rooms begin with this much address space; only what is written to costs. */
#define ROOM_LEAST_BYTES (128u * 1024u)
/* Before what is allocated: its length, and what aligns it. */
#define LENGTH_BYTES 64

static void *map_memory(void *nothing, size_t bytes)
{
	size_t whole = bytes + LENGTH_BYTES;
	void *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)nothing;
	if (memory == MAP_FAILED)
		return NULL;
	*(size_t *)memory = whole;
	return (uint8_t *)memory + LENGTH_BYTES;
}

static void unmap_memory(void *nothing, void *address)
{
	uint8_t *memory = (uint8_t *)address - LENGTH_BYTES;

	(void)nothing;
	if (address != NULL)
		munmap(memory, *(size_t *)(void *)memory);
}

const ZSTD_customMem context_memory = { .customAlloc = map_memory, .customFree = unmap_memory };

void contexts_open(struct contexts *contexts)
{
	pthread_mutex_init(&contexts->lock, NULL);
	contexts->free = NULL;
	contexts->bytes = 0;
}

static void let_go(struct context *context)
{
	ZSTD_freeCCtx(context->pack);
	ZSTD_freeDCtx(context->unpack);
	if (context->room != NULL)
		munmap(context->room, context->room_bytes);
	free(context);
}

void contexts_rest(struct contexts *contexts)
{
	struct context *context;

	pthread_mutex_lock(&contexts->lock);
	context = contexts->free;
	contexts->free = NULL;
	for (struct context *one = context; one != NULL; one = one->next)
		contexts->bytes -= one->counted_bytes;
	pthread_mutex_unlock(&contexts->lock);
	while (context != NULL) {
		struct context *next = context->next;

		let_go(context);
		context = next;
	}
}

void contexts_close(struct contexts *contexts)
{
	contexts_rest(contexts);
	pthread_mutex_destroy(&contexts->lock);
}

size_t contexts_bytes(struct contexts *contexts)
{
	size_t bytes;

	pthread_mutex_lock(&contexts->lock);
	bytes = contexts->bytes;
	pthread_mutex_unlock(&contexts->lock);
	return bytes;
}

struct context *context_take(struct contexts *contexts)
{
	struct context *context;

	pthread_mutex_lock(&contexts->lock);
	context = contexts->free;
	if (context != NULL)
		contexts->free = context->next;
	pthread_mutex_unlock(&contexts->lock);
	return context != NULL ? context : calloc(1, sizeof(*context));
}

void context_give(struct contexts *contexts, struct context *context)
{
	size_t bytes = sizeof(*context) + ZSTD_sizeof_CCtx(context->pack) + ZSTD_sizeof_DCtx(context->unpack) + context->touched_bytes;

	pthread_mutex_lock(&contexts->lock);
	contexts->bytes += bytes - context->counted_bytes;
	context->counted_bytes = bytes;
	context->next = contexts->free;
	contexts->free = context;
	pthread_mutex_unlock(&contexts->lock);
}

ZSTD_CCtx *context_pack(struct context *context)
{
	if (context->pack == NULL)
		context->pack = ZSTD_createCCtx_advanced(context_memory);
	return context->pack;
}

ZSTD_DCtx *context_unpack(struct context *context)
{
	if (context->unpack == NULL)
		context->unpack = ZSTD_createDCtx_advanced(context_memory);
	return context->unpack;
}

uint8_t *context_room(struct context *context, size_t bytes)
{
	size_t want = ROOM_LEAST_BYTES;
	void *room;

	if (bytes <= context->room_bytes)
		return context->room;
	while (want < bytes)
		want *= 2;
	room = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return NULL;
	/* By the page, as it is counted. */
	madvise(room, want, MADV_NOHUGEPAGE);
	if (context->room != NULL)
		munmap(context->room, context->room_bytes);
	context->room = room;
	context->room_bytes = want;
	context->touched_bytes = 0;
	return context->room;
}

void context_touched(struct context *context, size_t bytes)
{
	if (bytes > context->touched_bytes)
		context->touched_bytes = bytes;
}
