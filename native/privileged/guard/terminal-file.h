/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal that a process reads from, without trusting what it calls one. */
#ifndef GUARD_TERMINAL_FILE_H
#define GUARD_TERMINAL_FILE_H

#include <stdint.h>
#include <sys/types.h>

/* Standard input of the process; -1 where it is no terminal, or neither this user's nor open for reading there. */
int terminal_file_open(int pidfd, pid_t pid, int64_t uid);

#endif
