/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* linux/fs.h of Linux 6.7; older headers lack them. */
struct scan_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct scan_argument {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_REQUEST _IOWR('f', 16, struct scan_argument)
#define IS_FILE ((uint64_t)1 << 2)
#define IS_PRESENT ((uint64_t)1 << 3)
#define IS_ZERO ((uint64_t)1 << 5)

/* Documentation/admin-guide/mm/pagemap.rst: one of 64 bits a page. */
#define MAP_IS_FILE ((uint64_t)1 << 61)
#define MAP_IS_PRESENT ((uint64_t)1 << 63)

enum { REGIONS = 512, ENTRIES = 4096 };

enum outcome { DONE, STOPPED, REFUSED };

static enum outcome scan_by_request(int pagemap, struct area area, found_pages found, void *data)
{
	struct scan_region regions[REGIONS];
	struct scan_argument argument = {
		.size = sizeof(argument),
		.vec = (uint64_t)(uintptr_t)regions,
		.vec_len = REGIONS,
		.category_inverted = IS_FILE | IS_ZERO,
		.category_mask = IS_PRESENT | IS_FILE | IS_ZERO,
		.return_mask = IS_PRESENT,
	};

	while (area.start < area.end) {
		int count;

		argument.start = area.start;
		argument.end = area.end;
		argument.walk_end = 0;
		count = ioctl(pagemap, SCAN_REQUEST, &argument);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return REFUSED;
		for (int i = 0; i < count; i++)
			if (!found(data, regions[i].start, regions[i].end))
				return STOPPED;
		if (argument.walk_end <= area.start)
			break;
		area.start = argument.walk_end;
	}
	return DONE;
}

/* The zero page counts as present here: it is asked to go, and stays. */
static enum outcome scan_by_reading(int pagemap, struct area area, found_pages found, void *data)
{
	uint64_t entries[ENTRIES];
	uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t run = 0; /* where the present run began; 0: none */

	for (uint64_t at = area.start; at < area.end;) {
		uint64_t pages = (area.end - at) / size;
		ssize_t got;

		if (pages > ENTRIES)
			pages = ENTRIES;
		got = pread(pagemap, entries, (size_t)pages * sizeof(entries[0]), (off_t)(at / size * sizeof(entries[0])));
		if (got < (ssize_t)sizeof(entries[0]))
			return REFUSED;
		for (size_t i = 0; i < (size_t)got / sizeof(entries[0]); i++, at += size) {
			bool wanted = (entries[i] & MAP_IS_PRESENT) != 0 && (entries[i] & MAP_IS_FILE) == 0;

			if (wanted && run == 0)
				run = at;
			if (!wanted && run != 0 && !found(data, run, at))
				return STOPPED;
			if (!wanted)
				run = 0;
		}
	}
	if (run != 0 && !found(data, run, area.end))
		return STOPPED;
	return DONE;
}

bool scan_anonymous(int pagemap, struct area area, found_pages found, void *data)
{
	enum outcome outcome = scan_by_request(pagemap, area, found, data);

	if (outcome == REFUSED)
		outcome = scan_by_reading(pagemap, area, found, data);
	return outcome != REFUSED;
}
