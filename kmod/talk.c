// SPDX-License-Identifier: GPL-2.0
/* Conversations: blocks cut by content, shared with forks and with others alike, and a tail of less than one. How they grow and change. */
#include <linux/sched/signal.h>

#include "contents.h"

/* A block is compressed in one piece, so none is longer than an extent. */
const struct am_chunk_sizes am_talk_sizes = { .min = 8u << 10, .average = 32u << 10, .max = AM_EXTENT_BYTES };

struct am_talk *am_talk_new(void)
{
	struct am_talk *talk = kzalloc(sizeof(*talk), GFP_KERNEL_ACCOUNT);

	if (!talk)
		return NULL;
	mutex_init(&talk->writer);
	init_rwsem(&talk->lock);
	return talk;
}

void am_talk_free(struct am_talk *talk)
{
	if (!talk)
		return;
	for (u32 i = 0; i < talk->count; i++)
		am_content_put(talk->blocks[i].content);
	kvfree(talk->blocks);
	kvfree(talk->tail);
	kfree(talk);
}

/* What an append makes before any of it is seen. */
struct growth {
	struct am_domain *domain;
	u8 *tail;
	u32 bytes, room, seen;
	bool own;		/* the tail is not the conversation's */
	struct am_block *blocks;
	u32 count, blocks_room;
	u64 end;
};

static void growth_drop(struct growth *growth)
{
	for (u32 i = 0; i < growth->count; i++)
		am_content_put(growth->blocks[i].content);
	kvfree(growth->blocks);
	if (growth->own)
		kvfree(growth->tail);
}

static int new_tail(struct growth *growth, u32 from, u32 bytes, u32 room)
{
	u8 *tail;

	room = roundup_pow_of_two(max(room, AM_TAIL_LEAST));
	tail = kvmalloc(room, AM_GFP);
	if (!tail)
		return -ENOMEM;
	if (bytes)
		memcpy(tail, growth->tail + from, bytes);
	if (growth->own)
		kvfree(growth->tail);
	growth->tail = tail;
	growth->room = room;
	growth->own = true;
	return 0;
}

static int add_block(struct growth *growth, u32 bytes)
{
	struct am_content *content;

	if (growth->count == growth->blocks_room) {
		u32 room = growth->blocks_room ? growth->blocks_room * 2 : 4;
		struct am_block *blocks = kvmalloc_array(room, sizeof(*blocks), AM_GFP);

		if (!blocks)
			return -ENOMEM;
		if (growth->count)
			memcpy(blocks, growth->blocks, growth->count * sizeof(*blocks));
		kvfree(growth->blocks);
		growth->blocks = blocks;
		growth->blocks_room = room;
	}
	content = am_content_from(growth->domain, am_source_kernel, growth->tail, bytes);
	if (IS_ERR(content))
		return PTR_ERR(content);
	growth->end += bytes;
	growth->blocks[growth->count++] = (struct am_block){ .content = content, .end = growth->end };
	return 0;
}

static int cut(struct growth *growth)
{
	for (;;) {
		u32 bytes = am_chunk_cut_on(&am_talk_sizes, growth->tail, growth->seen, growth->bytes, false);
		u32 rest = growth->bytes - bytes;
		int error;

		if (!bytes)
			break;
		error = add_block(growth, bytes);
		if (error)
			return error;
		if (!growth->own) {
			error = new_tail(growth, bytes, rest, rest);
			if (error)
				return error;
		} else {
			memmove(growth->tail, growth->tail + bytes, rest);
		}
		growth->bytes = rest;
		growth->seen = 0;
	}
	growth->seen = growth->bytes;
	return 0;
}

