/* SPDX-License-Identifier: Apache-2.0 */
/* Where the broker listens: its socket, and the lock that makes it the only one there. */
#ifndef BROKER_PLACE_H
#define BROKER_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* The socket that systemd passed on, with its path; -1 where there is none. */
int place_activated(char *path, size_t room);
/* 0 when this process is now the one broker of the path, until it ends; -EEXIST: another one answers there; -EPERM: others could replace the socket; other negative errno. */
int place_lock(const char *path);
/* Listening there, for this user alone. A descriptor or a negative errno. */
int place_listen(const char *path);
void place_leave(const char *path);

#endif
