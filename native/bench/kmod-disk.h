/* SPDX-License-Identifier: Apache-2.0 */
/* Where what lies on the disk that the bench of the kernel module gets. */
#ifndef BENCH_KMOD_DISK_H
#define BENCH_KMOD_DISK_H

#include <stddef.h>
#include <stdint.h>

#define DISK_PROMPT_AT 0u
#define DISK_PROMPT_BYTES 500000u
#define DISK_TOOLS_AT (512u << 10)
#define DISK_TOOLS_BYTES 1000000u
#define DISK_TALKS_AT (2u << 20)

static inline uint64_t disk_talk_at(unsigned talk, size_t bytes)
{
	uint64_t room = ((uint64_t)bytes + (1u << 20) - 1) >> 20 << 20;

	return DISK_TALKS_AT + talk * room;
}

#endif
