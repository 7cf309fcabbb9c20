/* SPDX-License-Identifier: GPL-2.0 */
#ifndef AM_KUNIT_KIT_H
#define AM_KUNIT_KIT_H

#include <kunit/test.h>
#include <linux/slab.h>

#include "core/types.h"

extern const struct am_host kit_host;
/* Bytes that the core has borrowed and not given back. */
extern atomic_long_t kit_lent;
extern struct kunit_case table_cases[], policy_cases[], chunk_cases[];

u32 kit_random(u64 *seed);

#endif
