/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies on the backing device, brought back in two ways, beside raw reads
 * of as many bytes from the same device:
 *
 *	touched   a mapping is made and its pages are touched; beside a raw read
 *	          into memory that is mapped for it in the same way
 *	read      READ, which copies once more; beside a raw read into memory that
 *	          was there
 */
#include "kmod.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "kmod-disk.h"

/* Half of them are touched, half are read. */
#define UNITS 400u
#define BYTES (64u << 10)
#define BACKING_BYTES (64ull << 20)

struct cold {
	int agent, raw;
	uint64_t units[UNITS];
	char *kept;		/* what they must hold */
};

static void must(int result, const char *what)
{
	if (result < 0)
		bench_fail(what);
}

static void noise(char *to, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes; i += sizeof(seed)) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(to + i, &seed, sizeof(seed));
	}
}

static void hand_in(struct cold *cold, const char *text)
{
	for (unsigned i = 0; i < UNITS; i++) {
		struct agentmem_abi_alloc args = ABI(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)(cold->kept + i * BYTES), .bytes = BYTES);

		if (text != NULL)
			memcpy(cold->kept + i * BYTES, text + i * BYTES, BYTES);
		else
			noise(cold->kept + i * BYTES, BYTES, i + 1);
		must(ioctl(cold->agent, AGENTMEM_IOC_ALLOC, &args), "ALLOC");
		cold->units[i] = args.unit;
	}
}

static void wait_until_cold(const struct cold *cold)
{
	struct agentmem_abi_value value = ABI(value, .value = AGENTMEM_ABI_SUSPENDED);

	must(ioctl(cold->agent, AGENTMEM_IOC_STATE, &value), "STATE");
	for (unsigned i = 0, tries = 0; i < UNITS; i++) {
		struct agentmem_abi_unit_stat stat = ABI(unit_stat, .unit = cold->units[i]);

		must(ioctl(cold->agent, AGENTMEM_IOC_STAT_UNIT, &stat), "STAT_UNIT");
		if (stat.cold_bytes == BYTES)
			continue;
		if (++tries > 600)
			bench_fail("units do not go to the backing device");
		usleep(100000);
		i--;
	}
}

/* One byte of each page, so that all of them are mapped. */
static unsigned touch(const volatile char *bytes)
{
	unsigned sum = 0;

	for (unsigned at = 0; at < BYTES; at += PAGE)
		sum += (unsigned char)bytes[at];
	return sum;
}

static void *map(int fd)
{
	int prot = fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ, flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *at = mmap(NULL, BYTES, prot, flags, fd, 0);

	if (at == MAP_FAILED)
		bench_fail("mmap");
	return at;
}

static void check(const struct cold *cold, unsigned i, const char *bytes)
{
	if (memcmp(bytes, cold->kept + i * BYTES, BYTES) != 0)
		bench_fail("a unit is not what it was");
}

static double by_touch(const struct cold *cold, unsigned i)
{
	struct agentmem_abi_open open = ABI(open, .unit = cold->units[i]);
	double at, took;
	char *bytes;

	must(ioctl(cold->agent, AGENTMEM_IOC_OPEN, &open), "OPEN");
	at = bench_now_us();
	bytes = map(open.fd);
	touch(bytes);
	took = bench_now_us() - at;
	check(cold, i, bytes);
	munmap(bytes, BYTES);
	close(open.fd);
	return took;
}

static double by_read(const struct cold *cold, unsigned i, char *room)
{
	struct agentmem_abi_read args = ABI(read, .unit = cold->units[i], .data = (uintptr_t)room, .bytes = BYTES);
	double at = bench_now_us(), took;

	must(ioctl(cold->agent, AGENTMEM_IOC_READ, &args), "READ");
	took = bench_now_us() - at;
	check(cold, i, room);
	return took;
}

/* Behind what the module uses. */
static off_t raw_at(unsigned i)
{
	return (off_t)(BACKING_BYTES + (uint64_t)i * BYTES);
}

