/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "broker.h"
#include "memfd.h"

static void release(struct mapping *mapping)
{
	munmap(mapping->data, memory_area(mapping->bytes));
	if (mapping->fd >= 0)
		close(mapping->fd);
	free(mapping);
}

/* From here on it is on no way any more: children have it too. */
static void keep_memfd(struct broker *broker, struct mapping *mapping, struct held *memfd)
{
	if (memfd->fd < 0 || broker->kept_fds >= broker->kept_fds_most)
		return;
	mapping->fd = held_keep(memfd);
	broker->kept_fds++;
}

/* The broker is this user's, and nevertheless: pages that somebody could take away or change are not mapped. */
static int map_reply(const struct call *call, void **data)
{
	uint64_t bytes = call->reply.unit.bytes, memfd_bytes;

	if (call->reply_fd.fd < 0) {
		if (call->reply.data_bytes != bytes)
			return -EPROTO;
		*data = memory_of(call->reply.data, (size_t)bytes);
	} else {
		if (memfd_is_sealed(call->reply_fd.fd, &memfd_bytes) != 0 || memfd_bytes < bytes)
			return -EPROTO;
		*data = bytes == 0 ? memory_of(NULL, 0) : memfd_map(call->reply_fd.fd, (size_t)bytes);
	}
	return *data == NULL ? -ENOMEM : 0;
}

static int mapping_of(struct broker *broker, agentmem_unit_t unit, const struct call *call, struct broker_mapping *look)
{
	look->mapping = (struct mapping){ .owner = broker, .bytes = (size_t)call->reply.unit.bytes, .unit = unit, .release = release, .fd = -1, .count = 1, .is_counted = true };
	look->kind = (enum agentmem_kind)call->reply.unit.kind;
	return map_reply(call, &look->mapping.data);
}

/* Whether a snapshot that is taken from now on is what the conversation is until the next change begins. */
static void look_before(struct broker *broker, agentmem_unit_t unit, struct broker_mapping *look)
{
	const struct known *known;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	look->is_current = known != NULL && known->changing == 0;
	look->changes = known == NULL ? 0 : known->changes;
	pthread_mutex_unlock(&broker->units_lock);
}

struct mapping *broker_use_mapping(struct broker *broker, agentmem_unit_t unit)
{
	struct known *known = known_find(broker, unit);

	if (known == NULL || known->mapping == NULL)
		return NULL;
	known->mapping->count++;
	return known->mapping;
}

static struct mapping *use_mapping(struct broker *broker, agentmem_unit_t unit)
{
	struct mapping *mapping;

	pthread_mutex_lock(&broker->units_lock);
	mapping = broker_use_mapping(broker, unit);
	pthread_mutex_unlock(&broker->units_lock);
	return mapping;
}

/* Into the tables, or another thread's of the same unit instead. */
static struct mapping *enter(struct broker *broker, struct broker_mapping *fresh, struct call *call)
{
	struct mapping *mapping = &fresh->mapping;
	struct known *known;
	bool can_change = fresh->kind == AGENTMEM_CONVERSATION;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, mapping->unit);
	if (known != NULL && known->mapping != NULL && !can_change) {
		mapping = known->mapping;
		mapping->count++;
		goto out;
	}
	if (!maps_add(mapping)) {
		mapping = NULL;
		goto out;
	}
	/* Held by another process of this agent, or freed by another thread: then it is known while it is mapped. */
	if (known == NULL && !can_change)
		known = known_add(broker, mapping->unit, fresh->generation, &call->reply.unit);
	if (known != NULL && !can_change)
		known->mapping = mapping;
	keep_memfd(broker, mapping, &call->reply_fd);
out:
	pthread_mutex_unlock(&broker->units_lock);
	return mapping;
}

/* One mapping less at the broker, which must not be started for it. */
static void tell_unmapped(struct broker *broker, uint64_t remote, uint64_t generation, uint16_t type)
{
	uint64_t present;
	struct connection *connection = broker_present(broker, &present);
	struct broker_number number = { .unit = remote };
	struct call call = CALL(.type = type, .body = &number, .body_bytes = sizeof(number));

	if (connection == NULL)
		return;
	if (generation == present)
		(void)connection_call(connection, &call, broker->timeout_ms);
	connection_put(connection);
	call_end(&call);
}

static int map_anew(struct broker *broker, agentmem_unit_t unit, struct mapping **mapping)
{
	struct broker_mapping *fresh = calloc(1, sizeof(*fresh));
	struct broker_number number = { .unit = unit };
	struct call call = CALL(.type = BROKER_MAP, .body = &number, .body_bytes = sizeof(number));
	struct request request = { .call = &call, .unit = unit, .remote = &number.unit, .can_repeat = true };
	int error;

	if (fresh == NULL)
		return -ENOMEM;
	look_before(broker, unit, fresh);
	error = broker_call(broker, &request);
	if (error != 0) {
		call_end(&call);
		free(fresh);
		return error;
	}
	error = mapping_of(broker, unit, &call, fresh);
	fresh->mapping.remote = number.unit;
	fresh->generation = request.generation;
	if (error == 0) {
		*mapping = enter(broker, fresh, &call);
		error = *mapping == NULL ? -ENOMEM : 0;
	}
	call_end(&call);
	if (error == 0 && *mapping == &fresh->mapping)
		return 0;
	tell_unmapped(broker, number.unit, request.generation, BROKER_UNMAP);
	if (fresh->mapping.data != NULL)
		release(&fresh->mapping);
	else
		free(fresh);
	return error;
}

int broker_map(void *state, agentmem_unit_t unit, const void **data, size_t *bytes)
{
	struct mapping *mapping = use_mapping(state, unit);
	int error = mapping != NULL ? 0 : map_anew(state, unit, &mapping);

	if (error != 0)
		return error;
	*data = mapping->data;
	*bytes = mapping->bytes;
	return 0;
}

int broker_unmap(void *state, const void *data)
{
	struct broker *broker = state;
	struct mapping *mapping;
	struct broker_mapping *last;
	struct known *known;
	bool is_last, has_extra = false;

	pthread_mutex_lock(&broker->units_lock);
	mapping = maps_find(data, broker);
	is_last = mapping != NULL && --mapping->count == 0;
	if (is_last) {
		maps_remove(mapping);
		broker->kept_fds -= mapping->fd >= 0;
		known = known_find(broker, mapping->unit);
		if (known != NULL && known->mapping == mapping) {
			known->mapping = NULL;
			has_extra = known->has_extra && known->holds == 0;
			known_drop_unused(broker, known);
		}
	}
	pthread_mutex_unlock(&broker->units_lock);
	if (is_last) {
		last = (struct broker_mapping *)mapping;
		if (mapping->is_counted)
			tell_unmapped(broker, mapping->remote, last->generation, BROKER_UNMAP);
		if (has_extra)
			tell_unmapped(broker, mapping->remote, last->generation, BROKER_FREE);
		release(mapping);
	}
	return mapping == NULL ? -EINVAL : 0;
}

static void let_go(void *context, struct mapping *mapping)
{
	(void)context;
	if (mapping->fd >= 0)
		close(mapping->fd);
	mapping->fd = -1;
}

void broker_orphan_maps(struct broker *broker)
{
	maps_each(broker, let_go, NULL);
	maps_orphan(broker);
}
