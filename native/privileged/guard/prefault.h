/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing pages of another process back before it needs them. */
#ifndef GUARD_PREFAULT_H
#define GUARD_PREFAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * One range in 8 bytes, so that 128 agents with 512 each are half a megabyte:
 * first page (of 4 KiB) in 36 bits, pages in 24, process in 4.
 */
typedef uint64_t page_range;
#define RANGE_PAGE 4096u
#define RANGE_MOST_PAGES ((1u << 24) - 1)
#define RANGE_MOST_ADDRESS ((uint64_t)1 << 48)

page_range range_make(uint64_t start, uint64_t pages, unsigned process);
uint64_t range_start(page_range range);
uint64_t range_pages(page_range range);
unsigned range_process(page_range range);

/*
 * Touches each page of it from `*page` on until `until_us`, moves `*page` on,
 * and returns how many bytes there were. Pages that cannot be touched are
 * passed over. `*refused` where the kernel lets us touch none of this process.
 */
uint64_t prefault_range(pid_t pid, page_range range, uint64_t *page, int64_t until_us, bool *refused);

#endif