/* NULL: into memory that is mapped for it. */
static double by_raw_read(const struct cold *cold, unsigned i, char *room)
{
	double at = bench_now_us(), took;
	char *to = room != NULL ? room : map(-1);

	if (pread(cold->raw, to, BYTES, raw_at(i)) != BYTES)
		bench_fail("raw read");
	touch(to);
	took = bench_now_us() - at;
	check(cold, i, to);
	if (room == NULL)
		munmap(to, BYTES);
	return took;
}

static void print(const char *what, const char *way, double *back, double *raw)
{
	double one = bench_median(back, UNITS / 2), peer = bench_median(raw, UNITS / 2);
	char name[48];

	snprintf(name, sizeof(name), "cold-%s-%s", what, way);
	bench_print(name, one, "us");
	snprintf(name, sizeof(name), "cold-%s-%s-raw", what, way);
	bench_print(name, peer, "us");
	snprintf(name, sizeof(name), "cold-%s-%s-ratio", what, way);
	bench_print(name, one / peer, "x");
	/* On a machine that is busy with other things, what those disturbed least. */
	snprintf(name, sizeof(name), "cold-%s-%s-quiet", what, way);
	bench_print(name, bench_quantile(back, UNITS / 2, 0.1) / bench_quantile(raw, UNITS / 2, 0.1), "x");
}

static void measure(const struct cold *cold, const char *what)
{
	double touched[UNITS / 2], read[UNITS / 2], fresh[UNITS / 2], there[UNITS / 2];
	char *room = kmod_room(BYTES);

	for (unsigned turn = 0; turn < UNITS / 2; turn++) {
		/* No two that lie beside each other, as they would not in use. */
		unsigned i = turn * 71 % (UNITS / 2) * 2;

		fresh[turn] = by_raw_read(cold, i, NULL);
		touched[turn] = by_touch(cold, i);
		there[turn] = by_raw_read(cold, i + 1, room);
		read[turn] = by_read(cold, i + 1, room);
	}
	print(what, "touched", touched, fresh);
	print(what, "read", read, there);
}

/* The same bytes, for the raw reads. */
static void write_raw(const struct cold *cold, int disk)
{
	for (unsigned i = 0; i < UNITS; i++) {
		if (pwrite(disk, cold->kept + i * BYTES, BYTES, raw_at(i)) != BYTES)
			bench_fail("the disk cannot be written");
	}
}

void kmod_cold(const char *disk)
{
	struct agentmem_abi_settings soon = ABI(settings, .cold_after_ms = 100);
	/* What is measured is not sent away again meanwhile, whatever was set for what was measured before. */
	struct agentmem_abi_settings later = ABI(settings, .cold_after_ms = 1u << 30, .warm_after_ms = 1u << 30, .hot_most_bytes = 1ull << 40, .warm_most_bytes = 1ull << 40);
	struct agentmem_abi_backing give = ABI(backing, .flags = AGENTMEM_ABI_BACKING_GIVE, .most_bytes = BACKING_BYTES);
	struct agentmem_abi_backing take = ABI(backing, .flags = AGENTMEM_ABI_BACKING_TAKE);
	struct cold cold = { .raw = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC), .kept = kmod_room(UNITS * BYTES) };
	char *text = kmod_room(UNITS * BYTES);
	int backing;

	must(cold.raw, "there is no disk");
	kmod_disk(disk, DISK_TALKS_AT, text, UNITS * BYTES);
	backing = open(disk, O_RDWR | O_DIRECT | O_CLOEXEC);
	must(backing, "the disk cannot be written");
	give.fd = backing;
	cold.agent = kmod_agent();
	must(ioctl(cold.agent, AGENTMEM_IOC_BACKING, &give), "BACKING");
	for (unsigned way = 0; way < 2; way++) {
		must(ioctl(cold.agent, AGENTMEM_IOC_SETTINGS, &soon), "SETTINGS");
		hand_in(&cold, way == 0 ? NULL : text);
		write_raw(&cold, backing);
		wait_until_cold(&cold);
		must(ioctl(cold.agent, AGENTMEM_IOC_SETTINGS, &later), "SETTINGS");
		measure(&cold, way == 0 ? "plain" : "text");
		close(cold.agent);
		cold.agent = kmod_agent();
	}
	must(ioctl(cold.agent, AGENTMEM_IOC_BACKING, &take), "BACKING cannot be taken away");
	close(cold.agent);
}
