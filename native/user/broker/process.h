/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a process. */
#ifndef BROKER_PROCESS_H
#define BROKER_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

/* Start time in ticks after boot; 0 where there is no such process to be seen. */
uint64_t process_start(pid_t pid);
/* Readable once it has ended. -1 where the kernel has none, or it has ended. */
int process_open(pid_t pid);
/* The peer of a connection itself, whatever became of its number; -1 before Linux 6.5. */
int process_of_peer(int socket);
/* Of this boot; 36 characters. Empty where it cannot be read. */
const char *boot_id(void);

#endif
