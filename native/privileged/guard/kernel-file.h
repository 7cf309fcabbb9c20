/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel files that the guard may write, and how they are reached. */
#ifndef GUARD_KERNEL_FILE_H
#define GUARD_KERNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define VALUE_MOST 256

/* Whether `path` is one of those compiled in: KSM, zswap, agentmem.ko, tunables, and memory.* or cgroup.freeze of a cgroup. */
bool kernel_file_allowed(const char *path);
/* Whether `path` is the cgroup.freeze of a cgroup. */
bool is_freeze_path(const char *path);
/* Of a limit in bytes, the file of the ratio that holds while the bytes are 0; NULL for any other. */
const char *kernel_file_ratio(const char *path);
/* Letters, digits, "_", "-", ".", "+", 64 at most; never the KSM value that takes merged pages apart, which needs memory, nor 2 for overcommit. */
bool kernel_value_allowed(const char *path, const char *value);

/* Opened for reading and writing; -1 where it is not exactly that file on the kernel's own file system. */
int kernel_file_open(const char *path);
/* Whether `fd` is this very file: no link stood on the way. */
bool kernel_file_is(int fd, const char *path);
/* The value it holds now, in `buffer` of VALUE_MOST bytes; NULL where it cannot be read. */
char *kernel_file_value(int fd, char *buffer);
bool kernel_file_write(int fd, const char *value);

#endif
