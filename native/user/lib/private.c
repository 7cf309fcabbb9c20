/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
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

static void drop(struct private_unit *unit)
{
	text_clear(&unit->text);
	buffer_put(unit->buffer);
	free(unit);
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
	drop((struct private_unit *)entry);
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

/* All below: with the lock held. */
static bool has_quota(const struct private *private, uint64_t more_bytes)
{
	return private->wish.quota_bytes == 0 || (more_bytes <= private->wish.quota_bytes && private->bytes <= private->wish.quota_bytes - more_bytes);
}

static struct private_unit *find(struct private *private, agentmem_unit_t number, int *error)
{
	struct private_unit *unit = (struct private_unit *)am_table_find(private->units, number);

	*error = unit == NULL ? -ENOENT : 0;
	return unit;
}

static struct private_unit *conversation(struct private *private, agentmem_unit_t number, int *error)
{
	struct private_unit *unit = find(private, number, error);

	if (unit == NULL || unit->kind == AGENTMEM_CONVERSATION)
		return unit;
	*error = -EINVAL;
	return NULL;
}

static int add(struct private *private, struct private_unit *unit, agentmem_unit_t *number)
{
	if (!has_quota(private, private_bytes(unit)))
		return -EDQUOT;
	unit->entry.number = ++private->newest_number;
	unit->holds = 1;
	unit->used_ms = now_ms();
	if (!am_table_add(private->units, &unit->entry))
		return -ENOMEM;
	private->bytes += private_bytes(unit);
	*number = unit->entry.number;
	return 0;
}

/* Either data or a buffer that has it. */
static int add_conversation(struct private *private, const void *data, size_t bytes, struct buffer *buffer, agentmem_unit_t *number)
{
	struct private_unit *unit = calloc(1, sizeof(*unit));
	int error = -ENOMEM;

	if (unit == NULL)
		return -ENOMEM;
	unit->kind = AGENTMEM_CONVERSATION;
	if (buffer != NULL ? text_append_buffer(&unit->text, buffer) : text_append(&unit->text, data, bytes)) {
		pthread_mutex_lock(&private->lock);
		error = add(private, unit, number);
		pthread_mutex_unlock(&private->lock);
	}
	if (error != 0)
		drop(unit);
	return error;
}

static struct buffer *copy_of(const void *data, size_t bytes)
{
	struct buffer *buffer = buffer_new(bytes);

	if (buffer == NULL)
		return NULL;
	memcpy(buffer->bytes, data, bytes);
	buffer->used = bytes;
	return buffer;
}

/* Holds known content once more, or keeps the buffer, or a copy of the data where there is none. */
static int add_content(struct private *private, int kind, const void *data, size_t bytes, struct buffer *buffer, agentmem_unit_t *number)
{
	struct private_unit *unit;
	struct am_digest digest;
	int error = -ENOMEM;

	digest_of(data, bytes, &digest);
	pthread_mutex_lock(&private->lock);
	unit = (struct private_unit *)am_table_find_digest(private->units, 0, &digest);
	if (unit != NULL) {
		unit->holds++;
		*number = unit->entry.number;
		error = 0;
		goto out;
	}
	unit = calloc(1, sizeof(*unit));
	if (unit == NULL)
		goto out;
	unit->kind = (enum agentmem_kind)kind;
	unit->entry.digest = digest;
	unit->entry.has_digest = true;
	unit->buffer = buffer != NULL ? buffer_get(buffer) : copy_of(data, bytes);
	error = unit->buffer == NULL ? -ENOMEM : add(private, unit, number);
	if (error != 0)
		drop(unit);
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

static int private_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *number)
{
	if (kind == AGENTMEM_CONVERSATION)
		return add_conversation(state, data, bytes, NULL, number);
	return add_content(state, kind, data, bytes, NULL, number);
}

static int private_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *number)
{
	struct buffer *buffer = buffer_of_memfd(memfd, bytes);
	int error;

	if (buffer == NULL)
		return -ENOMEM;
	if (kind == AGENTMEM_CONVERSATION)
		error = add_conversation(state, NULL, bytes, buffer, number);
	else
		error = add_content(state, kind, buffer->bytes, bytes, buffer, number);
	buffer_put(buffer);
	return error;
}

static int private_edit(void *state, agentmem_unit_t number, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	struct private *private = state;
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = conversation(private, number, &error);
	if (unit == NULL)
		goto out;
	if (offset > unit->text.bytes || old_bytes > unit->text.bytes - offset)
		error = -EINVAL;
	else if (unit->text.bytes - old_bytes + new_bytes > UNIT_BYTES_MOST)
		error = -E2BIG;
	else if (new_bytes > old_bytes && !has_quota(private, new_bytes - old_bytes))
		error = -EDQUOT;
	else if (!text_edit(&unit->text, offset, old_bytes, data, new_bytes))
		error = -ENOMEM;
	if (error == 0) {
		private->bytes += new_bytes - old_bytes;
		unit->used_ms = now_ms();
	}
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

static int private_append(void *state, agentmem_unit_t number, const void *data, size_t bytes)
{
	struct private *private = state;
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = conversation(private, number, &error);
	if (unit == NULL)
		goto out;
	if (bytes > UNIT_BYTES_MOST - unit->text.bytes)
		error = -E2BIG;
	else if (!has_quota(private, bytes))
		error = -EDQUOT;
	else if (!text_append(&unit->text, data, bytes))
		error = -ENOMEM;
	if (error == 0) {
		private->bytes += bytes;
		unit->used_ms = now_ms();
	}
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

static int private_fork(void *state, agentmem_unit_t number, uint64_t prefix_bytes, agentmem_unit_t *fork)
{
	struct private *private = state;
	struct private_unit *unit, *fresh = calloc(1, sizeof(*fresh));
	int error;

	if (fresh == NULL)
		return -ENOMEM;
	fresh->kind = AGENTMEM_CONVERSATION;
	pthread_mutex_lock(&private->lock);
	unit = conversation(private, number, &error);
	if (unit != NULL) {
		if (prefix_bytes > unit->text.bytes)
			prefix_bytes = unit->text.bytes;
		if (!text_copy(&fresh->text, &unit->text, 0, prefix_bytes))
			error = -ENOMEM;
		else
			error = add(private, fresh, fork);
	}
	pthread_mutex_unlock(&private->lock);
	if (error != 0)
		drop(fresh);
	return error;
}

/* To itself it is one hold more; nobody else is here. */
static int private_share(void *state, agentmem_unit_t number, uint64_t agent)
{
	struct private *private = state;
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = find(private, number, &error);
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
	find(private, number, &error);
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
	unit = find(private, number, &error);
	if (unit != NULL && --unit->holds == 0) {
		private->bytes -= private_bytes(unit);
		am_table_remove(private->units, &unit->entry);
		drop(unit);
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
