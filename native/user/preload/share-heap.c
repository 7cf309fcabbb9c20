/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which memory is malloc's own mapping for one large block: all that glibc
 * does with it later is to unmap it, or to try mremap and copy where that is
 * refused. It never gives its pages back one by one, nor counts on zeros.
 *
 * Only blocks of SHARE_LEAST_BYTES and more cost more than a compare.
 */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "share.h"

#define BLOCKS_MOST 1024
/* glibc: flags in the low bits of the size in front of a block; its own mapping. */
#define CHUNK_FLAGS ((size_t)7)
#define CHUNK_MAPPED ((size_t)2)
#define CHUNK_HEAD_BYTES (2 * sizeof(size_t))

struct block {
	_Atomic uintptr_t base;	/* 0: free slot. Set and cleared under the lock, looked at without */
	size_t bytes;
	uintptr_t filled;	/* what lies below was read into before */
	bool left_alone;
};

static struct block blocks[BLOCKS_MOST];
static _Atomic unsigned blocks_end;	/* slots from here on were never used */
static _Atomic unsigned blocks_count;
static struct share_range ranges[SHARE_RANGES_MOST];
static unsigned ranges_count;

static atomic_flag taken = ATOMIC_FLAG_INIT;
static struct share_hold fork_hold;

static _Atomic bool tracking;

void heap_lock(struct share_hold *hold)
{
	uint64_t all = ~UINT64_C(0);
	int before = errno;

	/* glibc's own signals too, which pthread_sigmask leaves out: nothing may leave this by longjmp or cancelling. */
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &hold->signals, sizeof(all));
	while (atomic_flag_test_and_set_explicit(&taken, memory_order_acquire))
		sched_yield();
	errno = before;
}

void heap_unlock(const struct share_hold *hold)
{
	int before = errno;

	atomic_flag_clear_explicit(&taken, memory_order_release);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &hold->signals, NULL, sizeof(hold->signals));
	errno = before;
}

static void before_fork(void)
{
	struct share_hold hold;

	heap_lock(&hold);
	fork_hold = hold;
}

static void after_fork(void)
{
	struct share_hold hold = fork_hold;

	heap_unlock(&hold);
}

/* The child keeps what is mapped, and shares nothing more: the connection is its parent's. */
static void after_fork_in_child(void)
{
	swap_forked();
	after_fork();
}

void heap_start(void)
{
	/* Another malloc between us and libc: its blocks are not known to us. */
	if (!malloc_is_libc())
		return;
	if (pthread_atfork(before_fork, after_fork, after_fork_in_child) == 0)
		atomic_store(&tracking, true);
}

bool heap_any(void)
{
	return atomic_load_explicit(&blocks_count, memory_order_acquire) != 0;
}

static struct block *block_at(uintptr_t base)
{
	unsigned end = atomic_load_explicit(&blocks_end, memory_order_acquire);

	for (unsigned i = 0; i < end; i++)
		if (atomic_load_explicit(&blocks[i].base, memory_order_relaxed) == base)
			return &blocks[i];
	return NULL;
}

void heap_note(void *data)
{
	uintptr_t base = (uintptr_t)data - CHUNK_HEAD_BYTES;
	size_t head[2];
	struct share_hold hold;
	struct block *slot;

	if (data == NULL || base % PAGE_BYTES != 0 || !atomic_load_explicit(&tracking, memory_order_relaxed))
		return;
	memcpy(head, (const void *)base, sizeof(head));
	if (head[0] != 0 || (head[1] & CHUNK_FLAGS) != CHUNK_MAPPED)
		return;
	merge_area((void *)base, head[1] & ~CHUNK_FLAGS, PROT_READ | PROT_WRITE);
	if (!atomic_load_explicit(&share_on, memory_order_relaxed))
		return;
	heap_lock(&hold);
	slot = block_at(0);
	if (slot == NULL && atomic_load(&blocks_end) < BLOCKS_MOST)
		slot = &blocks[atomic_fetch_add(&blocks_end, 1)];
	if (slot != NULL) {
		slot->bytes = head[1] & ~CHUNK_FLAGS;
		slot->filled = base;
		slot->left_alone = false;
		atomic_store_explicit(&slot->base, base, memory_order_release);
		atomic_fetch_add(&blocks_count, 1);
	}
	heap_unlock(&hold);
}

