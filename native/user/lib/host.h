/* SPDX-License-Identifier: Apache-2.0 */
/* What the core's unit table needs here: malloc, and a seed of its own. */
#ifndef LIB_HOST_H
#define LIB_HOST_H

#include "core/table.h"

/* For who has a lock around it: nothing is kept for readers. NULL without memory. */
struct am_table *lib_table(void);

#endif
