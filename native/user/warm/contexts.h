/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What packing and unpacking work with: several MB each, so they are kept
 * only while there is work, as many as there were threads at once.
 */
#ifndef WARM_CONTEXTS_H
#define WARM_CONTEXTS_H

#define ZSTD_STATIC_LINKING_ONLY
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

struct context {
	struct context *next;
	ZSTD_CCtx *pack;	/* NULL until asked for */
	ZSTD_DCtx *unpack;
	uint8_t *room;		/* pages are there once touched */
	size_t room_bytes;
	size_t touched_bytes;	/* of the room */
	size_t counted_bytes;	/* what it cost when it was last given back */
};

struct contexts {
	pthread_mutex_t lock;
	struct context *free;
	size_t bytes;		/* of all, those in use as they were when taken */
};

/* Pages of their own for what the library allocates: freed ones are given back at once, whatever malloc would keep. */
extern const ZSTD_customMem context_memory;

void contexts_open(struct contexts *contexts);
/* Frees those not in use. */
void contexts_rest(struct contexts *contexts);
void contexts_close(struct contexts *contexts);
size_t contexts_bytes(struct contexts *contexts);

/* NULL without memory. */
struct context *context_take(struct contexts *contexts);
void context_give(struct contexts *contexts, struct context *context);

/* Each NULL without memory. */
ZSTD_CCtx *context_pack(struct context *context);
ZSTD_DCtx *context_unpack(struct context *context);
uint8_t *context_room(struct context *context, size_t bytes);
/* So much of the room was written to. */
void context_touched(struct context *context, size_t bytes);

#endif
