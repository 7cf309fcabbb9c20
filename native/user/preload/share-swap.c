/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts equal pages in the place of those just read. Content that the broker
 * knows comes as a sealed memfd and is compared with memory byte by byte;
 * unknown content goes into a memfd of ours by pieces, so that it is never in
 * RAM twice, is sealed and handed in.
 *
 * Who else may write these bytes meanwhile? They are the target of a call
 * that has not returned, so nobody who counts on the outcome.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "share.h"

#define PIECE_BYTES ((size_t)4 << 20)
#define COMPARE_BYTES ((size_t)128 * 1024)
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define WAITING_MOST 64

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

/* One replacement at a time; who comes meanwhile goes without. */
static atomic_flag busy = ATOMIC_FLAG_INIT;
static _Atomic uint64_t waiting[WAITING_MOST];	/* units to let go of */
static char compared[COMPARE_BYTES];

static bool put(uintptr_t start, size_t bytes, int memfd, size_t offset)
{
	void *at = (void *)start;

	if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, memfd, (off_t)offset) == at)
		return true;
	/* Refused before anything was unmapped, in all but strict accounting, with which we are off: were it not so, the bytes come back. */
	if (msync(at, bytes, MS_ASYNC) != 0 && errno == ENOMEM
		&& mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at)
		for (size_t done = 0; done < bytes;) {
			ssize_t got = (ssize_t)syscall(SYS_pread64, memfd, (char *)at + done, bytes - done, offset + done);

			if (got <= 0)
				break;
			done += (size_t)got;
		}
	return false;
}

