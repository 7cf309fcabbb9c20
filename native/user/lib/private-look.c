/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "private.h"

/* Larger conversations go without: nobody waits for so long a pass under the lock. */
#define DIGEST_MOST ((uint64_t)16 << 20)

static bool digest_of_text(const struct text *text, struct am_digest *digest)
{
	uint8_t *all = text->bytes > DIGEST_MOST ? NULL : malloc(text->bytes == 0 ? 1 : (size_t)text->bytes);

	if (all == NULL)
		return false;
	text_read(text, 0, all, (size_t)text->bytes);
	digest_of(all, (size_t)text->bytes, digest);
	free(all);
	return true;
}

int private_stat_unit(void *state, agentmem_unit_t number, struct agentmem_unit_stat *stat)
{
	struct private *private = state;
	struct private_unit *unit;
	struct am_digest digest = { 0 };
	bool has_digest = true;

	pthread_mutex_lock(&private->lock);
	unit = (struct private_unit *)am_table_find(private->units, number);
	if (unit != NULL) {
		if (unit->kind == AGENTMEM_CONVERSATION)
			has_digest = digest_of_text(&unit->text, &digest);
		else
			digest = unit->entry.digest;
		*stat = (struct agentmem_unit_stat){
			.unit = number, .bytes = private_bytes(unit), .stored_bytes = private_stored_bytes(unit), .has_digest = has_digest, .kind = unit->kind, .tier = AGENTMEM_HOT,
			.sharers = 1, .importance = private->wish.importance, .idle_ms = now_ms() - unit->used_ms, .hot_bytes = private_bytes(unit),
		};
		memcpy(stat->digest, digest.bytes, sizeof(stat->digest));
	}
	pthread_mutex_unlock(&private->lock);
	return unit == NULL ? -ENOENT : 0;
}

static bool add_stored(void *context, struct am_entry *entry)
{
	*(uint64_t *)context += private_stored_bytes((struct private_unit *)entry);
	return true;
}

int private_stat(void *state, struct agentmem_stat *stat)
{
	struct private *private = state;
	uint64_t stored = 0;

	pthread_mutex_lock(&private->lock);
	am_table_each(private->units, add_stored, &stored);
	stat->agent = PRIVATE_AGENT;
	stat->state = (uint32_t)private->how;
	stat->units = stat->user_units = am_table_count(private->units);
	stat->bytes = stat->user_bytes = private->bytes;
	stat->quota_bytes = private->wish.quota_bytes;
	stat->user_agents = 1;
	stat->user_hot_bytes = stored;
	stat->user_own_bytes = am_table_bytes(private->units) + stat->units * sizeof(struct private_unit);
	pthread_mutex_unlock(&private->lock);
	return 0;
}

int private_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most)
{
	struct private *private = state;
	struct agentmem_agent_line line = { .agent = PRIVATE_AGENT, .pid = (uint32_t)getpid(), .processes = 1 };

	if (after >= PRIVATE_AGENT || most == 0)
		return 0;
	pthread_mutex_lock(&private->lock);
	line.state = (uint32_t)private->how;
	line.importance = private->wish.importance;
	line.units = am_table_count(private->units);
	line.bytes = line.hot_bytes = private->bytes;
	memcpy(line.name, private->wish.name, sizeof(line.name));
	memcpy(line.domain, private->wish.domain, sizeof(line.domain));
	pthread_mutex_unlock(&private->lock);
	lines[0] = line;
	return 1;
}

/* The `most` smallest numbers above `after`, kept in order as they are come by. */
struct gathering {
	uint64_t after, now_ms;
	uint32_t importance;
	struct agentmem_unit_line *lines;
	unsigned most, count;
};

static bool gather(void *context, struct am_entry *entry)
{
	struct private_unit *unit = (struct private_unit *)entry;
	struct gathering *all = context;
	unsigned at;

	if (entry->number <= all->after || (all->count == all->most && entry->number > all->lines[all->count - 1].unit))
		return true;
	if (all->count < all->most)
		all->count++;
	for (at = all->count - 1; at > 0 && all->lines[at - 1].unit > entry->number; at--)
		all->lines[at] = all->lines[at - 1];
	all->lines[at] = (struct agentmem_unit_line){
		.unit = entry->number, .agent = PRIVATE_AGENT, .bytes = private_bytes(unit), .stored_bytes = private_stored_bytes(unit),
		.idle_ms = all->now_ms - unit->used_ms, .kind = unit->kind, .tier = AGENTMEM_HOT, .sharers = 1, .importance = all->importance,
	};
	memcpy(all->lines[at].digest, entry->digest.bytes, sizeof(all->lines[at].digest));
	return true;
}

int private_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	struct private *private = state;
	struct gathering all = { .after = after, .now_ms = now_ms(), .lines = lines, .most = most };

	if (agent > PRIVATE_AGENT)
		return 0;
	pthread_mutex_lock(&private->lock);
	all.importance = private->wish.importance;
	am_table_each(private->units, gather, &all);
	pthread_mutex_unlock(&private->lock);
	return (int)all.count;
}

int private_settings(void *state, struct agentmem_settings *settings)
{
	struct private *private = state;
	/* In the order of the struct, behind its size. */
	enum { FIELDS = (sizeof(*settings) - sizeof(settings->size)) / sizeof(uint64_t) };
	const uint64_t *asked = &settings->warm_after_ms;
	uint64_t *kept;

	_Static_assert(sizeof(*settings) == sizeof(settings->size) + 7 * sizeof(uint64_t), "a new field");
	pthread_mutex_lock(&private->lock);
	kept = &private->settings.warm_after_ms;
	for (size_t i = 0; i < FIELDS; i++) {
		if (asked[i] != 0)
			kept[i] = asked[i];
	}
	*settings = private->settings;
	pthread_mutex_unlock(&private->lock);
	return 0;
}
