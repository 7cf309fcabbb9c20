/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "host.h"

/* No broker gives numbers so high: ours, for units whose own is taken by one that was lost. */
#define ALIAS_FIRST (UINT64_C(1) << 63)

int known_open(struct broker *broker)
{
	broker->units = lib_table();
	return broker->units == NULL ? -ENOMEM : 0;
}

static bool drop(void *context, struct am_entry *entry)
{
	am_table_remove(context, entry);
	free(entry);
	return true;
}

void known_close(struct broker *broker)
{
	am_table_each(broker->units, drop, broker->units);
	am_table_close(broker->units);
}

struct known *known_find(const struct broker *broker, agentmem_unit_t unit)
{
	return (struct known *)am_table_find(broker->units, unit);
}

static struct known *find_digest(const struct broker *broker, const struct am_digest *digest)
{
	return (struct known *)am_table_find_digest(broker->units, 0, digest);
}

struct known *known_add(struct broker *broker, agentmem_unit_t number, uint64_t generation, const struct broker_unit *unit)
{
	struct known *known = calloc(1, sizeof(*known));

	if (known == NULL)
		return NULL;
	known->entry.number = number;
	known->remote = unit->unit;
	known->generation = generation;
	known->bytes = unit->bytes;
	known->kind = (enum agentmem_kind)unit->kind;
	if (known->kind != AGENTMEM_CONVERSATION && unit->has_digest != 0) {
		memcpy(known->entry.digest.bytes, unit->digest, sizeof(known->entry.digest.bytes));
		known->entry.has_digest = true;
	}
	if (am_table_add(broker->units, &known->entry))
		return known;
	free(known);
	return NULL;
}

void known_drop_unused(struct broker *broker, struct known *known)
{
	if (known->holds == 0 && known->mapping == NULL)
		drop(broker->units, &known->entry);
}

/* What the broker gave this number or content for, as far as it is known here. A new meaning of an old number is another unit. */
static struct known *same_unit(struct broker *broker, uint64_t generation, const struct broker_unit *unit, const struct am_digest *digest)
{
	struct known *known = known_find(broker, unit->unit);

	if (known != NULL && (known->generation >= generation || (digest != NULL && known->entry.has_digest && memcmp(&known->entry.digest, digest, sizeof(*digest)) == 0)))
		return known->remote == unit->unit ? known : NULL;
	known = digest == NULL || unit->kind == AGENTMEM_CONVERSATION ? NULL : find_digest(broker, digest);
	return known;
}

/* Its content was lost with a broker, and the new one has it again. */
static void revive(struct known *known, uint64_t generation, uint64_t remote)
{
	if (known->generation >= generation && !known->is_lost)
		return;
	known->remote = remote;
	known->generation = generation;
	known->missing = known->holds;
	known->is_lost = false;
}

static agentmem_unit_t free_number(struct broker *broker, agentmem_unit_t wanted)
{
	return known_find(broker, wanted) == NULL ? wanted : ALIAS_FIRST + ++broker->aliases;
}

int known_hold(struct broker *broker, uint64_t generation, const struct broker_unit *unit, const struct am_digest *digest, bool is_own, agentmem_unit_t *number)
{
	struct am_digest told;
	struct known *known;

	if (unit->has_digest != 0) {
		memcpy(told.bytes, unit->digest, sizeof(told.bytes));
		digest = &told;
	}
	pthread_mutex_lock(&broker->units_lock);
	known = same_unit(broker, generation, unit, digest);
	if (known == NULL) {
		known = known_add(broker, free_number(broker, unit->unit), generation, unit);
		if (known != NULL)
			known->is_own = is_own;
	} else {
		revive(known, generation, unit->unit);
	}
	if (known != NULL) {
		known->holds++;
		/* Answered by a broker that has gone since. */
		if (known->generation > generation)
			known->missing++;
		if (!known->entry.has_digest && digest != NULL && known->kind != AGENTMEM_CONVERSATION)
			am_table_set_digest(broker->units, &known->entry, digest);
		*number = known->entry.number;
	}
	pthread_mutex_unlock(&broker->units_lock);
	return known == NULL ? -ENOMEM : 0;
}

agentmem_unit_t known_number(struct broker *broker, uint64_t generation, const struct broker_unit *unit)
{
	agentmem_unit_t number = unit->unit;
	struct am_digest digest;
	struct known *known;

	memcpy(digest.bytes, unit->digest, sizeof(digest.bytes));
	pthread_mutex_lock(&broker->units_lock);
	known = same_unit(broker, generation, unit, unit->has_digest != 0 ? &digest : NULL);
	if (known != NULL) {
		/* The broker knows of the holds: it found it as this agent's. */
		revive(known, generation, unit->unit);
		known->missing = 0;
		number = known->entry.number;
	} else if (known_find(broker, unit->unit) != NULL) {
		known = known_add(broker, free_number(broker, unit->unit), generation, unit);
		number = known == NULL ? 0 : known->entry.number;
	}
	pthread_mutex_unlock(&broker->units_lock);
	return number;
}

