/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENTMEM_PRESSURE_H
#define AGENTMEM_PRESSURE_H

#include "../../../kmod/core/policy.h"

/* How short of memory the machine is, of the texts of /proc/pressure/memory and /proc/meminfo; what is not there counts as plenty. */
enum am_pressure pressure_of(const char *stall_text, const char *meminfo_text);

#endif