static bool take_range(uintptr_t start, size_t bytes, struct share_range *out)
{
	for (unsigned i = 0; i < ranges_count; i++) {
		struct share_range *range = &ranges[i];
		uintptr_t end = range->start + range->bytes;

		if (range->start >= start + bytes || end <= start)
			continue;
		*out = *range;
		ranges[i] = ranges[--ranges_count];
		return true;
	}
	return false;
}

bool heap_has_range(uintptr_t start, size_t bytes)
{
	struct share_hold hold;
	bool found = false;

	heap_lock(&hold);
	for (unsigned i = 0; i < ranges_count; i++)
		found = found || (ranges[i].start < start + bytes && ranges[i].start + ranges[i].bytes > start);
	heap_unlock(&hold);
	return found;
}

bool heap_take_range(uintptr_t start, size_t bytes, struct share_range *out)
{
	struct share_hold hold;
	bool found;

	heap_lock(&hold);
	found = take_range(start, bytes, out);
	heap_unlock(&hold);
	return found;
}

/* The block is about to go, with all that was shared in it. */
void heap_forget(void *data)
{
	uintptr_t base = (uintptr_t)data - CHUNK_HEAD_BYTES;
	struct share_hold hold;
	struct share_range range;
	struct block *block;
	bool more = true;

	/* 1 of 256 blocks looks like one. */
	if (base % PAGE_BYTES != 0 || data == NULL || !heap_any() || block_at(base) == NULL)
		return;
	while (more) {
		heap_lock(&hold);
		block = block_at(base);
		more = block != NULL && take_range(base, block->bytes, &range);
		if (block != NULL && !more) {
			atomic_store_explicit(&block->base, 0, memory_order_release);
			atomic_fetch_sub(&blocks_count, 1);
		}
		heap_unlock(&hold);
		if (more)
			swap_let_go(range.unit);
	}
}

bool heap_first_fill(uintptr_t start, size_t bytes)
{
	unsigned end = atomic_load(&blocks_end);
	struct share_hold hold;
	bool first = false;

	heap_lock(&hold);
	for (unsigned i = 0; i < end; i++) {
		uintptr_t base = atomic_load_explicit(&blocks[i].base, memory_order_relaxed);

		if (base == 0 || start < base + CHUNK_HEAD_BYTES || start + bytes > base + blocks[i].bytes)
			continue;
		first = !blocks[i].left_alone && start >= blocks[i].filled && ranges_count < SHARE_RANGES_MOST;
		if (start + bytes > blocks[i].filled)
			blocks[i].filled = start + bytes;
		break;
	}
	heap_unlock(&hold);
	return first;
}

void heap_leave_alone(uintptr_t start, size_t bytes)
{
	unsigned end = atomic_load(&blocks_end);
	struct share_hold hold;

	heap_lock(&hold);
	for (unsigned i = 0; i < end; i++) {
		uintptr_t base = atomic_load_explicit(&blocks[i].base, memory_order_relaxed);

		if (base != 0 && start < base + blocks[i].bytes && start + bytes > base)
			blocks[i].left_alone = true;
	}
	heap_unlock(&hold);
}

bool heap_add_range(const struct share_range *range)
{
	struct share_hold hold;
	bool added;

	heap_lock(&hold);
	added = ranges_count < SHARE_RANGES_MOST;
	if (added)
		ranges[ranges_count++] = *range;
	heap_unlock(&hold);
	return added;
}

void heap_set_unit(uintptr_t start, uint64_t unit, ino_t inode)
{
	struct share_hold hold;

	heap_lock(&hold);
	for (unsigned i = 0; i < ranges_count; i++) {
		if (ranges[i].start != start)
			continue;
		ranges[i].unit = unit;
		ranges[i].inode = inode;
	}
	heap_unlock(&hold);
}

bool heap_holds(void *data, size_t *held)
{
	uintptr_t base = (uintptr_t)data - CHUNK_HEAD_BYTES;
	struct share_hold hold;
	struct block *block;
	bool found = false;

	if (base % PAGE_BYTES != 0 || !heap_any())
		return false;
	heap_lock(&hold);
	block = block_at(base);
	for (unsigned i = 0; block != NULL && i < ranges_count; i++)
		found = found || (ranges[i].start >= base && ranges[i].start < base + block->bytes);
	*held = found ? block->bytes - CHUNK_HEAD_BYTES : 0;
	heap_unlock(&hold);
	return found;
}
