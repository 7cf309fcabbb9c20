/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What the core stands on: the compiler, and nothing else. The same files are
 * compiled into the kernel module and into the broker.
 */
#ifndef AM_CORE_TYPES_H
#define AM_CORE_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/string.h>
typedef size_t am_size;
#else
#include <stdbool.h>
#ifndef NULL
#define NULL ((void *)0)
#endif
typedef __SIZE_TYPE__ am_size;
/* A compiler may call these wherever it likes; so every host has them. */
void *memcpy(void *to, const void *from, am_size bytes);
void *memset(void *to, int value, am_size bytes);
int memcmp(const void *a, const void *b, am_size bytes);
#endif

typedef __UINT8_TYPE__ am_u8;
typedef __UINT16_TYPE__ am_u16;
typedef __UINT32_TYPE__ am_u32;
typedef __UINT64_TYPE__ am_u64;

#define AM_DIGEST_BYTES 32

/* SHA-256 of plain bytes, always computed by who keeps them. */
struct am_digest {
	am_u8 bytes[AM_DIGEST_BYTES];
};

/* What the host lends. `allocate` gives zeroed memory, or NULL; it may be called where the caller of the core may sleep, and nowhere else. */
struct am_host {
	void *context;
	void *(*allocate)(void *context, am_size bytes);
	void (*release)(void *context, void *memory, am_size bytes);
};

#endif
