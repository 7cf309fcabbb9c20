/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as kernels write them, and lines no kernel writes. Exit 1 with the line that was read wrongly. */
#include <stdio.h>
#include <string.h>

#include "areas.h"
#include "../user/common/start-ticks.h"
#include "target.h"

static int failures;

static void area(const char *line, bool wanted, uint64_t start, uint64_t end)
{
	struct area found = { 0, 0, false };
	bool took = area_from_maps_line(line, &found);

	if (took != wanted || (took && (found.start != start || found.end != end || found.file != (strchr(line, '/') != NULL)))) {
		fprintf(stderr, "area: expected %d, got %d (%llx-%llx) for: %s\n", wanted, took,
			(unsigned long long)found.start, (unsigned long long)found.end, line);
		failures++;
	}
}

static void ticks(const char *stat, bool wanted, uint64_t value)
{
	uint64_t found = 0;
	bool took = start_ticks_of(stat, &found);

	if (took != wanted || (took && found != value)) {
		fprintf(stderr, "ticks: expected %d %llu, got %d %llu for: %s\n", wanted, (unsigned long long)value, took,
			(unsigned long long)found, stat);
		failures++;
	}
}

#define REST " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21\n"

int main(void)
{
	char name[5000];

	/* Taken. */
	area("55d0c1a00000-55d0c1a21000 rw-p 00000000 00:00 0                          [heap]\n", true, 0x55d0c1a00000, 0x55d0c1a21000);
	area("7f1200000000-7f1200021000 rw-p 00000000 00:00 0 \n", true, 0x7f1200000000, 0x7f1200021000);
	area("7f1200000000-7f1200021000 r-xp 00001000 fe:01 123456                     /usr/bin/node\n", true, 0x7f1200000000, 0x7f1200021000);
	area("7ffd5a000000-7ffd5a021000 rw-p 00000000 00:00 0                          [stack]\n", true, 0x7ffd5a000000, 0x7ffd5a021000);
	area("7f1200000000-7f1200021000 rw-p 00000000 00:00 0                          [anon:v8 heap]\n", true, 0x7f1200000000, 0x7f1200021000);
	area("7f1200000000-7f1200021000 r--p 00000000 fe:01 9 /home/a/with space\\012and newline\n", true, 0x7f1200000000, 0x7f1200021000);
	/* Left out. */
	area("7ffd5a1f0000-7ffd5a1f2000 r-xp 00000000 00:00 0                          [vdso]\n", false, 0, 0);
	area("7ffd5a1ec000-7ffd5a1f0000 r--p 00000000 00:00 0                          [vvar]\n", false, 0, 0);
	area("7ffd5a1ec000-7ffd5a1f0000 r--p 00000000 00:00 0                          [vvar_vclock]\n", false, 0, 0);
	area("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n", false, 0, 0);
	area("7f1200000000-7f1200021000 rw-s 00000000 00:05 1024                       /dev/dri/card0\n", false, 0, 0);
	area("7f1200000000-7f1200021000 rw-p 00000000 00:05 1024                       /dev/nvidia0\n", false, 0, 0);
	area("7f1200000000-7f1200021000 rw-s 00000000 00:01 2048                       /memfd:shared (deleted)\n", false, 0, 0);
	area("7f1200000000-7f1240000000 ---p 00000000 00:00 0 \n", false, 0, 0);
	area("7f1200000000-7f1200200000 rw-p 00000000 00:0f 77                         /anon_hugepage (deleted)\n", false, 0, 0);
	/* Broken. */
	area("", false, 0, 0);
	area("\n", false, 0, 0);
	area("-", false, 0, 0);
	area("7f1200000000", false, 0, 0);
	area("7f1200000000-", false, 0, 0);
	area("7f1200000000-7f1200021000", false, 0, 0);
	area("7f1200000000-7f1200021000 rw", false, 0, 0);
	area("7f1200000000-7f1200021000 rw-p", false, 0, 0);
	area("7f1200021000-7f1200000000 rw-p 0 00:00 0 \n", false, 0, 0);
	area("7f1200021000-7f1200021000 rw-p 0 00:00 0 \n", false, 0, 0);
	area("11112222333344445-2 rw-p 0 00:00 0 \n", false, 0, 0);
	area("xyz-2 rw-p 0 00:00 0 \n", false, 0, 0);
	area("1000-2000 rw-p ", true, 0x1000, 0x2000);

	ticks("42 (node)" REST, true, 4711);
	ticks("42 (a b) c)" REST, true, 4711);
	ticks("42 (x\ny))" REST, true, 4711);
	ticks("42 (node) S 1 2 3", false, 0);
	ticks("42 (node)", false, 0);
	ticks("42 node S 1", false, 0);
	ticks("", false, 0);
	ticks("42 (n) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 99999999999999999999999 20", false, 0);
	ticks("42 (n) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 -5 20", false, 0);
	ticks("42 (n) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 12x 20", false, 0);

	/* Every cut of a long line must be read without leaving the buffer. */
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcpy(name, "7f1200000000-7f1200021000 rw-p 00000000 00:00 0 /", 48);
	for (size_t length = 0; length < 60; length++) {
		char cut[64];
		struct area ignored;

		memcpy(cut, name, length);
		cut[length] = '\0';
		(void)area_from_maps_line(cut, &ignored);
	}
	area(name, true, 0x7f1200000000, 0x7f1200021000);
	return failures == 0 ? 0 : 1;
}
