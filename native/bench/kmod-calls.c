/* SPDX-License-Identifier: Apache-2.0 */
/* What a call costs beside what the kernel has for the same: memfds. */
#include "kmod.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 100u
#define UNIT_BYTES (64u << 10)
#define MAP_BYTES (1u << 20)

static char *text_of(size_t bytes)
{
	char *text = kmod_room(bytes);

	for (size_t i = 0; i < bytes; i++)
		text[i] = (char)('a' + i * i / 7 % 23);
	return text;
}

static struct agentmem_abi_alloc alloc(int agent, const void *data, size_t bytes)
{
	struct agentmem_abi_alloc args = ABI(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)data, .bytes = bytes);

	if (ioctl(agent, AGENTMEM_IOC_ALLOC, &args) != 0)
		bench_fail("ALLOC");
	return args;
}

struct known {
	int agent;
	struct agentmem_abi_alloc unit;
};

/* The same content once more, and given back. */
static void by_digest(void *context)
{
	struct known *known = context;
	struct agentmem_abi_alloc args = ABI(alloc, .flags = AGENTMEM_ABI_BY_DIGEST, .kind = AGENTMEM_ABI_OTHER);
	struct agentmem_abi_unit unit = ABI(unit, .unit = known->unit.unit);

	memcpy(args.digest, known->unit.digest, sizeof(args.digest));
	if (ioctl(known->agent, AGENTMEM_IOC_ALLOC, &args) != 0 || args.unit != known->unit.unit || ioctl(known->agent, AGENTMEM_IOC_FREE, &unit) != 0)
		bench_fail("ALLOC by digest");
}

static void by_digest_with_fd(void *context)
{
	struct known *known = context;
	struct agentmem_abi_alloc args = ABI(alloc, .flags = AGENTMEM_ABI_BY_DIGEST | AGENTMEM_ABI_WANT_FD, .kind = AGENTMEM_ABI_OTHER);

	memcpy(args.digest, known->unit.digest, sizeof(args.digest));
	if (ioctl(known->agent, AGENTMEM_IOC_ALLOC, &args) != 0 || close(args.fd) != 0)
		bench_fail("ALLOC by digest with a descriptor");
}

static void by_memfd(void *context)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)context;
	if (fd < 0 || close(fd) != 0)
		bench_fail("memfd_create");
}

static double batch(void (*run)(void *context), void *context)
{
	double at = bench_now_us();

	for (unsigned i = 0; i < BATCH; i++)
		run(context);
	return (bench_now_us() - at) * 1000 / BATCH;
}

void kmod_calls(unsigned rounds)
{
	struct known known = { .agent = kmod_agent() };
	double *figures = calloc(5 * rounds, sizeof(*figures));

	known.unit = alloc(known.agent, text_of(UNIT_BYTES), UNIT_BYTES);
	for (unsigned i = 0; i < rounds; i++) {
		double one = batch(by_digest, &known), with = batch(by_digest_with_fd, &known), memfd = batch(by_memfd, NULL);

		figures[i] = one;
		figures[rounds + i] = with;
		figures[2 * rounds + i] = memfd;
		figures[3 * rounds + i] = one / memfd;
		figures[4 * rounds + i] = with / memfd;
	}
	bench_print("alloc-digest", bench_median(figures, rounds), "ns");
	bench_print("alloc-digest-fd", bench_median(figures + rounds, rounds), "ns");
	bench_print("memfd-create-close", bench_median(figures + 2 * rounds, rounds), "ns");
	bench_print("alloc-ratio", bench_median(figures + 3 * rounds, rounds), "x");
	bench_print("alloc-fd-ratio", bench_median(figures + 4 * rounds, rounds), "x");
}

/* To the first byte; then all the other pages; the end of it is in neither. */
static void touch(int fd, double *first, double *all)
{
	double at = bench_now_us(), then;
	volatile const char *data = mmap(NULL, MAP_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		bench_fail("mmap");
	(void)data[0];
	then = bench_now_us();
	*first = (then - at) * 1000;
	for (size_t i = 0; i < MAP_BYTES; i += PAGE)
		(void)data[i];
	*all = (bench_now_us() - at) * 1000;
	munmap((void *)(uintptr_t)data, MAP_BYTES);
}

void kmod_map(unsigned rounds)
{
	char *text = text_of(MAP_BYTES);
	int agent = kmod_agent(), memfd = memfd_create("bench", MFD_CLOEXEC);
	struct agentmem_abi_open unit = ABI(open, .unit = alloc(agent, text, MAP_BYTES).unit);
	double *figures = calloc(6 * rounds, sizeof(*figures));

	if (ioctl(agent, AGENTMEM_IOC_OPEN, &unit) != 0 || write(memfd, text, MAP_BYTES) != MAP_BYTES)
		bench_fail("nothing to map");
	for (unsigned i = 0; i < rounds; i++) {
		touch(unit.fd, &figures[i], &figures[rounds + i]);
		touch(memfd, &figures[2 * rounds + i], &figures[3 * rounds + i]);
		figures[4 * rounds + i] = figures[i] / figures[2 * rounds + i];
		figures[5 * rounds + i] = figures[rounds + i] / figures[3 * rounds + i];
	}
	bench_print("map-unit", bench_median(figures, rounds), "ns");
	bench_print("map-unit-all", bench_median(figures + rounds, rounds), "ns");
	bench_print("map-memfd", bench_median(figures + 2 * rounds, rounds), "ns");
	bench_print("map-memfd-all", bench_median(figures + 3 * rounds, rounds), "ns");
	bench_print("map-ratio", bench_median(figures + 4 * rounds, rounds), "x");
	bench_print("map-all-ratio", bench_median(figures + 5 * rounds, rounds), "x");
}
