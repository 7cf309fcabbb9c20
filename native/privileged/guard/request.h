/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a client, understood and done. */
#ifndef GUARD_REQUEST_H
#define GUARD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Does what `line` asks for, and changes it. The answer stands until the next
 * call; `kind` becomes "ok " where it is done and stays "error " otherwise.
 */
const char *request_line(unsigned client, char *line, const char **kind);

/* What the server does for requests about itself: NULL, or "CODE TEXT". */
const char *server_hello(unsigned client, bool own);
const char *server_leave(unsigned client);
const char *server_holder(int64_t uid, pid_t pid, uint64_t ticks);
bool server_is_helper(unsigned client);
bool server_is_greeted(unsigned client);

#endif
