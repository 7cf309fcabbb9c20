// SPDX-License-Identifier: GPL-2.0
/* Whatever else can be done to a descriptor and to a mapping. */
#include "fuzz.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static sigjmp_buf out;
static volatile sig_atomic_t touching;

void caught(int signal)
{
	if (!touching)
		_exit(4);
	siglongjmp(out, signal);
}

void map_something(struct fuzzer *f)
{
	int slot = (int)draw(f, MAPS);
	size_t bytes = (1 + draw(f, 40)) * 4096;

	if (f->maps[slot].at)
		munmap(f->maps[slot].at, f->maps[slot].bytes);
	f->maps[slot].at = mmap(NULL, bytes, draw(f, 6) ? PROT_READ : (int)draw(f, 8), (draw(f, 2) ? MAP_SHARED : MAP_PRIVATE) | (draw(f, 5) ? 0 : MAP_POPULATE), any_fd(f), (off_t)(draw(f, 4) ? 0 : any_number(f) << 12));
	f->maps[slot].bytes = bytes;
	if (f->maps[slot].at == MAP_FAILED)
		f->maps[slot].at = NULL;
}

void use_map(struct fuzzer *f)
{
	static const int advice[] = { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK, MADV_MERGEABLE, MADV_HUGEPAGE, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_COLLAPSE };
	int slot = (int)draw(f, MAPS);
	volatile char *at = f->maps[slot].at;
	size_t bytes = f->maps[slot].bytes, part = draw(f, 1 + (uint32_t)bytes / 4096) * 4096;
	void *moved;

	if (!at)
		return;
	if (sigsetjmp(out, 1)) {
		touching = 0;
		return;
	}
	touching = 1;
	switch (draw(f, 9)) {
	case 0:
		mprotect((void *)at, bytes, (int)draw(f, 8));
		break;
	case 1:
		munmap((char *)at + part, 4096);
		break;
	case 2:
		moved = mremap((void *)at, bytes, bytes + 4096 - draw(f, 2) * 8192, MREMAP_MAYMOVE);
		if (moved != MAP_FAILED) {
			f->maps[slot].at = moved;
			munmap(moved, draw(f, 2) * 4096);
		}
		break;
	case 3:
		madvise((void *)at, bytes, advice[draw(f, sizeof(advice) / sizeof(advice[0]))]);
		break;
	case 4:
		mlock((void *)at, bytes);
		munlock((void *)at, draw(f, 2) * bytes);
		break;
	case 5:
		at[part < bytes ? part : 0] = 1;
		break;
	case 6: {
		struct iovec from = { (char *)at, bytes }, to = { f->data, bytes < DATA_BYTES ? bytes : DATA_BYTES };

		process_vm_readv(getpid(), &to, 1, &from, 1, 0);
		process_vm_writev(getpid(), &to, 1, &from, 1, 0);
		break;
	}
	default:
		for (size_t i = 0; i < bytes; i += 1000)
			(void)at[i];
	}
	touching = 0;
}

void call_other(struct fuzzer *f)
{
	int fd = any_fd(f), pair[2];
	char path[64];
	off_t at = (off_t)any_number(f);
	struct pollfd one = { .fd = fd, .events = POLLIN | POLLOUT };
	struct iovec parts[2] = { { f->data, draw(f, 9000) }, { f->data + 10000, draw(f, 9000) } };
	struct timespec times[2] = { { 1, 1 }, { 2, 2 } };

	/* Descriptors of the tests' own talk are let be. */
	if (fd <= 2)
		return;
	switch (draw(f, 16)) {
	case 0: case 1:
		read(fd, (void *)(uintptr_t)any_address(f, 5000), any_bytes(f));
		break;
	case 2: case 3:
		pread(fd, (void *)(uintptr_t)any_address(f, 5000), any_bytes(f), at);
		break;
	case 4:
		preadv(fd, parts, 2, at);
		pwritev(fd, parts, 2, at);
		break;
	case 5:
		lseek(fd, at, (int)draw(f, 6));
		break;
	case 6:
		write(fd, f->data, draw(f, 5000));
		ftruncate(fd, at);
		fallocate(fd, (int)draw(f, 64), 0, 4096);
		break;
	case 7:
		poll(&one, 1, 0);
		fsync(fd);
		readahead(fd, 0, 100000);
		posix_fadvise(fd, 0, 0, (int)draw(f, 6));
		break;
	case 8:
		keep_fd(f, dup(fd));
		break;
	case 9:
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		keep_fd(f, open(path, (int)draw(f, 4) | O_CLOEXEC));
		break;
	case 10:
		if (pipe2(pair, O_NONBLOCK | O_CLOEXEC) == 0) {
			splice(fd, NULL, pair[1], NULL, draw(f, 70000), SPLICE_F_NONBLOCK);
			sendfile(pair[1], fd, NULL, draw(f, 70000));
			close(pair[0]);
			close(pair[1]);
		}
		break;
	case 11:
		fchmod(fd, draw(f, 07777));
		futimens(fd, times);
		fchown(fd, 1000, 1000);
		break;
	case 12:
		fcntl(fd, F_ADD_SEALS, draw(f, 32));
		fcntl(fd, F_SETFL, (int)kit_random(&f->seed));
		fcntl(fd, F_SETLEASE, F_RDLCK);
		fcntl(fd, F_SETPIPE_SZ, 4096);
		break;
	case 13:
		keep_fd(f, open("/dev/agentmem", (int)draw(f, 4) | O_CLOEXEC));
		break;
	case 14:
		keep_fd(f, open("/proc/agent_stats", O_RDONLY | O_CLOEXEC));
		break;
	default:
		if (fd > 2)
			copy_file_range(fd, NULL, any_fd(f), NULL, draw(f, 70000), 0);
	}
}
