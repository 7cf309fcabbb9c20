// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that are nearly right, and some that are not at all: sizes, flags,
 * addresses, numbers and descriptors by chance, from several processes at once,
 * with whatever else can be done to a descriptor and to a mapping. Nothing is
 * expected but that the machine stays whole, and nothing stays behind.
 */
#include "torture.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define FUZZERS 5
#define FDS 24
#define MAPS 6
#define CALLS_EACH 4000
#define DATA_BYTES (256u << 10)
#define NUMBERS 24u
#define UNITS 24

/* Sizes as this header has them, by number. */
static const uint16_t sizes[] = {
	sizeof(struct agentmem_abi_info), sizeof(struct agentmem_abi_register), sizeof(struct agentmem_abi_value), sizeof(struct agentmem_abi_value),
	sizeof(struct agentmem_abi_alloc), sizeof(struct agentmem_abi_edit), sizeof(struct agentmem_abi_fork), sizeof(struct agentmem_abi_edit),
	sizeof(struct agentmem_abi_share), sizeof(struct agentmem_abi_unit), sizeof(struct agentmem_abi_open), sizeof(struct agentmem_abi_read),
	sizeof(struct agentmem_abi_unit), sizeof(struct agentmem_abi_unit_stat), sizeof(struct agentmem_abi_agent_stat), sizeof(struct agentmem_abi_all_stat),
	sizeof(struct agentmem_abi_list), sizeof(struct agentmem_abi_list), sizeof(struct agentmem_abi_value), sizeof(struct agentmem_abi_settings),
	sizeof(struct agentmem_abi_backing),
};
#define KNOWN (sizeof(sizes) / sizeof(sizes[0]))

struct fuzzer {
	uint64_t seed;
	int fds[FDS];
	int file;		/* with no name */
	struct {
		char *at;
		size_t bytes;
	} maps[MAPS];
	char *data;		/* ends where nothing is mapped */
	char *shut;		/* read only */
	uint64_t units[UNITS];	/* seen in answers */
	uint8_t token[AGENTMEM_ABI_TOKEN_BYTES];
};

/* In memory that all share: calls made and taken, by number, and one more for everything else. */
static struct {
	uint64_t made[NUMBERS + 1], taken[NUMBERS + 1];
} *counts;
static sigjmp_buf out;
static volatile sig_atomic_t touching;

static uint32_t draw(struct fuzzer *f, uint32_t below)
{
	return kit_random(&f->seed) % below;
}

static void caught(int signal)
{
	if (!touching)
		_exit(4);
	siglongjmp(out, signal);
}

static int any_fd(struct fuzzer *f)
{
	return draw(f, 30) ? f->fds[draw(f, draw(f, 3) ? 4 : FDS)] : (int)draw(f, 1000) - 500;
}

static void keep_fd(struct fuzzer *f, int fd)
{
	int *slot = &f->fds[draw(f, FDS)];

	if (fd < 0)
		return;
	/* The first few stay what they are: agents. */
	if (slot < f->fds + 4)
		slot += 4;
	close(*slot);
	*slot = fd;
}

/* An address: mostly good, or good for a part of what it is asked for. */
static uint64_t any_address(struct fuzzer *f, uint64_t bytes)
{
	int map = (int)draw(f, MAPS);

	switch (draw(f, 12)) {
	case 0:
		return (uintptr_t)f->data + DATA_BYTES - (bytes < DATA_BYTES ? bytes : DATA_BYTES);
	case 1:
		return (uintptr_t)f->data + DATA_BYTES - draw(f, 300);
	case 2:
		return (uintptr_t)f->shut;
	case 3:
		return f->maps[map].at ? (uintptr_t)f->maps[map].at : 0;
	case 4: {
		static const uint64_t wild[] = { 0, 1, 4096, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, 0xffff888000000000, 0xffffffff81000000, UINT64_MAX, UINT64_MAX - 4095, INT64_MAX };

		return wild[draw(f, sizeof(wild) / sizeof(wild[0]))];
	}
	default:
		return (uintptr_t)f->data + draw(f, 4096);
	}
}

