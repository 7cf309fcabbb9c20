/* SPDX-License-Identifier: Apache-2.0 */
/* The socket, its clients, and what they ask for. */
#ifndef GUARD_SERVER_H
#define GUARD_SERVER_H

#include <stdbool.h>
#include <stdint.h>

/* False where the socket cannot be had; `errno` says why, EADDRINUSE: another guard answers on it. */
bool server_begin(const char *path);
void server_listener_event(void);
void server_client_event(unsigned index);
void server_holder_event(unsigned index);
/* What is due about helpers and holders that went; returns when to call again. */
int64_t server_step(int64_t at_ms);

/* A line to the helper, or to all clients. A helper that does not read misses it: the words are in the file. */
void server_tell(const char *kind, const char *line, bool all);
/* Kills the helper where it lives and holds the undoer's lock. With `memory`, idle agents stay frozen for a while, until it is back. */
bool server_end_helper(bool memory);
bool server_has_helper(void);
void server_end(void);

#endif
