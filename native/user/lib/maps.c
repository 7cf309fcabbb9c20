/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "host.h"
#include "maps.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct am_table *table;

bool maps_add(struct mapping *mapping)
{
	bool added;

	mapping->entry.number = (uintptr_t)mapping->data;
	pthread_mutex_lock(&lock);
	if (table == NULL)
		table = lib_table();
	added = table != NULL && am_table_add(table, &mapping->entry);
	pthread_mutex_unlock(&lock);
	return added;
}

static struct mapping *find(const void *data)
{
	return data == NULL || table == NULL ? NULL : (struct mapping *)am_table_find(table, (uintptr_t)data);
}

struct mapping *maps_find(const void *data, const void *owner)
{
	struct mapping *mapping;

	pthread_mutex_lock(&lock);
	mapping = find(data);
	if (mapping != NULL && mapping->owner != owner)
		mapping = NULL;
	pthread_mutex_unlock(&lock);
	return mapping;
}

/* With the last one the table goes, so that an unloaded library leaves nothing. */
static void take_out(struct mapping *mapping)
{
	am_table_remove(table, &mapping->entry);
	if (am_table_count(table) > 0)
		return;
	am_table_close(table);
	table = NULL;
}

void maps_remove(struct mapping *mapping)
{
	pthread_mutex_lock(&lock);
	take_out(mapping);
	pthread_mutex_unlock(&lock);
}

struct visit {
	const void *owner;
	void (*look)(void *context, struct mapping *mapping);
	void *context;
};

static bool visit_one(void *context, struct am_entry *entry)
{
	struct mapping *mapping = (struct mapping *)entry;
	struct visit *visit = context;

	if (mapping->owner == visit->owner)
		visit->look(visit->context, mapping);
	return true;
}

void maps_each(const void *owner, void (*look)(void *context, struct mapping *mapping), void *context)
{
	struct visit visit = { .owner = owner, .look = look, .context = context };

	pthread_mutex_lock(&lock);
	if (table != NULL)
		am_table_each(table, visit_one, &visit);
	pthread_mutex_unlock(&lock);
}

static void orphan(void *context, struct mapping *mapping)
{
	(void)context;
	mapping->owner = NULL;
}

void maps_orphan(const void *owner)
{
	maps_each(owner, orphan, NULL);
}

bool maps_drop_orphan(const void *data)
{
	struct mapping *mapping;
	bool found, last;

	pthread_mutex_lock(&lock);
	mapping = find(data);
	found = mapping != NULL && mapping->owner == NULL;
	last = found && --mapping->count == 0;
	if (last)
		take_out(mapping);
	pthread_mutex_unlock(&lock);
	if (last)
		mapping->release(mapping);
	return found;
}

void maps_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void maps_after_fork(enum fork_side side)
{
	fork_unlock(&lock, side);
}
