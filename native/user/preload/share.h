/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-share.so, loaded by `agentmem-run --share`: what a program reads
 * from a large file into fresh malloc memory is replaced, before the call
 * returns, by equal pages of a sealed memfd that other processes map too
 * (copy on write). docs/shim.md says why this cannot be told apart.
 *
 * The original call is always made first, and its result and errno are given
 * back whatever happens here. Nothing below allocates by malloc, waits longer
 * than SHARE_WAIT_MS or keeps a lock while it waits.
 */
#ifndef PRELOAD_SHARE_H
#define PRELOAD_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PAGE_BYTES ((size_t)4096)
/* Of one read. What async readers ask for at once; loops over files have smaller buffers. */
#define SHARE_LEAST_BYTES ((size_t)512 * 1024)
#define SHARE_MOST_BYTES ((size_t)1 << 30)
/* A file still written to is none that others read. */
#define SHARE_AGE_S 10
/* For one dialogue with the broker, and for each MiB it has to look at. */
#define SHARE_WAIT_MS 400
#define SHARE_WAIT_MIB_MS 4
#define SHARE_RANGES_MOST 256

#define HIDDEN __attribute__((visibility("hidden")))
#define SHOWN __attribute__((visibility("default")))

/* Pages of the program's that come from a memfd. */
struct share_range {
	uintptr_t start;
	size_t bytes;
	uint64_t unit;	/* the broker's number; 0: it has none */
	ino_t inode;	/* of the memfd: /proc/self/maps tells whether it is there still */
};

/* share.c: false in all processes but the launched one, and once something forbade it. */
HIDDEN extern _Atomic bool share_on;
HIDDEN void share_stop(void);
HIDDEN const char *share_socket_path(void);
/* Tells what was done where AGENTMEM_SHARE_LOG names a file descriptor; for tests and benches. */
HIDDEN void share_tell(const char *what, size_t bytes);

/* share-heap.c. Its lock is held for moments, with all signals blocked. */
struct share_hold { uint64_t signals; };
HIDDEN void heap_lock(struct share_hold *hold);
HIDDEN void heap_unlock(const struct share_hold *hold);
HIDDEN void heap_start(void);
HIDDEN bool heap_any(void);
/* What malloc gave; nothing happens but for a mapping of its own. */
HIDDEN void heap_note(void *data);
/* The block is about to go, with all that was shared in it. */
HIDDEN void heap_forget(void *data);
/* True for a block with shared pages; `held` is what fits in it. */
HIDDEN bool heap_holds(void *data, size_t *held);
/* True the first time these bytes of one malloc block of its own mapping are read into. */
HIDDEN bool heap_first_fill(uintptr_t start, size_t bytes);
/* Nothing of blocks that overlap is shared from now on: the program has plans with the memory. */
HIDDEN void heap_leave_alone(uintptr_t start, size_t bytes);
HIDDEN bool heap_has_range(uintptr_t start, size_t bytes);
HIDDEN bool heap_add_range(const struct share_range *range);
HIDDEN void heap_set_unit(uintptr_t start, uint64_t unit, ino_t inode);
/* Takes the first range that overlaps out; false: none. */
HIDDEN bool heap_take_range(uintptr_t start, size_t bytes, struct share_range *taken);

/* share-malloc.c: the next malloc in line is glibc's. */
HIDDEN bool malloc_is_libc(void);

/* share-look.c: whether replacing pages here, now, in this process can be seen. */
HIDDEN bool look_file(int fd, size_t bytes);
HIDDEN bool look_process(void);
/* Every byte lies in private, readable, writable, anonymous memory. */
HIDDEN bool look_anonymous(uintptr_t start, size_t bytes);
/* The first part from `start` on that is mapped from that memfd: moves `start` to it, and tells its end and its rights. */
HIDDEN bool look_inode(uintptr_t *start, uintptr_t most, ino_t inode, uintptr_t *end, int *rights);
/* No memory of this process is locked. */
HIDDEN bool look_unlocked(void);

/* share-broker.c: one dialogue at a time, under share-swap.c's lock. */
HIDDEN bool broker_begin(size_t bytes);
/* A descriptor of known content that claims to equal these bytes; -ENOENT: it is not known; -EIO. */
HIDDEN int broker_claim(const void *data, size_t bytes, uint64_t *unit);
/* Hands a sealed memfd in; what it gives back is another memfd where the content was there already, or -1. */
HIDDEN int broker_hand_in(int memfd, size_t bytes, uint64_t *unit);
/* Not waited for. */
HIDDEN void broker_let_go(uint64_t unit);
HIDDEN void broker_leave(void);

/* share-swap.c */
HIDDEN void swap_in(int fd, void *buffer, size_t bytes);
/* Its number was taken out of the table already: the broker hears of it when it next can. */
HIDDEN void swap_let_go(uint64_t unit);
HIDDEN void swap_forked(void);

/* share-merge.c */
HIDDEN void merge_start(void);
HIDDEN void merge_area(void *start, size_t bytes, int rights);

/* share-guard.c */
HIDDEN void guard_start(void);

#endif
