/* SPDX-License-Identifier: Apache-2.0 */
/* What the core needs of a process, and a clock. */
#ifndef COMMON_HOST_H
#define COMMON_HOST_H

#include <stdint.h>

#include "core/types.h"

/* malloc(3), and nothing counted. */
extern const struct am_host plain_host;

/* Of CLOCK_MONOTONIC. */
uint64_t now_ms(void);

#endif
