/* SPDX-License-Identifier: Apache-2.0 */
/* Which units a process has mapped, and how often: given back when it ends without saying so. */
#ifndef BROKER_MAPS_H
#define BROKER_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct map_entry {
	uint64_t unit;		/* 0: free */
	uint64_t times;
};

/* All zero: empty. Open addressing; room is a power of two or 0. */
struct maps {
	struct map_entry *entries;
	uint32_t room, used;	/* units; each may be there more than once */
};

/* False without memory. */
bool maps_add(struct maps *maps, uint64_t unit);
/* False where it has none. */
bool maps_remove(struct maps *maps, uint64_t unit);
void maps_end(struct maps *maps);

#endif
