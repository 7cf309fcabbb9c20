/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that tell pages of a file from anonymous ones: thrown-away pages must
 * read as zeros, not as the file's content again. The area is made anonymous
 * before such a call reaches the kernel. Calls that would let our own system
 * calls be punished, or pin pages, end the sharing.
 */
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "share.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

static int (*next_madvise)(void *, size_t, int);
static void *(*next_mremap)(void *, size_t, size_t, int, ...);
static ssize_t (*next_vmsplice)(int, const struct iovec *, size_t, unsigned);
static int (*next_prctl)(int, ...);
HIDDEN long (*share_next_syscall)(long, ...);

void guard_start(void)
{
	if (next_prctl != NULL)
		return;
	*(void **)&share_next_syscall = dlsym(RTLD_NEXT, "syscall");
	*(void **)&next_madvise = dlsym(RTLD_NEXT, "madvise");
	*(void **)&next_mremap = dlsym(RTLD_NEXT, "mremap");
	*(void **)&next_vmsplice = dlsym(RTLD_NEXT, "vmsplice");
	*(void **)&next_prctl = dlsym(RTLD_NEXT, "prctl");
}

static uintptr_t later(uintptr_t one, uintptr_t other)
{
	return one > other ? one : other;
}

static uintptr_t earlier(uintptr_t one, uintptr_t other)
{
	return one < other ? one : other;
}

/* Equal bytes in anonymous memory, put in place at once. */
static void make_anonymous(uintptr_t start, size_t bytes, int rights)
{
	void *copy;

	/* What cannot be read is left: it cannot be looked at either. */
	if ((rights & PROT_READ) == 0)
		return;
	copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return;
	memcpy(copy, (const void *)start, bytes);
	if (mprotect(copy, bytes, rights) != 0 || next_mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED)
		munmap(copy, bytes);
}

static void make_zero(uintptr_t start, size_t bytes, int rights)
{
	mmap((void *)start, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Keeps the mapping, and so what is locked in memory. */
static void fill_with_zeros(uintptr_t start, size_t bytes, int rights)
{
	if ((rights & PROT_WRITE) != 0)
		memset((void *)start, 0, bytes);
	else
		make_zero(start, bytes, rights);
}

/* What remains shared of a range of which a part was made anonymous. */
static void keep_rest(const struct share_range *range, uintptr_t from, uintptr_t to)
{
	struct share_range rest = *range;

	if (from > range->start) {
		rest.bytes = from - range->start;
		heap_add_range(&rest);
		/* One number, one word to the broker. */
		rest.unit = 0;
	}
	if (to < range->start + range->bytes) {
		rest.start = to;
		rest.bytes = range->start + range->bytes - to;
		heap_add_range(&rest);
		rest.unit = 0;
	}
	swap_let_go(rest.unit);
}

/* The program may have put something else there, or changed its rights; what the kernel says holds. */
static void take_out(uintptr_t start, size_t bytes, void (*change)(uintptr_t start, size_t bytes, int rights))
{
	struct share_range range;
	int before = errno;

	while (heap_take_range(start, bytes, &range)) {
		uintptr_t from = later(start, range.start);
		uintptr_t to = earlier(start + bytes, range.start + range.bytes);
		uintptr_t at = from;
		uintptr_t end;
		int rights;

		while (at < to && look_inode(&at, to, range.inode, &end, &rights)) {
			change(at, end - at, rights);
			at = end;
		}
		keep_rest(&range, from, to);
	}
	errno = before;
}

/* Memory locked after it was shared stays locked, as it was without us. */
static int throw_away(void *start, size_t bytes, size_t whole, int advice)
{
	int result;

	if (look_unlocked()) {
		take_out((uintptr_t)start, whole, make_zero);
		return next_madvise(start, bytes, advice);
	}
	/* Refused in the same cases, and what is free to keep the bytes may keep them. */
	if (advice == MADV_FREE)
		return next_madvise(start, bytes, MADV_COLD);
	result = next_madvise(start, bytes, advice);
	if (result == 0)
		take_out((uintptr_t)start, whole, fill_with_zeros);
	return result;
}

static bool is_valid(const void *start, size_t bytes)
{
	return (uintptr_t)start % PAGE_BYTES == 0 && bytes > 0 && bytes <= SIZE_MAX - PAGE_BYTES && (uintptr_t)start + bytes + PAGE_BYTES > (uintptr_t)start;
}

SHOWN int madvise(void *start, size_t bytes, int advice)
{
	size_t whole = (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);

	if (next_madvise == NULL)
		guard_start();
	if (!heap_any() || !is_valid(start, bytes))
		return next_madvise(start, bytes, advice);
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		break;
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		heap_leave_alone((uintptr_t)start, whole);
		if (heap_has_range((uintptr_t)start, whole))
			return throw_away(start, bytes, whole, advice);
		break;
	default:
		take_out((uintptr_t)start, whole, make_anonymous);
		heap_leave_alone((uintptr_t)start, whole);
		break;
	}
	return next_madvise(start, bytes, advice);
}

SHOWN void *mremap(void *start, size_t bytes, size_t new_bytes, int flags, ...)
{
	void *place = NULL;

	if (next_mremap == NULL)
		guard_start();
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0) {
		va_list list;

		va_start(list, flags);
		place = va_arg(list, void *);
		va_end(list);
	}
	if (heap_any() && is_valid(start, bytes)) {
		take_out((uintptr_t)start, (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1), make_anonymous);
		heap_leave_alone((uintptr_t)start, bytes);
	}
	return next_mremap(start, bytes, new_bytes, flags, place);
}

