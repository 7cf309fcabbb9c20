/* SPDX-License-Identifier: Apache-2.0 */
#include "contexts.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Rooms begin with this much address space; only what is written to costs. */
#define ROOM_LEAST_BYTES (128u * 1024u)

void contexts_open(struct contexts *contexts)
{
	pthread_mutex_init(&contexts->lock, NULL);
	contexts->free = NULL;
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
	size_t bytes = 0;

	pthread_mutex_lock(&contexts->lock);
	for (struct context *context = contexts->free; context != NULL; context = context->next)
		bytes += sizeof(*context) + ZSTD_sizeof_CCtx(context->pack) + ZSTD_sizeof_DCtx(context->unpack) + context->room_bytes;
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
	pthread_mutex_lock(&contexts->lock);
	context->next = contexts->free;
	contexts->free = context;
	pthread_mutex_unlock(&contexts->lock);
}

ZSTD_CCtx *context_pack(struct context *context)
{
	if (context->pack == NULL)
		context->pack = ZSTD_createCCtx();
	return context->pack;
}

ZSTD_DCtx *context_unpack(struct context *context)
{
	if (context->unpack == NULL)
		context->unpack = ZSTD_createDCtx();
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
	if (context->room != NULL)
		munmap(context->room, context->room_bytes);
	context->room = room;
	context->room_bytes = want;
	return context->room;
}
