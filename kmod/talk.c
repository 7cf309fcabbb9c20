// SPDX-License-Identifier: GPL-2.0
/* Conversations: blocks cut by content, shared with forks and with others alike, and a tail of less than one. */
#include <linux/sched/signal.h>

#include "agentmem.h"

/* A block is compressed in one piece, so none is longer than an extent. */
const struct am_chunk_sizes am_talk_sizes = { .min = 8u << 10, .average = 32u << 10, .max = AM_EXTENT_BYTES };

#define TAIL_LEAST 4096u

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

	room = roundup_pow_of_two(max(room, TAIL_LEAST));
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

static int grow(struct growth *growth, const void __user *data, u64 bytes)
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
		if (copy_from_user(growth->tail + growth->bytes, data, piece))
			return -EFAULT;
		growth->bytes += piece;
		data += piece;
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

/* Under talk->writer. Nothing fails behind the last allocation. */
static int publish(struct am_talk *talk, struct growth *growth)
{
	u32 count = talk->count + growth->count;
	struct am_block *blocks = NULL;
	void *old_blocks = NULL, *old_tail = NULL;

	if (count > talk->room) {
		u32 room = max(count, talk->room * 2);

		blocks = kvmalloc_array(room, sizeof(*blocks), AM_GFP);
		if (!blocks)
			return -ENOMEM;
		if (talk->count)
			memcpy(blocks, talk->blocks, talk->count * sizeof(*blocks));
		talk->room = room;
	}
	down_write(&talk->lock);
	if (blocks) {
		old_blocks = talk->blocks;
		talk->blocks = blocks;
	}
	if (growth->count)
		memcpy(talk->blocks + talk->count, growth->blocks, growth->count * sizeof(*blocks));
	talk->count = count;
	if (growth->own) {
		old_tail = talk->tail;
		talk->tail = growth->tail;
		talk->tail_room = growth->room;
	}
	talk->tail_bytes = growth->bytes;
	talk->tail_seen = growth->seen;
	up_write(&talk->lock);
	kvfree(old_blocks);
	kvfree(old_tail);
	kvfree(growth->blocks);
	return 0;
}

static u64 end_of(const struct am_talk *talk)
{
	return talk->count ? talk->blocks[talk->count - 1].end : 0;
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
		.domain = unit->domain, .tail = talk->tail, .bytes = talk->tail_bytes, .room = talk->tail_room, .seen = talk->tail_seen, .end = end_of(talk),
	};
	error = grow(&growth, data, bytes);
	if (!error)
		error = publish(talk, &growth);
	if (error) {
		growth_drop(&growth);
		am_unit_shrink(unit, bytes);
	}
out:
	mutex_unlock(&talk->writer);
	return error;
}

/* Reads of the tail alone; bytes copied, 0 where `offset` is not in it. */
static size_t read_tail(struct am_talk *talk, u64 offset, u8 *to, size_t bytes)
{
	u64 start;
	size_t got = 0;

	down_read(&talk->lock);
	start = end_of(talk);
	if (offset >= start && offset - start < talk->tail_bytes) {
		got = min_t(u64, bytes, talk->tail_bytes - (offset - start));
		memcpy(to, talk->tail + (offset - start), got);
	}
	up_read(&talk->lock);
	return got;
}

ssize_t am_talk_read(struct am_unit *unit, u64 offset, void __user *to, size_t bytes)
{
	u8 *page = NULL;
	size_t done = 0;
	ssize_t got = 0;

	while (done < bytes) {
		u64 start;
		struct am_content *content = am_unit_content_at(unit, offset + done, &start);

		if (content) {
			got = am_content_read_user(content, offset + done - start, to + done, bytes - done);
			am_content_put(content);
		} else {
			if (!page)
				page = kmalloc(PAGE_SIZE, AM_GFP);
			got = page ? read_tail(unit->talk, offset + done, page, min_t(size_t, bytes - done, PAGE_SIZE)) : -ENOMEM;
			if (got > 0 && copy_to_user(to + done, page, got))
				got = -EFAULT;
		}
		if (got <= 0)
			break;
		done += got;
	}
	kfree(page);
	return done ? (ssize_t)done : got;
}

/* A new conversation with its beginning. */
struct am_unit *am_talk_fork(struct am_unit *unit, u64 prefix_bytes)
{
	struct am_unit *fork = am_unit_new(unit->domain, AM_KIND_CONVERSATION);
	struct am_talk *talk = unit->talk, *to;
	struct am_content *parted = NULL;
	u32 rest = 0;
	int error = 0;

	if (IS_ERR(fork))
		return fork;
	to = fork->talk;
	to->tail = kvmalloc(AM_EXTENT_BYTES, AM_GFP);
	if (!to->tail)
		goto no_memory;
	to->tail_room = AM_EXTENT_BYTES;
	down_read(&talk->lock);
	if (talk->count) {
		to->blocks = kvmalloc_array(talk->count, sizeof(*to->blocks), AM_GFP);
		to->room = talk->count;
		if (!to->blocks) {
			up_read(&talk->lock);
			goto no_memory;
		}
	}
	for (u32 i = 0; i < talk->count; i++) {
		struct am_content *content = talk->blocks[i].content;
		u64 start = end_of(to);

		if (start >= prefix_bytes)
			break;
		am_content_get(content);
		if (talk->blocks[i].end > prefix_bytes) {
			parted = content;
			rest = prefix_bytes - start;
			break;
		}
		to->blocks[to->count++] = talk->blocks[i];
	}
	if (!parted && prefix_bytes > end_of(talk)) {
		to->tail_bytes = min_t(u64, prefix_bytes - end_of(talk), talk->tail_bytes);
		if (to->tail_bytes)
			memcpy(to->tail, talk->tail, to->tail_bytes);
		to->tail_seen = min(talk->tail_seen, to->tail_bytes);
	}
	up_read(&talk->lock);
	if (parted) {
		/* Of what was cut at its end no shorter piece is cut. */
		error = am_content_read(parted, 0, to->tail, rest);
		to->tail_bytes = rest;
		to->tail_seen = rest;
		am_content_put(parted);
	}
	if (error) {
		am_unit_put(fork);
		return ERR_PTR(error);
	}
	fork->bytes = end_of(to) + to->tail_bytes;
	return fork;

no_memory:
	am_unit_put(fork);
	return ERR_PTR(-ENOMEM);
}

static int source_talk(void *context, u64 offset, u8 *to, size_t bytes)
{
	struct am_unit *unit = context;

	while (bytes) {
		u64 start;
		struct am_content *content = am_unit_content_at(unit, offset, &start);
		size_t got;
		int error = 0;

		if (content) {
			got = min_t(u64, bytes, start + content->bytes - offset);
			error = am_content_read(content, offset - start, to, got);
			am_content_put(content);
		} else {
			got = read_tail(unit->talk, offset, to, bytes);
		}
		if (error || !got)
			return error ?: -EIO;
		offset += got;
		to += got;
		bytes -= got;
	}
	return 0;
}

/* What it holds now, in one piece that can be mapped. Nobody writes meanwhile. */
struct am_content *am_talk_snapshot(struct am_unit *unit)
{
	struct am_content *content;

	if (mutex_lock_killable(&unit->talk->writer))
		return ERR_PTR(-EINTR);
	content = am_content_from(unit->domain, source_talk, unit, READ_ONCE(unit->bytes));
	mutex_unlock(&unit->talk->writer);
	return content;
}
