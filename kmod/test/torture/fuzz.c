// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that are nearly right, and some that are not at all: sizes, flags,
 * addresses, numbers and descriptors by chance, from several processes at once,
 * with whatever else can be done to a descriptor and to a mapping. Nothing is
 * expected but that the machine stays whole, and nothing stays behind.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FUZZERS 5
#define CALLS_EACH 4000

struct fuzz_counts *fuzz_counts;

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
		__atomic_fetch_add(&fuzz_counts->made[NUMBERS], 1, __ATOMIC_RELAXED);
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

	fuzz_counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
		printf(" %x %llu/%llu", i, (unsigned long long)fuzz_counts->made[i], (unsigned long long)fuzz_counts->taken[i]);
	printf("\n");
	/* Calls that never get in test nothing. */
	for (unsigned i = 0; i < fuzz_known; i++)
		CHECK(fuzz_counts->taken[i] > 0);
	torture_settings(300000, 1ull << 40, 64ull << 30);
	torture_nothing_left("after the fuzzing");
	take_backing();
}
