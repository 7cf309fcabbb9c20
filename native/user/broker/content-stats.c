/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a unit, of an agent, of all of it. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>

struct sums {
	uint64_t hot, warm, cold;	/* plain bytes by tier */
	uint64_t stored;		/* this unit's part */
};

static void add_block(struct sums *sums, const struct block *block, uint64_t bytes, uint64_t stored)
{
	enum am_tier tier = block_tier(block);

	*(tier == AM_TIER_HOT ? &sums->hot : tier == AM_TIER_WARM ? &sums->warm : &sums->cold) += bytes;
	sums->stored += stored;
}

/* Cold is what each of its holders would find again after a crash: with a manifest that names them all. */
static void found_again(const struct unit *unit, struct sums *sums)
{
	if (unit->recorded && !unit->record_stale && !unit->recording)
		return;
	sums->warm += sums->cold;
	sums->cold = 0;
}

static void sums_of(const struct unit *unit, struct sums *sums)
{
	const struct body *body = unit->body;

	*sums = (struct sums){ 0 };
	if (!unit->big) {
		if (unit->slab != NULL && unit->slab->live_bytes > 0)
			add_block(sums, unit->slab, unit->bytes, (uint64_t)((double)block_stored_bytes(unit->slab) * (double)unit->bytes / (double)unit->slab->live_bytes));
		found_again(unit, sums);
		return;
	}
	for (uint32_t i = 0; i < body->count; i++)
		add_block(sums, body->parts[i].block, body->parts[i].block->bytes, block_stored_bytes(body->parts[i].block) / (block_refs(body->parts[i].block) == 0 ? 1 : block_refs(body->parts[i].block)));
	found_again(unit, sums);
	sums->hot += body->tail_bytes;
	sums->stored += body->tail_bytes + body->fd_bytes;
	/* A whole copy in a memfd is nearer than any part. */
	if (body->fd >= 0 && body->fd_bytes == unit->bytes)
		*sums = (struct sums){ .hot = unit->bytes, .stored = sums->stored };
}

static uint32_t tier_of(const struct sums *sums)
{
	return sums->cold > 0 ? AM_TIER_COLD : sums->warm > 0 ? AM_TIER_WARM : AM_TIER_HOT;
}

static uint64_t idle_ms(const struct content *content, uint64_t used_ms)
{
	return used_ms >= content->now_ms ? 0 : content->now_ms - used_ms;
}

void stat_fill(const struct content *content, struct unit *unit, struct broker_unit_stat *stat)
{
	struct content_result result;
	struct sums sums;

	sums_of(unit, &sums);
	result_of(unit, &result);
	*stat = (struct broker_unit_stat){
		.unit = unit->entry.number, .bytes = unit->bytes, .stored_bytes = sums.stored, .idle_ms = idle_ms(content, unit->used_ms),
		.hot_bytes = sums.hot, .warm_bytes = sums.warm, .cold_bytes = sums.cold, .has_digest = result.has_digest, .kind = unit->kind,
		.tier = tier_of(&sums), .sharers = unit_sharers(unit), .importance = unit->importance,
	};
	memcpy(stat->digest, result.digest.bytes, sizeof(stat->digest));
}

void content_agent_stat(struct content *content, uint64_t agent, struct broker_stat *stat)
{
	const struct keeper *keeper = keeper_find(content, agent);

	stat->units = 0;
	stat->bytes = 0;
	stat->shared_bytes = 0;
	if (keeper == NULL)
		return;
	stat->units = keeper->units;
	stat->bytes = keeper->bytes;
	for (const struct holder *holder = keeper->first; holder != NULL; holder = holder->keeper_next)
		if (unit_sharers(holder->unit) > 1)
			stat->shared_bytes += holder->unit->bytes;
}

void content_agent_line(struct content *content, uint64_t agent, struct broker_agent_line *line)
{
	const struct keeper *keeper = keeper_find(content, agent);

	if (keeper == NULL)
		return;
	line->units = keeper->units;
	line->bytes = keeper->bytes;
	line->idle_ms = idle_ms(content, keeper->used_ms);
	line->shared_bytes = 0;
	line->hot_bytes = 0;
	line->warm_bytes = 0;
	line->cold_bytes = 0;
	for (const struct holder *holder = keeper->first; holder != NULL; holder = holder->keeper_next) {
		struct sums sums;

		sums_of(holder->unit, &sums);
		line->hot_bytes += sums.hot;
		line->warm_bytes += sums.warm;
		line->cold_bytes += sums.cold;
		if (unit_sharers(holder->unit) > 1)
			line->shared_bytes += holder->unit->bytes;
	}
}

