/* SPDX-License-Identifier: Apache-2.0 */
/* What lies on the backing device, brought back, beside a raw read of as many bytes from the same device. */
#include "kmod.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "kmod-disk.h"

#define UNITS 200u
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

static double restore(const struct cold *cold, unsigned i, char *room)
{
	struct agentmem_abi_read args = ABI(read, .unit = cold->units[i], .data = (uintptr_t)room, .bytes = BYTES);
	double at = bench_now_us(), took;

	must(ioctl(cold->agent, AGENTMEM_IOC_READ, &args), "READ");
	took = bench_now_us() - at;
	if (args.bytes != BYTES || memcmp(room, cold->kept + i * BYTES, BYTES) != 0)
		bench_fail("a unit is not what it was");
	return took;
}

static double raw_read(const struct cold *cold, unsigned i, char *room)
{
	/* Behind what the module uses, as scattered as it may be there. */
	off_t offset = (off_t)(BACKING_BYTES + (uint64_t)(i * 7919u % UNITS) * BYTES);
	double at = bench_now_us();

	if (pread(cold->raw, room, BYTES, offset) != BYTES)
		bench_fail("raw read");
	return bench_now_us() - at;
}

static void measure(const struct cold *cold, const char *what)
{
	double back[UNITS], raw[UNITS], ratio;
	char *room = kmod_room(BYTES), name[32];

	for (unsigned i = 0; i < UNITS; i++) {
		raw[i] = raw_read(cold, i, room);
		back[i] = restore(cold, i, room);
	}
	ratio = bench_median(back, UNITS) / bench_median(raw, UNITS);
	snprintf(name, sizeof(name), "cold-%s", what);
	bench_print(name, bench_median(back, UNITS), "us");
	snprintf(name, sizeof(name), "cold-%s-raw", what);
	bench_print(name, bench_median(raw, UNITS), "us");
	snprintf(name, sizeof(name), "cold-%s-ratio", what);
	bench_print(name, ratio, "x");
}

void kmod_cold(const char *disk)
{
	struct agentmem_abi_settings settings = ABI(settings, .cold_after_ms = 100);
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
	must(ioctl(cold.agent, AGENTMEM_IOC_SETTINGS, &settings), "SETTINGS");
	for (unsigned way = 0; way < 2; way++) {
		hand_in(&cold, way == 0 ? NULL : text);
		wait_until_cold(&cold);
		measure(&cold, way == 0 ? "plain" : "text");
		close(cold.agent);
		cold.agent = kmod_agent();
	}
	must(ioctl(cold.agent, AGENTMEM_IOC_BACKING, &take), "BACKING cannot be taken away");
	close(cold.agent);
}