static uint64_t any_number(struct fuzzer *f)
{
	static const uint64_t edges[] = { 0, 1, 2, 4095, 4096, 4097, 131071, 131072, 131073, 1u << 20, INT32_MAX, UINT32_MAX, 1ull << 32, 4ull << 30, (4ull << 30) + 1, INT64_MAX, 1ull << 63, UINT64_MAX - 4095, UINT64_MAX };

	return draw(f, 3) ? draw(f, 40) : edges[draw(f, sizeof(edges) / sizeof(edges[0]))];
}

/* How many bytes: seldom more than there are. */
static uint64_t any_bytes(struct fuzzer *f)
{
	return draw(f, 8) ? (draw(f, 6) ? draw(f, 20000) : draw(f, DATA_BYTES)) : any_number(f);
}

static uint64_t any_unit(struct fuzzer *f)
{
	return draw(f, 12) ? f->units[draw(f, UNITS)] : any_number(f);
}

union any {
	struct agentmem_abi_info info;
	struct agentmem_abi_register reg;
	struct agentmem_abi_value value;
	struct agentmem_abi_alloc alloc;
	struct agentmem_abi_edit edit;
	struct agentmem_abi_fork fork;
	struct agentmem_abi_share share;
	struct agentmem_abi_unit unit;
	struct agentmem_abi_open open;
	struct agentmem_abi_read read;
	struct agentmem_abi_unit_stat stat;
	struct agentmem_abi_agent_stat agent;
	struct agentmem_abi_list list;
	struct agentmem_abi_settings settings;
	struct agentmem_abi_backing backing;
	uint32_t words[64];
	uint8_t bytes[256];
};

/* As a program would ask. */
static void plausible(struct fuzzer *f, unsigned number, union any *args)
{
	uint64_t bytes = any_bytes(f);

	memset(args, 0, sizeof(*args));
	switch (AGENTMEM_ABI_IOC(number)) {
	case AGENTMEM_IOC_REGISTER:
		if (draw(f, 3) == 0)
			memcpy(args->reg.token, f->token, sizeof(f->token));
		args->reg.name[0] = (char)draw(f, 256);
		args->reg.domain[0] = draw(f, 4) ? 0 : 'd';
		args->reg.importance = draw(f, 102);
		args->reg.quota_bytes = any_number(f) << draw(f, 20);
		break;
	case AGENTMEM_IOC_STATE:
	case AGENTMEM_IOC_IMPORTANCE:
	case AGENTMEM_IOC_PRESSURE:
		/* The end of an agent is seldom: nothing works behind it. */
		args->value.value = draw(f, 200) ? draw(f, 4) : draw(f, 120);
		break;
	case AGENTMEM_IOC_ALLOC:
		args->alloc = (struct agentmem_abi_alloc){ .flags = draw(f, 3) ? 0 : draw(f, 4), .kind = draw(f, 20) ? (draw(f, 2) ? AGENTMEM_ABI_CONVERSATION : 1 + draw(f, 5)) : draw(f, 9), .data = any_address(f, bytes), .bytes = bytes };
		if (args->alloc.flags & AGENTMEM_ABI_BY_DIGEST)
			args->alloc.data = args->alloc.bytes = 0;
		break;
	case AGENTMEM_IOC_EDIT:
		args->edit.offset = draw(f, 2) ? any_bytes(f) : 0;
		args->edit.old_bytes = draw(f, 2) ? any_bytes(f) : 0;
		__attribute__((fallthrough));
	case AGENTMEM_IOC_APPEND:
		args->edit.unit = any_unit(f);
		args->edit.data = any_address(f, bytes);
		args->edit.bytes = bytes;
		break;
	case AGENTMEM_IOC_FORK:
		args->fork = (struct agentmem_abi_fork){ .flags = draw(f, 2) ? AGENTMEM_ABI_WANT_FD : 0, .unit = any_unit(f), .prefix_bytes = any_bytes(f) };
		break;
	case AGENTMEM_IOC_SHARE:
		args->share.fd = draw(f, 2) ? any_fd(f) : -1;
		args->share.agent = args->share.fd == -1 ? 1 + draw(f, 40) : 0;
		args->share.unit = args->share.agent ? any_unit(f) : 0;
		break;
	case AGENTMEM_IOC_READ:
		args->read = (struct agentmem_abi_read){ .unit = any_unit(f), .offset = draw(f, 2) ? any_bytes(f) : 0, .data = any_address(f, bytes), .bytes = bytes };
		break;
	case AGENTMEM_IOC_MARK_HOT:
	case AGENTMEM_IOC_FREE:
	case AGENTMEM_IOC_OPEN:
	case AGENTMEM_IOC_STAT_UNIT:
		args->unit.unit = any_unit(f);
		break;
	case AGENTMEM_IOC_LIST_AGENTS:
	case AGENTMEM_IOC_LIST_UNITS:
		args->list = (struct agentmem_abi_list){ .after = draw(f, 2) ? any_number(f) : 0, .lines = any_address(f, 4000), .most = (uint32_t)any_number(f), .line_bytes = draw(f, 8) ? 64 + draw(f, 40) * 8 : draw(f, 5000) };
		args->list.agent = number == _IOC_NR(AGENTMEM_IOC_LIST_UNITS) ? draw(f, 40) : 0;
		break;
	case AGENTMEM_IOC_SETTINGS:
		args->settings = (struct agentmem_abi_settings){ .warm_after_ms = draw(f, 1000), .cold_after_ms = draw(f, 2000), .hot_most_bytes = draw(f, 1 << 24), .user_most_bytes = draw(f, 2) ? 0 : 1 + draw(f, 96 << 20) };
		break;
	case AGENTMEM_IOC_BACKING:
		args->backing.flags = draw(f, 3);
		/* As a rule the file that is for it. */
		args->backing.fd = args->backing.flags != AGENTMEM_ABI_BACKING_GIVE ? 0 : draw(f, 4) ? f->file : any_fd(f);
		args->backing.most_bytes = args->backing.flags == AGENTMEM_ABI_BACKING_GIVE ? 1 + draw(f, 16 << 20) : 0;
		break;
	default:
		break;
	}
	args->info.size = number < KNOWN ? sizes[number] : 64;
}

