/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BROKER_CONFINE_H
#define BROKER_CONFINE_H

#include <stdbool.h>

/*
 * From here on this process writes below `store_folder` (made where it is
 * missing; NULL: nowhere), removes files from the socket's folder, runs no
 * program and uses no TCP, for good. False where the kernel has no Landlock
 * (before Linux 5.13, or switched off): then nothing has changed. Called
 * before there are threads.
 */
bool confine(const char *socket_path, const char *store_folder);

#endif
