/* SPDX-License-Identifier: Apache-2.0 */
/* The private backend: opened and closed, its units found, read and let go of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "private.h"

uint64_t private_bytes(const struct private_unit *unit)
{
	return unit->kind == AGENTMEM_CONVERSATION ? unit->text.bytes : unit->buffer->used;
}

uint64_t private_stored_bytes(const struct private_unit *unit)
{
	return unit->kind == AGENTMEM_CONVERSATION ? text_stored_bytes(&unit->text) : unit->buffer->used;
}

void private_drop(struct private_unit *unit)
{
	text_clear(&unit->text);
	buffer_put(unit->buffer);
	free(unit);
}

struct private_unit *private_unit_of(struct private *private, agentmem_unit_t number, int *error)
{
	struct private_unit *unit = (struct private_unit *)am_table_find(private->units, number);

	*error = unit == NULL ? -ENOENT : 0;
	return unit;
}

static int private_open(const struct wish *wish, void **state)
{
	struct private *private;

	/* Another process's agent cannot be in this one's memory. */
	if (wish->has_token)
		return -EACCES;
	private = calloc(1, sizeof(*private));
	if (private == NULL)
		return -ENOMEM;
	private->units = lib_table();
	if (private->units == NULL) {
		free(private);
		return -ENOMEM;
	}
	pthread_mutex_init(&private->lock, NULL);
	private->wish = *wish;
	private->how = AGENTMEM_ACTIVE;
	*state = private;
	return 0;
}

static bool drop_each(void *context, struct am_entry *entry)
{
	am_table_remove(context, entry);
	private_drop((struct private_unit *)entry);
	return true;
}

static void private_close(void *state)
{
	struct private *private = state;

	maps_orphan(private);
	am_table_each(private->units, drop_each, private->units);
	am_table_close(private->units);
	pthread_mutex_destroy(&private->lock);
	free(private);
}

static int private_set_state(void *state, int how)
{
	struct private *private = state;

	pthread_mutex_lock(&private->lock);
	private->how = how;
	pthread_mutex_unlock(&private->lock);
	return 0;
}

static int private_set_importance(void *state, uint32_t importance)
{
	struct private *private = state;

	pthread_mutex_lock(&private->lock);
	private->wish.importance = importance == 0 ? IMPORTANCE_USUAL : importance;
	pthread_mutex_unlock(&private->lock);
	return 0;
}

/* To itself it is one hold more; nobody else is here. */
static int private_share(void *state, agentmem_unit_t number, uint64_t agent)
{
	struct private *private = state;
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = private_unit_of(private, number, &error);
	if (unit != NULL && agent == PRIVATE_AGENT)
		unit->holds++;
	else
		error = -ENOENT;
	pthread_mutex_unlock(&private->lock);
	return error;
}

static int private_find(void *state, const uint8_t *bytes, agentmem_unit_t *number)
{
	struct private *private = state;
	struct am_digest digest;
	struct am_entry *entry;

	memcpy(digest.bytes, bytes, sizeof(digest.bytes));
	pthread_mutex_lock(&private->lock);
	entry = am_table_find_digest(private->units, 0, &digest);
	if (entry != NULL)
		*number = entry->number;
	pthread_mutex_unlock(&private->lock);
	return entry == NULL ? -ENOENT : 0;
}

static int private_mark_hot(void *state, agentmem_unit_t number)
{
	struct private *private = state;
	int error;

	pthread_mutex_lock(&private->lock);
	private_unit_of(private, number, &error);
	pthread_mutex_unlock(&private->lock);
	return error;
}

static ssize_t private_read(void *state, agentmem_unit_t number, uint64_t offset, void *buffer, size_t bytes)
{
	struct private *private = state;
	struct private_unit *unit;
	ssize_t result = -ENOENT;

	pthread_mutex_lock(&private->lock);
	unit = (struct private_unit *)am_table_find(private->units, number);
	if (unit != NULL) {
		uint64_t all = private_bytes(unit);

		if (offset >= all)
			bytes = 0;
		else if (bytes > all - offset)
			bytes = (size_t)(all - offset);
		if (bytes > 0 && unit->kind == AGENTMEM_CONVERSATION)
			text_read(&unit->text, offset, buffer, bytes);
		else if (bytes > 0)
			memcpy(buffer, unit->buffer->bytes + offset, bytes);
		unit->used_ms = now_ms();
		result = (ssize_t)bytes;
	}
	pthread_mutex_unlock(&private->lock);
	return result;
}

static int private_free(void *state, agentmem_unit_t number)
{
	struct private *private = state;
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = private_unit_of(private, number, &error);
	if (unit != NULL && --unit->holds == 0) {
		private->bytes -= private_bytes(unit);
		am_table_remove(private->units, &unit->entry);
		private_drop(unit);
	}
	pthread_mutex_unlock(&private->lock);
	return error;
}

static void private_before_fork(void *state)
{
	struct private *private = state;

	pthread_mutex_lock(&private->lock);
}

static void private_after_fork(void *state, enum fork_side side)
{
	struct private *private = state;

	fork_unlock(&private->lock, side);
}

const struct operations private_operations = {
	.backend = AGENTMEM_PRIVATE,
	.open = private_open,
	.close = private_close,
	.set_state = private_set_state,
	.set_importance = private_set_importance,
	.alloc = private_alloc,
	.alloc_fd = private_alloc_fd,
	.append = private_append,
	.fork = private_fork,
	.edit = private_edit,
	.share = private_share,
	.find = private_find,
	.mark_hot = private_mark_hot,
	.map = private_map,
	.unmap = private_unmap,
	.read = private_read,
	.stat_unit = private_stat_unit,
	.stat = private_stat,
	.free = private_free,
	.agents = private_agents,
	.units = private_units,
	.settings = private_settings,
	.before_fork = private_before_fork,
	.after_fork = private_after_fork,
};
