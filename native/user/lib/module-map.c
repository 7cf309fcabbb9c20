/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "held.h"
#include "memfd.h"

static void release(struct mapping *mapping)
{
	munmap(mapping->data, memory_area(mapping->bytes));
	free(mapping);
}

/* A descriptor of the unit that no child of another thread can inherit. */
static int open_unit(const struct module *module, agentmem_unit_t unit, struct agentmem_abi_open *args, struct held *descriptor)
{
	int error;

	*args = ABI(open, .unit = unit);
	held_begin();
	error = module_ask(module, AGENTMEM_IOC_OPEN, args);
	held_end(descriptor, error == 0 ? args->fd : -1);
	return error;
}

static struct module_mapping *mapping_of(struct module *module, agentmem_unit_t unit, const struct agentmem_abi_open *args)
{
	struct module_mapping *fresh = calloc(1, sizeof(*fresh));
	size_t bytes = (size_t)args->bytes;

	if (fresh == NULL)
		return NULL;
	fresh->mapping = (struct mapping){ .owner = module, .bytes = bytes, .unit = unit, .release = release, .fd = -1, .count = 1 };
	fresh->mapping.data = bytes == 0 ? memory_of(NULL, 0) : memfd_map(args->fd, bytes);
	if (fresh->mapping.data != NULL)
		return fresh;
	free(fresh);
	return NULL;
}

static struct module_mapping *find(const struct module *module, agentmem_unit_t unit)
{
	struct am_entry *entry = am_table_find(module->mapped, unit);

	return entry == NULL ? NULL : (struct module_mapping *)((char *)entry - offsetof(struct module_mapping, by_unit));
}

/* With the lock held. Of a conversation each call has its own, what it is at that moment; else there is one for all calls. */
static struct mapping *enter(struct module *module, struct module_mapping *fresh, bool can_change)
{
	struct module_mapping *other = can_change ? NULL : find(module, fresh->mapping.unit);

	if (other != NULL) {
		other->mapping.count++;
		return &other->mapping;
	}
	if (!maps_add(&fresh->mapping))
		return NULL;
	fresh->by_unit.number = fresh->mapping.unit;
	/* Without memory for that it is one that the next call does not find. */
	if (can_change || !am_table_add(module->mapped, &fresh->by_unit))
		fresh->by_unit.number = 0;
	return &fresh->mapping;
}

int module_map(void *state, agentmem_unit_t unit, const void **data, size_t *bytes)
{
	struct module *module = state;
	struct held descriptor = HELD_NONE;
	struct module_mapping *fresh;
	struct agentmem_abi_open args;
	struct mapping *mapping = NULL;
	int error = open_unit(module, unit, &args, &descriptor);

	/* Asked in any case: it may be held no more, though it is mapped. */
	if (error != 0)
		return error;
	fresh = mapping_of(module, unit, &args);
	held_close(&descriptor);
	if (fresh == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&module->lock);
	mapping = enter(module, fresh, args.kind == AGENTMEM_ABI_CONVERSATION);
	if (mapping != NULL) {
		*data = mapping->data;
		*bytes = mapping->bytes;
	}
	pthread_mutex_unlock(&module->lock);
	if (mapping != &fresh->mapping)
		release(&fresh->mapping);
	return mapping == NULL ? -ENOMEM : 0;
}

int module_unmap(void *state, const void *data)
{
	struct module *module = state;
	struct module_mapping *last;
	struct mapping *mapping;
	bool is_last;

	pthread_mutex_lock(&module->lock);
	mapping = maps_find(data, module);
	is_last = mapping != NULL && --mapping->count == 0;
	if (is_last) {
		last = (struct module_mapping *)mapping;
		if (last->by_unit.number != 0)
			am_table_remove(module->mapped, &last->by_unit);
		maps_remove(mapping);
	}
	pthread_mutex_unlock(&module->lock);
	if (is_last)
		release(mapping);
	return mapping == NULL ? -EINVAL : 0;
}
