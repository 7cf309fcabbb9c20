/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

static void release(struct mapping *mapping)
{
	buffer_put(mapping->context);
	free(mapping);
}

/* What is mapped: the unit's own buffer, or a copy of a conversation as it is now. */
static struct buffer *buffer_of(const struct private_unit *unit)
{
	struct buffer *buffer;

	if (unit->kind != AGENTMEM_CONVERSATION)
		return buffer_get(unit->buffer);
	buffer = buffer_new((size_t)unit->text.bytes);
	if (buffer == NULL)
		return NULL;
	buffer->used = (size_t)unit->text.bytes;
	text_read(&unit->text, 0, buffer->bytes, buffer->used);
	return buffer;
}

static struct mapping *mapping_of(struct private *state, struct private_unit *unit)
{
	struct mapping *mapping = calloc(1, sizeof(*mapping));
	struct buffer *buffer = mapping == NULL ? NULL : buffer_of(unit);

	if (buffer == NULL) {
		free(mapping);
		return NULL;
	}
	*mapping = (struct mapping){
		.owner = state, .data = buffer->bytes, .bytes = buffer->used, .unit = unit->entry.number, .release = release, .context = buffer, .fd = -1,
	};
	if (!maps_add(mapping)) {
		release(mapping);
		return NULL;
	}
	return mapping;
}

int private_map(void *state, agentmem_unit_t number, const void **data, size_t *bytes)
{
	struct private *private = state;
	struct private_unit *unit;
	struct mapping *mapping;
	int error = -ENOENT;

	pthread_mutex_lock(&private->lock);
	unit = (struct private_unit *)am_table_find(private->units, number);
	if (unit == NULL)
		goto out;
	error = -ENOMEM;
	mapping = unit->mapping != NULL ? unit->mapping : mapping_of(private, unit);
	if (mapping == NULL)
		goto out;
	if (unit->kind != AGENTMEM_CONVERSATION)
		unit->mapping = mapping;
	mapping->count++;
	unit->used_ms = now_ms();
	*data = mapping->data;
	*bytes = mapping->bytes;
	error = 0;
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

int private_unmap(void *state, const void *data)
{
	struct private *private = state;
	struct private_unit *unit;
	struct mapping *mapping;
	bool is_last;

	pthread_mutex_lock(&private->lock);
	mapping = maps_find(data, private);
	is_last = mapping != NULL && --mapping->count == 0;
	if (is_last) {
		unit = (struct private_unit *)am_table_find(private->units, mapping->unit);
		if (unit != NULL && unit->mapping == mapping)
			unit->mapping = NULL;
		maps_remove(mapping);
	}
	pthread_mutex_unlock(&private->lock);
	if (is_last)
		mapping->release(mapping);
	return mapping == NULL ? -EINVAL : 0;
}
