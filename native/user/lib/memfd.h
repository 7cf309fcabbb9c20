/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIB_MEMFD_H
#define LIB_MEMFD_H

#include <stddef.h>
#include <stdint.h>

/* 0 and the size of a memfd that nobody can change any more; -EBADF for what is none, -EPERM for one without all four seals. */
int memfd_is_sealed(int fd, uint64_t *bytes);
/* Fills `fd`, which is an empty memfd, and seals it. */
int memfd_fill(int fd, const void *data, size_t bytes);
/* An empty one that can be sealed, or a negative errno. */
int memfd_new(void);
/* Read-only, the pages of the memfd themselves; NULL without memory. */
void *memfd_map(int fd, size_t bytes);
/* Private pages with this content, read-only; NULL without memory. `bytes` may be 0. */
void *memory_of(const void *data, size_t bytes);
/* Of a mapping of so many bytes. */
size_t memory_area(size_t bytes);

#endif
