/* SPDX-License-Identifier: Apache-2.0 */
/* The areas of a process worth advising about, from its /proc/PID/maps. */
#ifndef AGENTMEM_AREAS_H
#define AGENTMEM_AREAS_H

#include <stdbool.h>
#include <stdint.h>

struct area {
	uint64_t start; /* first byte, page aligned */
	uint64_t end;   /* one past the last byte */
	bool file;      /* a private view of a file: its own pages are anonymous only where written to */
};

/*
 * Parses one line of /proc/PID/maps. True where the area is private, can be
 * accessed and is memory of this process: anonymous, or a private view of an
 * ordinary file. False for shared areas (others use them too), for areas
 * nobody can access (reservations hold no pages), for devices, huge page
 * mappings, the kernel's own pages (vdso, vvar, vsyscall, uprobes), and for
 * any line that is not of the documented form.
 */
bool area_from_maps_line(const char *line, struct area *area);

#endif
