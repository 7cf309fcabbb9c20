/* SPDX-License-Identifier: Apache-2.0 */
/* What comes into private memory: units, forks, and changes of conversations. */
#include <errno.h>
#include <stdlib.h>

#include "common/digest.h"
#include "private.h"

/* With the lock held, as the next two. */
static bool has_quota(const struct private *private, uint64_t more_bytes)
{
	return private->wish.quota_bytes == 0 || (more_bytes <= private->wish.quota_bytes && private->bytes <= private->wish.quota_bytes - more_bytes);
}

static struct private_unit *conversation(struct private *private, agentmem_unit_t number, int *error)
{
	struct private_unit *unit = private_unit_of(private, number, error);

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
		private_drop(unit);
	return error;
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
	unit->buffer = buffer != NULL ? buffer_get(buffer) : buffer_copy(data, bytes);
	error = unit->buffer == NULL ? -ENOMEM : add(private, unit, number);
	if (error != 0)
		private_drop(unit);
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

int private_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *number)
{
	if (kind == AGENTMEM_CONVERSATION)
		return add_conversation(state, data, bytes, NULL, number);
	return add_content(state, kind, data, bytes, NULL, number);
}

int private_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *number)
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

/* At the end, where it appends: `offset` and `old_bytes` are not looked at. */
static int change(struct private *private, agentmem_unit_t number, bool appends, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	struct private_unit *unit;
	int error;

	pthread_mutex_lock(&private->lock);
	unit = conversation(private, number, &error);
	if (unit == NULL)
		goto out;
	if (!appends && (offset > unit->text.bytes || old_bytes > unit->text.bytes - offset))
		error = -EINVAL;
	else if (new_bytes > UNIT_BYTES_MOST - (unit->text.bytes - old_bytes))
		error = -E2BIG;
	else if (new_bytes > old_bytes && !has_quota(private, new_bytes - old_bytes))
		error = -EDQUOT;
	else if (appends ? !text_append(&unit->text, data, new_bytes) : !text_edit(&unit->text, offset, old_bytes, data, new_bytes))
		error = -ENOMEM;
	if (error == 0) {
		private->bytes += new_bytes - old_bytes;
		unit->used_ms = now_ms();
	}
out:
	pthread_mutex_unlock(&private->lock);
	return error;
}

int private_edit(void *state, agentmem_unit_t number, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	return change(state, number, false, offset, old_bytes, data, new_bytes);
}

int private_append(void *state, agentmem_unit_t number, const void *data, size_t bytes)
{
	return change(state, number, true, 0, 0, data, bytes);
}

int private_fork(void *state, agentmem_unit_t number, uint64_t prefix_bytes, agentmem_unit_t *fork)
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
		private_drop(fresh);
	return error;
}
