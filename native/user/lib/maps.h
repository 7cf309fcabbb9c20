/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All mappings of this process, found by address. One outlives the
 * agentmem_close() of its owner; then nobody but this table knows it.
 *
 * `count` is guarded by the owner's lock, and by the table's own once there is
 * no owner. Order of locks: an owner's, then this one.
 */
#ifndef LIB_MAPS_H
#define LIB_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/table.h"
#include "fork.h"

struct mapping {
	struct am_entry entry;		/* by address */
	void *owner;			/* state of a backend; NULL once it was closed */
	void *data;
	size_t bytes;
	uint64_t unit;
	unsigned count;			/* calls of agentmem_map() that were not undone */
	/* Gives the memory back, and the mapping itself. */
	void (*release)(struct mapping *mapping);
	void *context;			/* of release */
	int fd;				/* sealed memfd kept to hand it in again, or -1 */
	uint64_t remote;		/* the broker's number of it */
	bool is_counted;		/* the broker counts it */
};

bool maps_add(struct mapping *mapping);
/* NULL where none of `owner` begins there. */
struct mapping *maps_find(const void *data, const void *owner);
void maps_remove(struct mapping *mapping);
/* Its owner is closed: mappings stay. */
void maps_orphan(const void *owner);
/* One use less of a mapping without owner; false where there is none. */
bool maps_drop_orphan(const void *data);
/* Calls `look` for each of `owner`, under the lock. */
void maps_each(const void *owner, void (*look)(void *context, struct mapping *mapping), void *context);

void maps_before_fork(void);
void maps_after_fork(enum fork_side side);

#endif
