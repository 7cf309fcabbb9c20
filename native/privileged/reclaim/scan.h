/* SPDX-License-Identifier: Apache-2.0 */
/* Which anonymous pages of a process are in memory, from /proc/PID/pagemap. */
#ifndef AGENTMEM_SCAN_H
#define AGENTMEM_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "areas.h"

/* Called with each run of such pages, upwards; false ends the scan. */
typedef bool (*found_pages)(void *data, uint64_t start, uint64_t end);

/*
 * Runs of present anonymous pages within an area: neither pages of a file nor
 * the shared page of zeros. `pagemap` is open for reading. PAGEMAP_SCAN
 * (Linux 6.7) skips what is empty; older kernels are read page by page. False
 * where the kernel shows nothing.
 */
bool scan_anonymous(int pagemap, struct area area, found_pages found, void *data);

#endif