/* Takes in what a source has from `offset` on. */
static int grow(struct growth *growth, am_source source, void *context, u64 offset, u64 bytes)
{
	while (bytes) {
		u32 want = min_t(u64, growth->bytes + bytes, AM_EXTENT_BYTES);
		u32 piece;
		int error;

		if (growth->room < want) {
			error = new_tail(growth, 0, growth->bytes, want);
			if (error)
				return error;
		}
		piece = min_t(u64, bytes, growth->room - growth->bytes);
		/* Behind what readers look at, in their own tail too. */
		error = source(context, offset, growth->tail + growth->bytes, piece);
		if (error)
			return error;
		growth->bytes += piece;
		offset += piece;
		bytes -= piece;
		error = cut(growth);
		if (error)
			return error;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/*
 * Under talk->writer: of the blocks the first `keep` stay and those from
 * `resume` on; between them stand the new ones. Nothing fails behind the last
 * allocation.
 */
static int publish(struct am_talk *talk, struct growth *growth, u32 keep, u32 resume)
{
	u32 after = talk->count - resume, count = keep + growth->count + after;
	struct am_block *old = talk->blocks, *blocks = old, *gone = NULL;
	u32 room = talk->room, gone_count = resume - keep;
	u64 from = resume ? old[resume - 1].end : 0;
	u8 *old_tail = NULL;

	if (count > room || gone_count || (after && growth->count)) {
		room = max(count, talk->room * (growth->count > gone_count ? 2 : 1));
		blocks = kvmalloc_array(room, sizeof(*blocks), AM_GFP);
		if (!blocks)
			return -ENOMEM;
		if (keep)
			memcpy(blocks, old, keep * sizeof(*blocks));
		for (u32 i = 0; i < after; i++) {
			blocks[keep + growth->count + i] = old[resume + i];
			blocks[keep + growth->count + i].end += growth->end - from;
		}
	}
	down_write(&talk->lock);
	if (growth->count)
		memcpy(blocks + keep, growth->blocks, growth->count * sizeof(*blocks));
	if (blocks != old) {
		gone = old;
		talk->blocks = blocks;
		talk->room = room;
	}
	talk->count = count;
	if (growth->own) {
		old_tail = talk->tail;
		talk->tail = growth->tail;
		talk->tail_room = growth->room;
	}
	talk->tail_bytes = growth->bytes;
	talk->tail_seen = growth->seen;
	talk->has_digest = false;
	up_write(&talk->lock);
	for (u32 i = 0; i < gone_count; i++)
		am_content_put(gone[keep + i].content);
	kvfree(gone);
	kvfree(old_tail);
	kvfree(growth->blocks);
	return 0;
}

int am_talk_append(struct am_unit *unit, const void __user *data, u64 bytes)
{
	struct am_talk *talk = unit->talk;
	struct growth growth;
	int error;

	if (mutex_lock_killable(&talk->writer))
		return -EINTR;
	error = am_unit_grow(unit, bytes);
	if (error)
		goto out;
	growth = (struct growth){
		.domain = unit->domain, .tail = talk->tail, .bytes = talk->tail_bytes, .room = talk->tail_room, .seen = talk->tail_seen, .end = am_talk_end(talk),
	};
	error = grow(&growth, am_source_user, (void __force *)data, 0, bytes);
	if (!error)
		error = publish(talk, &growth, talk->count, talk->count);
	if (error) {
		growth_drop(&growth);
		am_unit_shrink(unit, bytes);
	}
out:
	mutex_unlock(&talk->writer);
	return error;
}

/*
 * Of who sleeps: what comes after the last cut is a block too, so that it can
 * be compressed. Where the conversation goes on it begins a block there; cuts
 * behind it meet those of others again. What somebody writes to now stays.
 */
void am_talk_close_tail(struct am_unit *unit)
{
	struct am_talk *talk = unit->talk;
	struct growth growth;
	int error;

	if (!mutex_trylock(&talk->writer))
		return;
	growth = (struct growth){
		.domain = unit->domain, .tail = talk->tail, .bytes = talk->tail_bytes, .room = talk->tail_room, .end = am_talk_end(talk),
	};
	/* Less is not worth a block of its own. */
	error = growth.bytes < am_talk_sizes.min ? -E2BIG : add_block(&growth, growth.bytes);
	if (!error)
		error = new_tail(&growth, 0, 0, 0);
	growth.bytes = 0;
	if (!error)
		error = publish(talk, &growth, talk->count, talk->count);
	if (error)
		growth_drop(&growth);
	mutex_unlock(&talk->writer);
}

static int source_content(void *context, u64 offset, u8 *to, size_t bytes)
{
	return am_content_read(context, offset, to, bytes);
}

/* Takes in the conversation's own bytes from..to, which lie in the block or tail at `*index`; steps on to the next one. 1 where a block of old and one of new end together. */
static int grow_by_own(struct growth *growth, struct am_talk *talk, u32 *index, u64 from, u64 to)
{
	while (from < to) {
		u64 start = *index ? talk->blocks[*index - 1].end : 0;
		bool tail = *index == talk->count;
		u64 end = tail ? to : min(to, talk->blocks[*index].end);
		int error = tail ? grow(growth, am_source_kernel, talk->tail, from - start, end - from)
				 : grow(growth, source_content, talk->blocks[*index].content, from - start, end - from);

		if (error)
			return error;
		from = end;
		if (!tail && from == talk->blocks[*index].end)
			++*index;
		/* What follows is cut as it was. */
		if (!growth->bytes && *index && from == talk->blocks[*index - 1].end)
			return 1;
	}
	return 0;
}

/* The first block that ends behind `offset`; the tail where none does. */
static u32 index_of(const struct am_talk *talk, u64 offset)
{
	u32 low = 0, high = talk->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (talk->blocks[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Cuts anew from the block that has the first byte that changes to where cuts meet again. Only a writer changes blocks and tail, so they are read without a lock. */
static int edit(struct am_talk *talk, struct growth *growth, u64 offset, u64 old_bytes, const void __user *data, u64 bytes)
{
	u64 total = am_talk_end(talk) + talk->tail_bytes, at = offset + old_bytes;
	u32 keep = index_of(talk, offset), index = keep, resume;
	int met;

	growth->end = keep ? talk->blocks[keep - 1].end : 0;
	met = grow_by_own(growth, talk, &index, growth->end, offset);
	if (met >= 0)
		met = grow(growth, am_source_user, (void __force *)data, 0, bytes);
	if (met < 0)
		return met;
	resume = index_of(talk, at);
	met = !growth->bytes && at == (resume ? talk->blocks[resume - 1].end : 0);
	if (!met)
		met = grow_by_own(growth, talk, &resume, at, total);
	if (met < 0)
		return met;
	if (!met)
		return publish(talk, growth, keep, talk->count);
	/* Blocks and tail behind stay what they are. */
	if (growth->own)
		kvfree(growth->tail);
	growth->own = false;
	growth->bytes = talk->tail_bytes;
	growth->seen = talk->tail_seen;
	return publish(talk, growth, keep, resume);
}

int am_talk_edit(struct am_unit *unit, u64 offset, u64 old_bytes, const void __user *data, u64 bytes)
{
	struct am_talk *talk = unit->talk;
	struct growth growth = { .domain = unit->domain };
	u64 total;
	int error;

	if (mutex_lock_killable(&talk->writer))
		return -EINTR;
	total = am_talk_end(talk) + talk->tail_bytes;
	error = offset > total || old_bytes > total - offset ? -ERANGE : 0;
	if (!error && bytes > old_bytes)
		error = am_unit_grow(unit, bytes - old_bytes);
	if (error)
		goto out;
	error = edit(talk, &growth, offset, old_bytes, data, bytes);
	if (error)
		growth_drop(&growth);
	if (error && bytes > old_bytes)
		am_unit_shrink(unit, bytes - old_bytes);
	if (!error && bytes < old_bytes)
		am_unit_shrink(unit, old_bytes - bytes);
out:
	mutex_unlock(&talk->writer);
	return error;
}
