/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the bench of the kernel module share. They run as root in a virtual machine of their own. */
#ifndef BENCH_KMOD_H
#define BENCH_KMOD_H

#include <stddef.h>
#include <stdint.h>

#include "agentmem.h"
#include "uapi/agentmem.h"

#define PAGE 4096u
#define ABI(type, ...) ((struct agentmem_abi_##type){ .size = sizeof(struct agentmem_abi_##type), __VA_ARGS__ })

/* A descriptor of the device that is an agent. */
int kmod_agent(void);
struct agentmem_abi_all_stat kmod_all(void);
/* By the library, on the module. */
agentmem_t *kmod_open(const char *name);
/* Of the disk, without leaving anything in memory; rounded up to pages, so room must be too. */
void kmod_disk(const char *disk, uint64_t at, void *to, size_t bytes);
/* Page aligned, touched. */
void *kmod_room(size_t bytes);
/* Writes a word into a kernel file, or ends the program. */
void kmod_write(const char *path, const char *word);

void kmod_calls(unsigned rounds);
void kmod_map(unsigned rounds);
void kmod_talks(const char *disk, unsigned talks, size_t bytes);
void kmod_hundred(const char *disk, unsigned agents, unsigned talks, size_t bytes);
void kmod_evict(const char *disk, const char *how);
/* Overwrites the disk. */
void kmod_cold(const char *disk);

#endif
