// SPDX-License-Identifier: GPL-2.0
/* The cold tier on a block device: read by requests of the module's own where it was opened with O_DIRECT, else through its file. */
#include "cold.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICE_BYTES (8u << 20)

static int device_of(int file, int flags)
{
	CHECK(ftruncate(file, DEVICE_BYTES) == 0);
	return kit_loop(file, flags);
}

/* Units whose last pieces are not whole; touched, read, and in the middle of another file's write. */
static void there_and_back(int flags)
{
	struct three three = three_new(44);
	int device = kit_device(), file = nameless("/tmp", 0), loop = device_of(file, flags), other = nameless("/tmp", 0);
	int unit = kit_open(three.agent, three.noise);
	char *map = mmap(NULL, UNIT_BYTES, PROT_READ, MAP_SHARED, unit, 0);
	backing_args before = ask(device);

	CHECK(map != MAP_FAILED);
	give(device, loop, UINT64_MAX);
	CHECK(ask(device).most_bytes == DEVICE_BYTES);
	GIVES(EBUSY, backing(device, AGENTMEM_ABI_BACKING_GIVE, file, 0));
	all_cold(&three, device);
	CHECK(memcmp(map, three.random, UNIT_BYTES) == 0);
	/* What has its place there goes again, and comes again. */
	all_cold(&three, device);
	three_same(&three);
	all_cold(&three, device);
	CHECK(pwrite(other, map, UNIT_BYTES, 0) == UNIT_BYTES);
	CHECK(pread(other, three.back, UNIT_BYTES, 0) == UNIT_BYTES && memcmp(three.back, three.random, UNIT_BYTES) == 0);
	all_cold(&three, device);
	/* From the end on, a page at a time. */
	for (long at = UNIT_BYTES - 1; at >= 0; at -= 4096)
		CHECK(map[at] == three.random[at]);
	CHECK(ask(device).read_errors == before.read_errors && ask(device).bad_sums == before.bad_sums);
	all_cold(&three, device);
	take(device);
	three_same(&three);
	munmap(map, UNIT_BYTES);
	close(unit);
	close(other);
	close(loop);
	close(file);
	three_free(&three);
	close(device);
}

void test_cold_device(void)
{
	there_and_back(O_DIRECT);
	there_and_back(0);
}

/* What another wrote there is not taken for ours; what cannot be read is not waited for. */
void test_cold_device_spoilt(void)
{
	struct three three = three_new(45);
	int device = kit_device(), file = nameless("/tmp", 0), loop = device_of(file, O_DIRECT);
	int unit = kit_open(three.agent, three.noise);
	char *map = mmap(NULL, UNIT_BYTES, PROT_READ, MAP_SHARED, unit, 0);
	backing_args before = ask(device), told;
	uint64_t used;
	char *pieces;

	CHECK(map != MAP_FAILED);
	give(device, loop, 0);
	all_cold(&three, device);
	/* Each piece is its neighbour's: whole, and wrong. */
	used = ask(device).used_bytes;
	pieces = malloc(DEVICE_BYTES);
	CHECK(pread(file, pieces, DEVICE_BYTES, 0) == DEVICE_BYTES && pwrite(file, pieces, used, 4096) == (ssize_t)used);
	CHECK(text_lost(&three));
	CHECK(touch(map) == SIGBUS);
	told = ask(device);
	CHECK(told.bad_sums >= before.bad_sums + 2 && told.read_errors == before.read_errors);
	/* Right again, it is read again. */
	CHECK(pwrite(file, pieces, DEVICE_BYTES, 0) == DEVICE_BYTES);
	three_same(&three);
	CHECK(touch(map) == 0 && ask(device).bad_sums == told.bad_sums);
	free(pieces);
	all_cold(&three, device);
	spoil(file);
	CHECK(text_lost(&three));
	CHECK(touch(map) == SIGBUS && ask(device).bad_sums > told.bad_sums);
	three_cut_off(&three, device, file);
	munmap(map, UNIT_BYTES);
	close(unit);
	close(loop);
	close(file);
	three_free(&three);
	close(device);
}