/* Asks a new broker for what an old one had; cold units come back, others do not. */
static int ask(struct broker *broker, struct connection *connection, const struct known *known, uint64_t *remote)
{
	struct broker_find find;
	struct broker_number number = { .unit = known->remote };
	struct call call = CALL(.type = BROKER_STAT_UNIT, .body = &number, .body_bytes = sizeof(number));
	int error;

	if (known->entry.has_digest) {
		memcpy(find.digest, known->entry.digest.bytes, sizeof(find.digest));
		call.type = BROKER_FIND;
		call.body = &find;
		call.body_bytes = sizeof(find);
	}
	error = connection_call(connection, &call, broker->timeout_ms);
	*remote = known->remote;
	if (error == 0 && known->entry.has_digest)
		*remote = call.reply.unit.unit;
	/* What was appended meanwhile must be there. */
	else if (error == 0 && (call.reply.unit_stat.kind != (uint32_t)known->kind || call.reply.unit_stat.bytes < known->bytes))
		error = -ENOENT;
	call_end(&call);
	return error;
}

int known_resolve(struct broker *broker, struct connection *connection, uint64_t generation, agentmem_unit_t unit, uint64_t *remote)
{
	struct known copy, *known;
	int error;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL)
		copy = *known;
	pthread_mutex_unlock(&broker->units_lock);
	if (known == NULL || (copy.generation >= generation && !copy.is_lost)) {
		*remote = known == NULL ? unit : copy.remote;
		return 0;
	}
	if (copy.is_lost)
		return -ESTALE;
	error = ask(broker, connection, &copy, remote);
	if (error != 0 && error != -ENOENT)
		return error;
	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL && known->generation < generation) {
		known->remote = *remote;
		known->generation = generation;
		known->is_lost = error != 0;
	}
	pthread_mutex_unlock(&broker->units_lock);
	return error == 0 ? 0 : -ESTALE;
}

/* A hold that the broker knows nothing of, because it was another one's, ends here alone. */
static bool free_here(struct known *known)
{
	if (known == NULL || known->holds == 0 || (!known->is_lost && known->missing == 0))
		return false;
	known->holds--;
	if (known->missing > 0)
		known->missing--;
	return true;
}

int known_free(struct broker *broker, agentmem_unit_t unit)
{
	struct broker_number number = { 0 };
	struct call call = CALL(.type = BROKER_FREE, .body = &number, .body_bytes = sizeof(number));
	struct request request = { .call = &call, .unit = unit, .remote = &number.unit };
	struct known *known;
	bool is_done;
	int error;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	/* Once more than once is once too often where there are other holds. */
	request.can_repeat = known != NULL && known->holds == 1;
	is_done = free_here(known);
	if (is_done && known->holds == 0)
		drop(broker->units, &known->entry);
	pthread_mutex_unlock(&broker->units_lock);
	if (is_done)
		return 0;
	error = broker_call(broker, &request);
	call_end(&call);
	if (error == -ENOENT && request.was_repeated)
		error = 0;
	if (error != 0 && error != -ESTALE)
		return error;
	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL && known->holds > 0)
		known->holds--;
	/* Its mapping goes on alone. */
	if (known != NULL && known->holds == 0)
		drop(broker->units, &known->entry);
	pthread_mutex_unlock(&broker->units_lock);
	return 0;
}

void known_change_begins(struct broker *broker, agentmem_unit_t unit)
{
	struct known *known;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL) {
		known->changes++;
		known->changing++;
	}
	pthread_mutex_unlock(&broker->units_lock);
}

void known_change_ends(struct broker *broker, agentmem_unit_t unit, int error, uint64_t generation, uint64_t bytes, bool is_append)
{
	struct known *known;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL && known->changing > 0) {
		known->changing--;
		/* Told after a newer broker was asked what it has of it: not this. */
		if (error == 0 && generation < known->generation)
			known->is_lost = true;
		if (error == 0 && (!is_append || bytes > known->bytes))
			known->bytes = bytes;
	}
	pthread_mutex_unlock(&broker->units_lock);
}

void known_not_own(struct broker *broker, agentmem_unit_t unit)
{
	struct known *known;

	pthread_mutex_lock(&broker->units_lock);
	known = known_find(broker, unit);
	if (known != NULL)
		known->is_own = false;
	pthread_mutex_unlock(&broker->units_lock);
}
