/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the broker was lost: what this process has mapped is handed in again,
 * from the sealed memfd that is mapped, so that the memory stays one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "memfd.h"

struct list {
	struct broker *broker;
	struct broker_mapping **mappings;
	size_t count, room;
};

static bool can_restore(const struct broker *broker, const struct broker_mapping *mapping)
{
	const struct known *known = known_find(broker, mapping->mapping.unit);

	if (known == NULL || known->is_lost)
		return false;
	if (mapping->kind != AGENTMEM_CONVERSATION)
		return known->mapping == &mapping->mapping;
	return known->is_own && mapping->is_current && mapping->changes == known->changes && !atomic_load(&broker->has_company);
}

static void collect(void *context, struct mapping *mapping)
{
	struct broker_mapping *one = (struct broker_mapping *)mapping;
	struct list *list = context;

	if (!can_restore(list->broker, one))
		return;
	if (list->count == list->room) {
		size_t room = list->room == 0 ? 64 : list->room * 2;
		struct broker_mapping **more = realloc(list->mappings, room * sizeof(struct broker_mapping *));

		if (more == NULL)
			return;
		list->mappings = more;
		list->room = room;
	}
	mapping->count++;
	list->mappings[list->count++] = one;
}

/* What a cold store brought back need not be handed in. */
static int find_again(struct broker *broker, struct connection *connection, const struct am_digest *digest, struct broker_unit *unit)
{
	struct broker_find find;
	struct call call = CALL(.type = BROKER_FIND, .body = &find, .body_bytes = sizeof(find));
	int error;

	memcpy(find.digest, digest->bytes, sizeof(find.digest));
	error = connection_call(connection, &call, broker->timeout_ms);
	*unit = call.reply.unit;
	call_end(&call);
	return error;
}

static int hand_in_again(struct broker *broker, struct connection *connection, const struct broker_mapping *one, struct broker_unit *unit)
{
	const struct mapping *mapping = &one->mapping;
	struct broker_alloc body = { .kind = one->kind, .bytes = mapping->bytes };
	struct call call = CALL(.type = BROKER_ALLOC, .body = &body, .body_bytes = sizeof(body));
	struct held copy = HELD_NONE;
	int error = 0;

	if (mapping->bytes <= BROKER_INLINE_MOST) {
		call.more = mapping->data;
		call.more_bytes = mapping->bytes;
	} else {
		if (mapping->fd < 0)
			error = memfd_of(mapping->data, mapping->bytes, &copy);
		call.fd = mapping->fd < 0 ? copy.fd : mapping->fd;
	}
	if (error == 0)
		error = connection_call(connection, &call, broker->timeout_ms);
	*unit = call.reply.unit;
	call_end(&call);
	held_close(&copy);
	return error;
}

static void restore(struct broker *broker, struct connection *connection, uint64_t generation, struct broker_mapping *one)
{
	struct broker_unit unit;
	struct known *known;
	struct am_digest digest;
	bool has_digest, was_found;
	int error = -ENOENT;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, one->mapping.unit);
	has_digest = known != NULL && known->entry.has_digest;
	if (has_digest)
		digest = known->entry.digest;
	pthread_mutex_unlock(&broker->units_lock);
	if (has_digest)
		error = find_again(broker, connection, &digest, &unit);
	was_found = error == 0;
	if (!was_found)
		error = hand_in_again(broker, connection, one, &unit);
	if (error != 0)
		return;
	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, one->mapping.unit);
	/* A conversation that somebody has begun to change meanwhile is not what was handed in: it is asked for by its own number, and lost. */
	if (known != NULL && can_restore(broker, one)) {
		known->remote = unit.unit;
		known->generation = generation;
		known->bytes = unit.bytes;
		if (!was_found && known->holds > 0)
			known->missing = known->holds - 1;
		known->has_extra = !was_found && known->holds == 0;
		one->mapping.remote = unit.unit;
		one->mapping.is_counted = false;
		one->generation = generation;
	}
	pthread_mutex_unlock(&broker->units_lock);
}

void broker_restore(struct broker *broker, struct connection *connection, uint64_t generation)
{
	struct list list = { .broker = broker };

	pthread_mutex_lock(&broker->units_lock);
	maps_each(broker, collect, &list);
	pthread_mutex_unlock(&broker->units_lock);
	for (size_t i = 0; i < list.count; i++) {
		restore(broker, connection, generation, list.mappings[i]);
		(void)broker_unmap(broker, list.mappings[i]->mapping.data);
	}
	free(list.mappings);
}
