/* SPDX-License-Identifier: Apache-2.0 */
/* How this user's broker is reached, and started where nobody listens. */
#ifndef LIB_START_H
#define LIB_START_H

#include <stdbool.h>
#include <stdint.h>

#include "held.h"

/*
 * A connected socket, or -ENODEV (there is none, it cannot be started, or it
 * is not this user's), -ETIMEDOUT, -EMFILE, -ENOMEM. Comes back by `end_ms`
 * of CLOCK_MONOTONIC. Sending on it gives up after `timeout_ms`.
 */
int start_connect(const char *socket_path, bool may_start, uint64_t end_ms, uint64_t timeout_ms, struct held *socket);

/*
 * Starts `program --socket socket_path`, nobody's child, and waits until it
 * listens in the background. -ENODEV: it cannot be run, or does not want to.
 * -EAGAIN: it was killed meanwhile. (start-program.c)
 */
int start_program(const char *program, const char *socket_path, uint64_t end_ms);
/* The broker's program of this installation; false where there is none. */
bool start_find_program(char *program, unsigned room);

#endif
