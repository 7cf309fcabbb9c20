// SPDX-License-Identifier: GPL-2.0
/* Conversations as they are: reading, forks, a snapshot that can be mapped, the digest of all of it. */
#include <linux/sched/signal.h>

#include "contents.h"

/* Reads of the tail alone; bytes copied, 0 where `offset` is not in it. */
static size_t read_tail(struct am_talk *talk, u64 offset, u8 *to, size_t bytes)
{
	u64 start;
	size_t got = 0;

	down_read(&talk->lock);
	start = am_talk_end(talk);
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

/* Room for what a fork begins its tail with; under talk->lock. */
static bool fork_tail(struct am_talk *to, u32 bytes)
{
	if (!bytes)
		return true;
	to->tail_room = roundup_pow_of_two(max(bytes, AM_TAIL_LEAST));
	to->tail = kvmalloc(to->tail_room, AM_GFP);
	to->tail_bytes = to->tail ? bytes : 0;
	return to->tail;
}

/* A new conversation with its beginning. */
struct am_unit *am_talk_fork(struct am_unit *unit, u64 prefix_bytes)
{
	struct am_unit *fork = am_unit_new(unit->domain, AM_KIND_CONVERSATION);
	struct am_talk *talk = unit->talk, *to;
	struct am_content *parted = NULL;
	u32 rest = 0;
	int error;

	if (IS_ERR(fork))
		return fork;
	to = fork->talk;
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
		u64 start = am_talk_end(to);

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
	if (!parted && prefix_bytes > am_talk_end(talk))
		rest = min_t(u64, prefix_bytes - am_talk_end(talk), talk->tail_bytes);
	error = fork_tail(to, rest) ? 0 : -ENOMEM;
	if (!parted && to->tail_bytes)
		memcpy(to->tail, talk->tail, to->tail_bytes);
	to->tail_seen = min(talk->tail_seen, to->tail_bytes);
	up_read(&talk->lock);
	if (parted) {
		/* Of what was cut at its end no shorter piece is cut. */
		if (!error && rest)
			error = am_content_read(parted, 0, to->tail, rest);
		to->tail_seen = rest;
		am_content_put(parted);
	}
	if (error) {
		am_unit_put(fork);
		return ERR_PTR(error);
	}
	fork->bytes = am_talk_end(to) + to->tail_bytes;
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

/* Nobody writes meanwhile. All of it is read, and so comes back to memory. */
static int digest_of(struct am_unit *unit, struct am_digest *to)
{
	u64 bytes = READ_ONCE(unit->bytes);
	u8 *page = kmalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	am_sha256 sha;
	int error = page ? 0 : -ENOMEM;

	sha256_init(&sha);
	for (u64 done = 0; done < bytes && !error; done += PAGE_SIZE) {
		size_t piece = min_t(u64, bytes - done, PAGE_SIZE);

		error = fatal_signal_pending(current) ? -EINTR : source_talk(unit, done, page, piece);
		if (!error)
			sha256_update(&sha, page, piece);
		cond_resched();
	}
	sha256_final(&sha, to->bytes);
	kfree(page);
	return error;
}

/* From now on it is known, until the conversation changes. */
int am_talk_digest(struct am_unit *unit)
{
	struct am_talk *talk = unit->talk;
	struct am_digest digest;
	int error = 0;

	if (mutex_lock_killable(&talk->writer))
		return -EINTR;
	if (!am_talk_known(unit, &digest)) {
		error = digest_of(unit, &digest);
		if (!error) {
			down_write(&talk->lock);
			talk->digest = digest;
			talk->has_digest = true;
			up_write(&talk->lock);
		}
	}
	mutex_unlock(&talk->writer);
	return error;
}

bool am_talk_known(struct am_unit *unit, struct am_digest *digest)
{
	struct am_talk *talk = unit->talk;
	bool known;

	down_read(&talk->lock);
	known = talk->has_digest;
	*digest = talk->digest;
	up_read(&talk->lock);
	return known;
}
