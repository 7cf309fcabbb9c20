/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process to be advised: MIB of touched memory, in AREAS separate areas (of
 * alternating protection so that the kernel cannot join them), some locked, a
 * device and a shared area, then it says "ready" and waits for its input to end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 8;
	size_t areas = argc > 2 ? strtoul(argv[2], NULL, 10) : 4;
	size_t size = (mib << 20) / areas / 4096 * 4096;
	char byte;

	/* A name that a careless parser of /proc/PID/stat trips over. */
	prctl(PR_SET_NAME, "a) R 1 (b", 0, 0, 0);
	for (size_t i = 0; i < areas; i++) {
		char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (area == MAP_FAILED)
			return 3;
		for (size_t at = 0; at < size; at += 64)
			memcpy(area + at, &at, sizeof(at));
		if (i % 2 == 1 && mprotect(area, size, PROT_READ) != 0)
			return 4;
		if (i == 0)
			(void)mlock(area, size); /* the kernel refuses to page this one out */
	}
	if (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return 5;
	if (mmap(NULL, (size_t)1 << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		return 6;
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		continue;
	return 0;
}