static uint64_t own_bytes(const struct content *content)
{
	struct warm_stats warm;
	struct store_stats store = { 0 };
	uint64_t bytes = content->own_bytes + sizeof(*content) + BROKER_INLINE_MOST + workers_own_bytes(content->workers);

	warm_stats(content->warm, &warm);
	bytes += warm.own_bytes + (warm.pool_bytes > warm.stored_bytes ? warm.pool_bytes - warm.stored_bytes : 0);
	bytes += am_table_bytes(content->units) + am_table_bytes(content->blocks) + am_table_bytes(content->keepers) + am_sketch_index_bytes(content->sketches);
	if (content->store != NULL) {
		store_stats(content->store, &store);
		bytes += store.own_bytes;
	}
	return bytes;
}

void content_stat_all(struct content *content, struct broker_stat *stat)
{
	struct store_stats store = { 0 };

	if (content->store != NULL)
		store_stats(content->store, &store);
	stat->user_units = am_table_count(content->units);
	stat->user_bytes = content->plain_bytes;
	stat->user_hot_bytes = content->hot_bytes;
	stat->user_warm_bytes = content->warm_bytes;
	stat->user_cold_bytes = content->cold_bytes;
	stat->user_own_bytes = own_bytes(content);
	stat->handed_in_bytes = content->handed_in_bytes;
	stat->found_bytes = content->found_bytes;
	stat->packed_bytes = content->packed_bytes;
	stat->packed_stored_bytes = content->packed_stored_bytes;
	stat->restored_blocks = content->restored_blocks;
	stat->cold_reads = content->cold_reads;
	stat->errors = content->errors;
	stat->cold_apparent_bytes = store.apparent_bytes;
}

/* The smallest numbers above `after`, as a heap with the largest of them on top. */
struct pick {
	const struct content *content;
	struct broker_unit_line *lines;
	uint64_t after;
	unsigned most, count;
	bool more;
};

static void swap_lines(struct broker_unit_line *a, struct broker_unit_line *b)
{
	struct broker_unit_line line = *a;

	*a = *b;
	*b = line;
}

static void sift_down(struct broker_unit_line *lines, unsigned count, unsigned at)
{
	while (2 * at + 1 < count) {
		unsigned child = 2 * at + 1;

		if (child + 1 < count && lines[child + 1].unit > lines[child].unit)
			child++;
		if (lines[at].unit >= lines[child].unit)
			return;
		swap_lines(&lines[at], &lines[child]);
		at = child;
	}
}

static void offer(struct pick *pick, uint64_t number)
{
	struct broker_unit_line *lines = pick->lines;

	if (number <= pick->after)
		return;
	if (pick->count < pick->most) {
		unsigned at = pick->count++;

		memset(&lines[at], 0, sizeof(lines[at]));
		lines[at].unit = number;
		while (at > 0 && lines[(at - 1) / 2].unit < lines[at].unit) {
			swap_lines(&lines[at], &lines[(at - 1) / 2]);
			at = (at - 1) / 2;
		}
		return;
	}
	pick->more = true;
	if (pick->most > 0 && number < lines[0].unit) {
		lines[0].unit = number;
		sift_down(lines, pick->count, 0);
	}
}

static bool offer_entry(void *context, struct am_entry *entry)
{
	offer(context, entry->number);
	return true;
}

static void fill_line(const struct content *content, uint64_t agent, struct broker_unit_line *line)
{
	const struct unit *unit = unit_find(content, line->unit);
	const struct holder *holder = unit->first_holder.keeper != NULL ? &unit->first_holder : unit->first_holder.next;
	struct content_result result;
	struct sums sums;

	sums_of(unit, &sums);
	result_of(unit, &result);
	line->agent = agent != 0 || holder == NULL ? agent : holder->keeper->entry.number;
	line->bytes = unit->bytes;
	line->stored_bytes = sums.stored;
	line->idle_ms = idle_ms(content, unit->used_ms);
	line->kind = unit->kind;
	line->tier = tier_of(&sums);
	line->sharers = unit_sharers(unit);
	line->importance = unit->importance;
	memcpy(line->digest, result.digest.bytes, sizeof(line->digest));
}

unsigned content_unit_lines(struct content *content, uint64_t agent, uint64_t after, struct broker_unit_line *lines, unsigned most, bool *more)
{
	struct pick pick = { .content = content, .lines = lines, .after = after, .most = most };
	const struct keeper *keeper = agent == 0 ? NULL : keeper_find(content, agent);

	if (agent == 0)
		am_table_each(content->units, offer_entry, &pick);
	for (const struct holder *holder = keeper == NULL ? NULL : keeper->first; holder != NULL; holder = holder->keeper_next)
		offer(&pick, holder->unit->entry.number);
	for (unsigned end = pick.count; end > 1; end--) {
		swap_lines(&lines[0], &lines[end - 1]);
		sift_down(lines, end - 1, 0);
	}
	for (unsigned i = 0; i < pick.count; i++)
		fill_line(content, agent, &lines[i]);
	*more = pick.more;
	return pick.count;
}