/* Pages in a pipe are to show what is written to them later. */
SHOWN ssize_t vmsplice(int fd, const struct iovec *parts, size_t count, unsigned flags)
{
	if (next_vmsplice == NULL)
		guard_start();
	share_stop();
	return next_vmsplice(fd, parts, count, flags);
}

/* Behind a filter our own calls might end the program. */
SHOWN int prctl(int option, ...)
{
	unsigned long rest[4];
	va_list list;

	va_start(list, option);
	for (int i = 0; i < 4; i++)
		rest[i] = va_arg(list, unsigned long);
	va_end(list);
	if (next_prctl == NULL)
		guard_start();
	if (option == PR_SET_SECCOMP)
		share_stop();
	return next_prctl(option, rest[0], rest[1], rest[2], rest[3]);
}

#ifdef __x86_64__
/* The same calls by number. All others go on as they came, without a frame of ours. */
HIDDEN __attribute__((used)) long share_syscall(long number, long one, long two, long three, long four, long five, long six)
{
	if (share_next_syscall == NULL)
		guard_start();
	switch (number) {
	case SYS_madvise:
		return madvise((void *)one, (size_t)two, (int)three);
	case SYS_mremap:
		return (long)mremap((void *)one, (size_t)two, (size_t)three, (int)four, (void *)five);
	case SYS_vmsplice:
	case SYS_seccomp:
		share_stop();
		break;
	case SYS_prctl:
		if (one == PR_SET_SECCOMP)
			share_stop();
		break;
	}
	return share_next_syscall(number, one, two, three, four, five, six);
}

_Static_assert(SYS_mremap == 25 && SYS_madvise == 28 && SYS_prctl == 157 && SYS_vmsplice == 278 && SYS_seccomp == 317, "numbers in the code below");
SHOWN __attribute__((naked)) long syscall(__attribute__((unused)) long number, ...)
{
	__asm__(
		"endbr64\n\t"
		"cmpq $25, %rdi\n\tje 1f\n\t"
		"cmpq $28, %rdi\n\tje 1f\n\t"
		"cmpq $157, %rdi\n\tje 1f\n\t"
		"cmpq $278, %rdi\n\tje 1f\n\t"
		"cmpq $317, %rdi\n\tje 1f\n\t"
		"movq share_next_syscall(%rip), %r11\n\t"
		"testq %r11, %r11\n\tje 1f\n\t"
		"jmp *%r11\n"
		/* Arguments lie where they lay, the sixth on the stack. */
		"1:\tjmp share_syscall\n\t");
}
#endif