static void call_device(struct fuzzer *f)
{
	unsigned number = draw(f, NUMBERS);
	uint32_t request = AGENTMEM_ABI_IOC(number);
	uint64_t place;
	union any args;

	plausible(f, number, &args);
	if (draw(f, 4) == 0) {
		for (uint32_t i = draw(f, 3); i < 3; i++)
			args.words[draw(f, 1 + args.info.size % 256 / 4)] = draw(f, 2) ? kit_random(&f->seed) : (uint32_t)any_number(f);
	}
	if (draw(f, 16) == 0)
		args.info.size = draw(f, 2) ? draw(f, 300) : (uint32_t)any_number(f);
	if (draw(f, 64) == 0)
		request ^= 1u << draw(f, 32);
	/* Where it stands: what is behind it may be no memory. */
	place = draw(f, 8) ? (uintptr_t)f->data + DATA_BYTES - (args.info.size < 256 ? args.info.size : 256) : any_address(f, 256);
	if (place >= (uintptr_t)f->data && place < (uintptr_t)f->data + DATA_BYTES) {
		size_t room = (uintptr_t)f->data + DATA_BYTES - place;

		memcpy((void *)place, &args, room < sizeof(args) ? room : sizeof(args));
	}
	__atomic_fetch_add(&counts->made[number], 1, __ATOMIC_RELAXED);
	if (ioctl(any_fd(f), request, place) != 0)
		return;
	__atomic_fetch_add(&counts->taken[number], 1, __ATOMIC_RELAXED);
	if (request != AGENTMEM_ABI_IOC(number) || place < (uintptr_t)f->data || place >= (uintptr_t)f->data + DATA_BYTES)
		return;
	memcpy(&args, (void *)place, (uintptr_t)f->data + DATA_BYTES - place < sizeof(args) ? (uintptr_t)f->data + DATA_BYTES - place : sizeof(args));
	if (request == AGENTMEM_IOC_ALLOC) {
		keep_fd(f, args.alloc.fd);
		f->units[draw(f, UNITS)] = args.alloc.unit;
	} else if (request == AGENTMEM_IOC_FORK) {
		keep_fd(f, args.fork.fd);
		f->units[draw(f, UNITS)] = args.fork.fork;
	} else if (request == AGENTMEM_IOC_SHARE) {
		f->units[draw(f, UNITS)] = args.share.unit;
	} else if (request == AGENTMEM_IOC_OPEN)
		keep_fd(f, args.open.fd);
	else if (request == AGENTMEM_IOC_STAT_AGENT)
		memcpy(f->token, args.agent.token, sizeof(f->token));
}

