// SPDX-License-Identifier: GPL-2.0
/*
 * The backing file or device of the cold tier: places on it, and what stands
 * there. Nothing on it says what it is: places, lengths and checksums are in
 * memory alone, the checksums begin with a number drawn when it was given, and
 * so what a crash or an earlier run left behind is never read.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/random.h>
#include <linux/workqueue.h>
#include <linux/xxhash.h>

#include "backing.h"
#include "contents.h"

#define SLOTS_MOST (1ull << 28)	/* 1 TiB; its map takes 32 MiB */
/* After a write that failed nothing is written for so long. */
#define RETRY_MS 10000u

/*
 * `backing` stays as it is while a place is taken: so who has one reads and
 * writes without a lock. `busy` is for who gives and takes it away,
 * `places` for the map.
 */
static DEFINE_MUTEX(busy);
static DEFINE_MUTEX(places);
static struct am_backing backing;
static unsigned long *map;
static u64 slots, used, hint, seed;
static bool accepting, punches;
static u64 retry_ms;
static atomic64_t write_errors, read_errors, bad_sums, lost_bytes;
static struct workqueue_struct *queue;
static LLIST_HEAD(freed);

u64 am_cold_most_bytes;

static u64 limit_slots(void)
{
	u64 most = READ_ONCE(am_cold_most_bytes) / SLOT_BYTES, all = READ_ONCE(slots);

	return READ_ONCE(am_cold_most_bytes) ? min(most, all) : all;
}

bool am_cold_there(void)
{
	return READ_ONCE(backing.file);
}

/* Whether it takes more now. */
bool am_cold_ready(void)
{
	return READ_ONCE(accepting) && am_now_ms() >= READ_ONCE(retry_ms) && READ_ONCE(used) < limit_slots();
}

static u32 slots_of(u32 bytes)
{
	return DIV_ROUND_UP(bytes, SLOT_BYTES);
}

static int place_take(u32 bytes, u64 *place)
{
	u32 count = slots_of(bytes);
	unsigned long at;
	int error = 0;

	mutex_lock(&places);
	if (!accepting || used + count > limit_slots()) {
		error = -ENOSPC;
		goto out;
	}
	at = bitmap_find_next_zero_area(map, slots, hint, count, 0);
	if (at >= slots)
		at = bitmap_find_next_zero_area(map, slots, 0, count, 0);
	if (at >= slots) {
		error = -ENOSPC;
		goto out;
	}
	bitmap_set(map, at, count);
	WRITE_ONCE(used, used + count);
	hint = at + count;
	*place = at;
out:
	mutex_unlock(&places);
	return error;
}

static void place_give(u64 place, u32 bytes)
{
	mutex_lock(&places);
	bitmap_clear(map, place, slots_of(bytes));
	WRITE_ONCE(used, used - slots_of(bytes));
	mutex_unlock(&places);
}

/* Holes first, then the places are free: nobody's bytes are punched. */
static void free_all(struct work_struct *work)
{
	struct am_blob *blob, *next;

	llist_for_each_entry_safe(blob, next, llist_del_all(&freed), later) {
		loff_t bytes = (loff_t)slots_of(blob->bytes) * SLOT_BYTES;

		if (punches && vfs_fallocate(backing.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, blob->place * SLOT_BYTES, bytes) == -EOPNOTSUPP)
			punches = false;
		place_give(blob->place, blob->bytes);
		kfree(blob);
		cond_resched();
	}
}

static DECLARE_WORK(free_work, free_all);

/* From any context: its place is free a moment later. */
void am_cold_drop(struct am_blob *blob)
{
	llist_add(&blob->later, &freed);
	queue_work(queue, &free_work);
}

static u64 sum_of(u64 place, struct page *const *pages, u32 bytes)
{
	u64 sum = seed + place;

	for (u32 done = 0; done < bytes; done += PAGE_SIZE)
		sum = xxh64(page_address(pages[done / PAGE_SIZE]), min_t(u32, bytes - done, PAGE_SIZE), sum);
	return sum;
}

/* Whole pages; `plain` where they are not compressed. Without a lock. `blob` is all 0 yet; freed where it fails. */
int am_cold_write(struct page *const *pages, u32 bytes, bool plain, struct am_blob *blob)
{
	int error = place_take(bytes, &blob->place);
	if (error) {
		kfree(blob);
		return error;
	}
	blob->where = AM_ON_FILE;
	blob->plain = plain;
	blob->bytes = bytes;
	blob->sum = sum_of(blob->place, pages, bytes);
	error = am_backing_write(&backing, blob->place * SLOT_BYTES, pages, bytes);
	if (error) {
		/* Full or failing: what was to go stays where it is, and is tried again later. */
		atomic64_inc(&write_errors);
		WRITE_ONCE(retry_ms, am_now_ms() + RETRY_MS);
		pr_warn_ratelimited("agentmem: writing to the backing file gives %d; units stay compressed in memory\n", error);
		am_cold_drop(blob);
		return error;
	}
	return 0;
}

