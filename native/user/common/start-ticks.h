/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMON_START_TICKS_H
#define COMMON_START_TICKS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a process began, in clock ticks since boot: field 22 of the text of
 * /proc/PID/stat. Field 2, the name, may hold spaces and ")". False where the
 * text is no such line, or the number does not fit.
 */
bool start_ticks_of(const char *stat, uint64_t *ticks);

#endif
