/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agentmem.h"

double bench_now_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return left < right ? -1 : left > right;
}

double bench_quantile(double *figures, size_t count, double part)
{
	size_t at;

	if (count == 0)
		return 0;
	qsort(figures, count, sizeof(*figures), by_size);
	at = (size_t)((double)count * part);
	return figures[at < count ? at : count - 1];
}

double bench_median(double *figures, size_t count)
{
	return bench_quantile(figures, count, 0.5);
}

void bench_print(const char *name, double value, const char *unit)
{
	printf("%s %.6g %s\n", name, value, unit);
	fflush(stdout);
}

static uint64_t field_bytes(const char *path, const char *field)
{
	FILE *file = fopen(path, "re");
	size_t length = strlen(field);
	uint64_t bytes = 0;
	char line[256];

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, field, length) == 0 && line[length] == ':') {
			bytes = strtoull(line + length + 1, NULL, 10) * 1024;
			break;
		}
	fclose(file);
	return bytes;
}

uint64_t bench_smaps(int pid, const char *field)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	return field_bytes(path, field);
}

uint64_t bench_meminfo(const char *field)
{
	return field_bytes("/proc/meminfo", field);
}

void bench_must(int error, const char *what)
{
	if (error >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, agentmem_error_text(error));
	exit(1);
}

void bench_fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

void *bench_room(size_t bytes)
{
	char *room = malloc(bytes);

	if (room == NULL)
		bench_fail("out of memory");
	memset(room, 1, bytes);
	return room;
}