/* -EIO where it cannot be read, or is not what was written. */
int am_cold_read(const struct am_blob *blob, struct page **pages)
{
	int error = am_backing_read(&backing, blob->place * SLOT_BYTES, pages, blob->bytes);

	if (error == -ENOMEM)
		return -ENOMEM;
	if (error) {
		atomic64_inc(&read_errors);
		return -EIO;
	}
	if (sum_of(blob->place, pages, blob->bytes) == blob->sum)
		return 0;
	atomic64_inc(&bad_sums);
	pr_warn_ratelimited("agentmem: %u bytes at %llu of the backing file are not what was written\n", blob->bytes, blob->place * SLOT_BYTES);
	return -EIO;
}

void am_cold_lost(u32 bytes)
{
	atomic64_add(bytes, &lost_bytes);
}

static int give(const struct agentmem_abi_backing *args)
{
	struct file *given = fget(args->fd);
	bool device;
	u64 most, size;
	int error;

	if (!given)
		return -EBADF;
	error = am_backing_check(given);
	if (error)
		goto failed;
	device = S_ISBLK(file_inode(given)->i_mode);
	size = i_size_read(given->f_mapping->host);
	most = args->most_bytes ?: size;
	/* A file grows as it is written; a device does not. */
	if (device)
		most = min(most, size);
	most = min(most / SLOT_BYTES, SLOTS_MOST);
	error = -EINVAL;
	if (!most)
		goto failed;
	error = -ENOMEM;
	map = kvzalloc(BITS_TO_LONGS(most) * sizeof(*map), GFP_KERNEL);
	if (!map)
		goto failed;
	WRITE_ONCE(slots, most);
	hint = 0;
	seed = get_random_u64();
	punches = true;
	WRITE_ONCE(retry_ms, 0);
	am_backing_set(&backing, given);
	mutex_lock(&places);
	WRITE_ONCE(accepting, true);
	mutex_unlock(&places);
	return 0;

failed:
	fput(given);
	return error;
}

static void forget(void)
{
	struct file *old = backing.file;

	WRITE_ONCE(backing.file, NULL);
	fput(old);
	kvfree(map);
	map = NULL;
	WRITE_ONCE(slots, 0);
}

/* Brings back what is on it. -ENOSPC where memory is too short for that: then all stays as it was. */
static int take(void)
{
	int error;

	if (!backing.file)
		return -ENOENT;
	mutex_lock(&places);
	accepting = false;
	mutex_unlock(&places);
	for (int round = 0; round < 100; round++) {
		error = am_cold_drain();
		flush_work(&free_work);
		if (error || !READ_ONCE(used))
			break;
		/* Somebody holds a place for a moment yet. */
		msleep(20);
	}
	if (!error && used)
		error = -EBUSY;
	if (error) {
		WRITE_ONCE(accepting, true);
		return error == -ENOMEM ? -ENOSPC : error;
	}
	forget();
	return 0;
}

static u32 state_now(void)
{
	if (!am_cold_there())
		return AGENTMEM_ABI_BACKING_NONE;
	if (am_now_ms() < READ_ONCE(retry_ms))
		return AGENTMEM_ABI_BACKING_FAILING;
	return READ_ONCE(used) >= limit_slots() ? AGENTMEM_ABI_BACKING_FULL : AGENTMEM_ABI_BACKING_IN_USE;
}

/* Of this moment: who only asks waits for nobody. */
static void describe(struct agentmem_abi_backing *args, u32 asked)
{
	*args = (struct agentmem_abi_backing){
		.size = args->size,
		.flags = asked,
		.fd = -1,
		.state = state_now(),
		.most_bytes = limit_slots() * SLOT_BYTES,
		.used_bytes = READ_ONCE(used) * SLOT_BYTES,
		.write_errors = atomic64_read(&write_errors),
		.read_errors = atomic64_read(&read_errors),
		.bad_sums = atomic64_read(&bad_sums),
		.lost_bytes = atomic64_read(&lost_bytes),
	};
}

int am_cold_backing(struct agentmem_abi_backing *args)
{
	u32 asked = args->flags;
	int error = 0;

	if (asked == (AGENTMEM_ABI_BACKING_GIVE | AGENTMEM_ABI_BACKING_TAKE) || args->reserved)
		return -EINVAL;
	if (!(asked & AGENTMEM_ABI_BACKING_GIVE) && (args->fd || args->most_bytes))
		return -EINVAL;
	if (!asked) {
		describe(args, asked);
		return 0;
	}
	if (mutex_lock_killable(&busy))
		return -EINTR;
	if (asked & AGENTMEM_ABI_BACKING_GIVE)
		error = backing.file ? -EBUSY : give(args);
	else
		error = take();
	describe(args, asked);
	mutex_unlock(&busy);
	return error;
}

int am_cold_open(void)
{
	queue = alloc_workqueue("agentmem", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!queue)
		return -ENOMEM;
	if (am_backing_open()) {
		destroy_workqueue(queue);
		return -ENOMEM;
	}
	return 0;
}

/* Nothing is stored any more, so nothing is on it. */
void am_cold_close(void)
{
	destroy_workqueue(queue);
	am_backing_close();
	WARN_ON(used);
	if (backing.file)
		forget();
}