static bool is_sealed(int memfd, size_t bytes, struct stat *file)
{
	struct statfs where;
	int seals = fcntl(memfd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS && fstat(memfd, file) == 0 && file->st_size == (off_t)bytes
		&& fstatfs(memfd, &where) == 0 && where.f_type == TMPFS_MAGIC;
}

static bool is_equal(int memfd, uintptr_t start, size_t bytes)
{
	for (size_t at = 0; at < bytes;) {
		size_t step = bytes - at < COMPARE_BYTES ? bytes - at : COMPARE_BYTES;
		ssize_t got = (ssize_t)syscall(SYS_pread64, memfd, compared, step, at);

		if (got <= 0 || memcmp(compared, (const void *)(start + at), (size_t)got) != 0)
			return false;
		at += (size_t)got;
	}
	return true;
}

/* Before the first page is replaced the range is noted, so that no call on it goes by unseen. */
static bool put_known(int memfd, uintptr_t start, size_t bytes, uint64_t unit, bool noted)
{
	struct share_range range = { .start = start, .bytes = bytes, .unit = unit };
	struct share_range none;
	struct stat file;

	if (!is_sealed(memfd, bytes, &file) || !is_equal(memfd, start, bytes))
		return false;
	range.inode = file.st_ino;
	if (!noted && !heap_add_range(&range))
		return false;
	if (!put(start, bytes, memfd, 0)) {
		if (!noted)
			heap_take_range(start, bytes, &none);
		return false;
	}
	if (noted)
		heap_set_unit(start, unit, file.st_ino);
	return true;
}

static int make_memfd(size_t bytes)
{
	struct rlimit files;
	int fd;

	/* Going past that limit is punished by a signal, of a memfd too. */
	if (getrlimit(RLIMIT_FSIZE, &files) != 0 || (files.rlim_cur != RLIM_INFINITY && files.rlim_cur < bytes))
		return -1;
	fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("agentmem", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd >= 0 && ftruncate(fd, (off_t)bytes) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool copy_piece(int memfd, uintptr_t start, size_t offset, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t put_bytes = pwrite(memfd, (const void *)(start + offset + done), bytes - done, (off_t)(offset + done));

		if (put_bytes <= 0)
			return false;
		done += (size_t)put_bytes;
	}
	return true;
}

/* What was replaced when a piece fails stays: equal bytes, in a memfd that nobody else has. */
static void put_new(uintptr_t start, size_t bytes)
{
	struct share_range range = { .start = start, .bytes = bytes };
	struct share_range none;
	struct stat file;
	uint64_t unit = 0;
	size_t at = 0;
	int memfd = make_memfd(bytes);
	int other;

	if (memfd < 0)
		return;
	if (fstat(memfd, &file) != 0 || (range.inode = file.st_ino, !heap_add_range(&range))) {
		close(memfd);
		return;
	}
	while (at < bytes) {
		size_t step = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;

		if (!copy_piece(memfd, start, at, step) || !put(start + at, step, memfd, at))
			break;
		at += step;
	}
	if (at < bytes) {
		heap_take_range(start, bytes, &none);
		if (at > 0) {
			range.bytes = at;
			heap_add_range(&range);
		}
	} else if (fcntl(memfd, F_ADD_SEALS, SEALS) == 0) {
		other = broker_hand_in(memfd, bytes, &unit);
		heap_set_unit(start, unit, range.inode);
		share_tell("handed in", bytes);
		/* Somebody was faster with the same content. */
		if (other >= 0 && fstat(other, &file) == 0 && file.st_ino != range.inode)
			put_known(other, start, bytes, unit, true);
		if (other >= 0)
			close(other);
	}
	close(memfd);
}

static void let_go_of_waiting(void)
{
	for (unsigned i = 0; i < WAITING_MOST; i++)
		broker_let_go(atomic_exchange(&waiting[i], 0));
}

static void replace(uintptr_t start, size_t bytes)
{
	uint64_t unit = 0;
	int memfd;

	if (!look_process() || !look_anonymous(start, bytes) || !broker_begin(bytes))
		return;
	let_go_of_waiting();
	memfd = broker_claim((const void *)start, bytes, &unit);
	if (memfd >= 0) {
		if (put_known(memfd, start, bytes, unit, false))
			share_tell("found", bytes);
		else
			broker_let_go(unit);
		close(memfd);
		return;
	}
	if (memfd == -ENOENT)
		put_new(start, bytes);
	else
		broker_let_go(unit);
}

void swap_in(int fd, void *buffer, size_t bytes)
{
	uintptr_t start = ((uintptr_t)buffer + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	uintptr_t end = ((uintptr_t)buffer + bytes) & ~(PAGE_BYTES - 1);
	uint64_t all = ~UINT64_C(0);
	uint64_t faults = (UINT64_C(1) << (SIGSEGV - 1)) | (UINT64_C(1) << (SIGBUS - 1)) | (UINT64_C(1) << (SIGILL - 1)) | (UINT64_C(1) << (SIGFPE - 1))
		| (UINT64_C(1) << (SIGTRAP - 1)) | (UINT64_C(1) << (SIGSYS - 1));
	uint64_t signals;
	int before = errno;
	int cancelling;

	if (!atomic_load_explicit(&share_on, memory_order_relaxed) || bytes > SHARE_MOST_BYTES || !heap_any() || end <= start
		|| !heap_first_fill((uintptr_t)buffer, bytes) || !look_file(fd, bytes)) {
		errno = before;
		return;
	}
	/* Nothing may end this half-way: no handler that jumps, no cancelling. A fault is the program's own, as before. */
	all &= ~faults;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &signals, sizeof(all));
	if (!atomic_flag_test_and_set(&busy)) {
		replace(start, end - start);
		atomic_flag_clear(&busy);
	}
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &signals, NULL, sizeof(signals));
	pthread_setcancelstate(cancelling, NULL);
	errno = before;
}

void swap_let_go(uint64_t unit)
{
	uint64_t none;
	int before = errno;

	if (unit == 0 || !atomic_load(&share_on))
		return;
	for (unsigned i = 0; i < WAITING_MOST; i++) {
		none = 0;
		if (atomic_compare_exchange_strong(&waiting[i], &none, unit))
			break;
	}
	if (!atomic_flag_test_and_set(&busy)) {
		let_go_of_waiting();
		atomic_flag_clear(&busy);
	}
	errno = before;
}

void swap_forked(void)
{
	share_stop();
	broker_leave();
}
