/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_MAIN_H
#define GUARD_MAIN_H

/* Everything the guard waits for is in here. */
extern int epoll_fd;

#endif
