/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls of malloc, passed on to the next one in line. Only blocks of
 * SHARE_LEAST_BYTES and more cost more than a compare.
 */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "share.h"

#define EARLY_BYTES (16 * 1024)

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

/* Should finding the next malloc allocate: a little that is never freed. */
static _Alignas(16) char early[EARLY_BYTES];
static _Atomic size_t early_used;

static void *early_give(size_t bytes)
{
	size_t at = atomic_fetch_add(&early_used, (bytes + 15) & ~(size_t)15);

	return bytes > EARLY_BYTES || at + bytes > EARLY_BYTES ? NULL : early + at;
}

static bool is_early(const void *at)
{
	return (const char *)at >= early && (const char *)at < early + EARLY_BYTES;
}

static bool find_next(void)
{
	static _Atomic bool finding;

	if (next_free != NULL)
		return true;
	if (atomic_exchange(&finding, true))
		return next_free != NULL;
	*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	*(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
	*(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
	*(void **)&next_free = dlsym(RTLD_NEXT, "free");
	atomic_store(&finding, false);
	return next_free != NULL;
}

bool malloc_is_libc(void)
{
	return find_next() && (void *)next_malloc == dlsym(RTLD_NEXT, "__libc_malloc");
}

SHOWN void *malloc(size_t bytes)
{
	void *data;

	if (__builtin_expect(next_malloc == NULL || next_free == NULL, 0) && !find_next())
		return early_give(bytes);
	if (__builtin_expect(bytes < SHARE_LEAST_BYTES, 1))
		return next_malloc(bytes);
	data = next_malloc(bytes);
	heap_note(data);
	return data;
}

SHOWN void *calloc(size_t count, size_t each)
{
	size_t bytes;
	void *data;

	if (__builtin_expect(next_free == NULL, 0) && !find_next())
		return __builtin_mul_overflow(count, each, &bytes) ? NULL : early_give(bytes);
	data = next_calloc(count, each);
	if (__builtin_mul_overflow(count, each, &bytes) || bytes < SHARE_LEAST_BYTES)
		return data;
	heap_note(data);
	return data;
}

/* mremap refuses an area of several parts, and glibc then does this; done here, a failure leaves the block as it is known. */
static void *move(void *old, size_t held, size_t bytes)
{
	void *data;

	if (bytes == 0) {
		free(old);
		return NULL;
	}
	if (bytes <= held && bytes >= held / 2)
		return old;
	data = malloc(bytes);
	if (data == NULL)
		return bytes <= held ? old : NULL;
	memcpy(data, old, bytes < held ? bytes : held);
	free(old);
	return data;
}

SHOWN void *realloc(void *old, size_t bytes)
{
	void *data;
	size_t held;

	if (__builtin_expect(next_free == NULL, 0) && !find_next())
		return old == NULL ? early_give(bytes) : NULL;
	if (__builtin_expect(is_early(old), 0)) {
		data = next_malloc(bytes);
		if (data != NULL)
			memcpy(data, old, (size_t)(early + EARLY_BYTES - (char *)old) < bytes ? (size_t)(early + EARLY_BYTES - (char *)old) : bytes);
		return data;
	}
	if (old != NULL && heap_holds(old, &held))
		return move(old, held, bytes);
	if (old != NULL)
		heap_forget(old);
	data = next_realloc(old, bytes);
	if (bytes >= SHARE_LEAST_BYTES)
		heap_note(data == NULL ? old : data);
	return data;
}

SHOWN void free(void *data)
{
	if (data == NULL || __builtin_expect(is_early(data), 0) || (__builtin_expect(next_free == NULL, 0) && !find_next()))
		return;
	heap_forget(data);
	next_free(data);
}
