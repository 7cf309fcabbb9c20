/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent at its prompt: a terminal of its own in raw mode, which is its
 * standard input, and MIB of touched memory. Whoever started it holds the
 * other side: lines "HEX" on standard input are typed into the terminal, what
 * the agent reads from it comes out as "read HEX MICROSECONDS" (how long it
 * then took to touch each of its pages). "hangup" closes the other side.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <signal.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

static int agent(const char *slave, size_t mib, int out)
{
	struct termios raw;
	size_t size = mib << 20;
	volatile char *area = mmap(NULL, size == 0 ? 4096 : size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char line[256];
	int length;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	close(0);
	if (open(slave, O_RDWR) != 0 || tcgetattr(0, &raw) != 0)
		return 3;
	cfmakeraw(&raw);
	tcsetattr(0, TCSANOW, &raw);
	srandom(7);
	for (size_t at = 0; at < size; at += 64)
		*(volatile long *)(volatile void *)(area + at) = at % 256 < 96 ? random() : (long)at;
	length = snprintf(line, sizeof(line), "ready %d %llx-%llx\n", (int)getpid(), (unsigned long long)(uintptr_t)area, (unsigned long long)(uintptr_t)area + size);
	if (write(out, line, (size_t)length) < 0)
		return 4;
	for (;;) {
		unsigned char bytes[64];
		ssize_t got = read(0, bytes, sizeof(bytes));
		uint64_t start;
		long sum = 0;

		if (got <= 0)
			return write(out, "hangup\n", 7) < 0;
		start = now_us();
		for (size_t at = 0; at < size; at += 4096)
			sum += area[at];
		length = snprintf(line, sizeof(line), "read ");
		for (ssize_t i = 0; i < got; i++)
			length += snprintf(line + length, sizeof(line) - (size_t)length, "%02x", bytes[i]);
		length += snprintf(line + length, sizeof(line) - (size_t)length, " %llu%s\n", (unsigned long long)(now_us() - start), sum == 12345 ? " " : "");
		if (write(out, line, (size_t)length) < 0)
			return 4;
	}
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char slave[64];
	char line[4096];

	if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 || ptsname_r(master, slave, sizeof(slave)) != 0)
		return 2;
	if (fork() == 0) {
		close(master); /* the hang-up comes with the last one that is closed */
		_exit(agent(slave, mib, 1));
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		unsigned char bytes[2048];
		size_t count = 0;

		if (strncmp(line, "hangup", 6) == 0) {
			close(master);
			continue;
		}
		while (count < sizeof(bytes) && sscanf(line + 2 * count, "%2hhx", &bytes[count]) == 1)
			count++;
		if (write(master, bytes, count) < 0)
			return 5;
	}
	return 0;
}