static void map_something(struct fuzzer *f)
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

static void use_map(struct fuzzer *f)
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

static void call_other(struct fuzzer *f)
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

static void be_process(uint64_t seed, bool root)
{
	static const int deadly[] = { SIGSEGV, SIGBUS };
	struct rlimit most = { 256, 256 };
	struct fuzzer f = { .seed = seed };
	size_t room = DATA_BYTES + 8192;

	setrlimit(RLIMIT_NOFILE, &most);
	if (!root && (setgid(1000) < 0 || setuid(1000) < 0))
		_exit(3);
	for (int i = 0; i < 2; i++)
		signal(deadly[i], caught);
	f.file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	f.shut = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f.data = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(f.data + DATA_BYTES, 8192, PROT_NONE);
	kit_text(seed % 8, f.data, DATA_BYTES);
	for (int i = 0; i < FDS; i++)
		f.fds[i] = i > 3 ? -1 : i == 3 ? kit_device() : kit_agent(i == 2 ? "d" : "");
	for (int i = 0; i < CALLS_EACH; i++) {
		uint32_t which = draw(&f, 20);

		if (which < 13) {
			call_device(&f);
			continue;
		}
		__atomic_fetch_add(&counts->made[NUMBERS], 1, __ATOMIC_RELAXED);
		if (which < 15)
			map_something(&f);
		else if (which < 17)
			use_map(&f);
		/* Root could hurt the machine by other ways than ours. */
		else if (!root)
			call_other(&f);
		if (draw(&f, 200) == 0)
			kit_text(draw(&f, 8), f.data, DATA_BYTES);
		if (draw(&f, 1500) == 0 && fork() == 0)
			f.seed ^= 0x1234567;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	_exit(0);
}

/* Where one is left: nothing is on it. */
static void take_backing(void)
{
	int device = kit_device();

	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_after_ms = 1u << 30)));
	if (ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = AGENTMEM_ABI_BACKING_TAKE)) < 0)
		CHECK(errno == ENOENT);
	close(device);
}

void torture_fuzz(unsigned seconds, uint64_t seed)
{
	time_t begun = time(NULL), told = begun;
	pid_t fuzzers[FUZZERS] = { 0 };
	uint64_t processes = 0;

	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	while (time(NULL) - begun < (time_t)seconds && !kit_failed) {
		/* One of them is root and changes these; none may fill the machine. */
		torture_settings(1 + kit_random(&seed) % 300, 4 << 20, 48 << 20);
		for (int i = 0; i < FUZZERS; i++) {
			int status;

			if (fuzzers[i] && kit_random(&seed) % 40 == 0)
				kill(-fuzzers[i], SIGKILL);
			if (fuzzers[i] && waitpid(fuzzers[i], &status, WNOHANG) != fuzzers[i])
				continue;
			if (fuzzers[i])
				kill(-fuzzers[i], SIGKILL);
			processes++;
			fuzzers[i] = fork();
			if (fuzzers[i] == 0) {
				setpgid(0, 0);
				be_process(seed + processes * 7919, i == 0);
			}
			setpgid(fuzzers[i], fuzzers[i]);
		}
		usleep(50000);
		if (time(NULL) - told >= 60) {
			told = time(NULL);
			printf("# %ld s, %llu processes\n", (long)(told - begun), (unsigned long long)processes);
			fflush(stdout);
		}
	}
	for (int i = 0; i < FUZZERS; i++) {
		kill(-fuzzers[i], SIGKILL);
		waitpid(fuzzers[i], NULL, 0);
	}
	printf("# %llu processes; number made/taken:", (unsigned long long)processes);
	for (unsigned i = 0; i <= NUMBERS; i++)
		printf(" %x %llu/%llu", i, (unsigned long long)counts->made[i], (unsigned long long)counts->taken[i]);
	printf("\n");
	/* Calls that never get in test nothing. */
	for (unsigned i = 0; i < KNOWN; i++)
		CHECK(counts->taken[i] > 0);
	torture_settings(300000, 1ull << 40, 64ull << 30);
	torture_nothing_left("after the fuzzing");
	take_backing();
}
