// SPDX-License-Identifier: GPL-2.0
/* The cold tier: given, used, full, failing, corrupted, taken away; and always the bytes that were handed in, or EIO. */
#include "cold.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void as_nobody(void *context)
{
	int device = kit_device();
	int fd = nameless("/tmp", 0);

	(void)context;
	GIVES(EPERM, backing(device, 0, 0, 0));
	GIVES(EPERM, backing(device, AGENTMEM_ABI_BACKING_GIVE, fd, 1 << 20));
	GIVES(EPERM, backing(device, AGENTMEM_ABI_BACKING_TAKE, 0, 0));
	GIVES(EPERM, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_after_ms = 1)));
	close(fd);
	close(device);
}

void test_backing(void)
{
	int device = kit_device(), agent = kit_agent("");
	uint64_t unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, "abc", 3);
	struct agentmem_abi_info info = SIZED(info);
	int fd = nameless("/tmp", 0), other, pipes[2];

	CHECK(chmod("/tmp", 01777) == 0 && kit_as(1000, as_nobody, NULL));
	CHECK(ask(device).state == AGENTMEM_ABI_BACKING_NONE && ask(device).most_bytes == 0);
	GIVES(ENOENT, backing(device, AGENTMEM_ABI_BACKING_TAKE, 0, 0));
	GIVES(EINVAL, backing(device, 3, fd, 1 << 20));
	GIVES(EINVAL, backing(device, 4, fd, 1 << 20));
	GIVES(EINVAL, backing(device, 0, fd, 0));
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_TAKE, 0, 1));
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_BACKING, &SIZED(backing, .flags = 1, .fd = fd, .most_bytes = 1 << 20, .reserved = 1)));
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_BACKING, &((backing_args){ .size = 71 })));
	/* Nothing that cannot be written and read at any place. */
	GIVES(EBADF, backing(device, AGENTMEM_ABI_BACKING_GIVE, -1, 1 << 20));
	GIVES(EBADF, backing(device, AGENTMEM_ABI_BACKING_GIVE, 9999, 1 << 20));
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, device, 1 << 20));
	CHECK(pipe(pipes) == 0);
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, pipes[1], 1 << 20));
	close(pipes[0]);
	close(pipes[1]);
	other = kit_open(agent, unit);
	GIVES(EBADF, backing(device, AGENTMEM_ABI_BACKING_GIVE, other, 1 << 20));
	close(other);
	other = open("/dev/null", O_RDWR);
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, other, 1 << 20));
	close(other);
	other = open("/tmp", O_RDONLY | O_DIRECTORY);
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, other, 1 << 20));
	close(other);
	other = open("/selftest", O_RDONLY);
	GIVES(EBADF, backing(device, AGENTMEM_ABI_BACKING_GIVE, other, 1 << 20));
	close(other);
	other = nameless("/tmp", O_APPEND);
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, other, 1 << 20));
	close(other);
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, fd, 0));
	GIVES(EINVAL, backing(device, AGENTMEM_ABI_BACKING_GIVE, fd, 4095));
	/* More than any device has. */
	give(device, fd, UINT64_MAX);
	CHECK(ask(device).state == AGENTMEM_ABI_BACKING_IN_USE && ask(device).most_bytes == 1ull << 40 && ask(device).used_bytes == 0);
	GIVES(EBUSY, backing(device, AGENTMEM_ABI_BACKING_GIVE, fd, 1 << 20));
	GIVES(0, ioctl(device, AGENTMEM_IOC_INFO, &info));
	CHECK(info.features & AGENTMEM_ABI_FEATURE_COLD);
	take(device);
	GIVES(0, ioctl(device, AGENTMEM_IOC_INFO, &info));
	CHECK(!(info.features & AGENTMEM_ABI_FEATURE_COLD) && (info.features & AGENTMEM_ABI_FEATURE_BACKING));
	/* By its size. */
	CHECK(ftruncate(fd, 100000) == 0);
	give(device, fd, 0);
	CHECK(ask(device).most_bytes == 98304);
	take(device);
	close(fd);
	close(agent);
	close(device);
}

void test_cold(void)
{
	struct three three = three_new(40);
	int device = kit_device(), fd = nameless("/tmp", 0), unit_fd = kit_open(three.agent, three.text);
	struct agentmem_abi_unit_stat stat;
	struct agentmem_abi_all_stat all;
	struct stat file;
	char *map = mmap(NULL, UNIT_BYTES, PROT_READ, MAP_SHARED, unit_fd, 0);

	CHECK(map != MAP_FAILED && map[0] == three.data[0]);
	give(device, fd, 8 << 20);
	cold_after(device, 300);
	CHECK(soon_cold(three.agent, three.text) && soon_cold(three.agent, three.noise));
	stat = kit_stat(three.agent, three.text);
	CHECK(stat.tier == AGENTMEM_ABI_COLD && stat.hot_bytes == 0 && stat.warm_bytes == 0 && stat.stored_bytes < UNIT_BYTES / 3);
	for (int i = 0; i < 500 && (kit_all(device).warm_bytes || kit_all(device).hot_bytes); i++)
		usleep(20000);
	stat = kit_stat(three.agent, three.talk);
	all = kit_all(device);
	CHECK(stat.tier == AGENTMEM_ABI_COLD && stat.hot_bytes < 131072 && stat.hot_bytes + stat.cold_bytes == UNIT_BYTES - 1);
	CHECK(all.warm_bytes == 0 && all.hot_bytes == 0 && all.cold_bytes > UNIT_BYTES && all.cold_bytes < UNIT_BYTES * 2);
	CHECK(ask(device).used_bytes >= all.cold_bytes && fstat(fd, &file) == 0 && (uint64_t)file.st_blocks * 512 >= all.cold_bytes);
	printf("# %u bytes in %llu on the backing file\n", UNIT_BYTES * 3 - 1, (unsigned long long)all.cold_bytes);
	/* Touched, read, handed in again, it is there. */
	CHECK(memcmp(map, three.data, UNIT_BYTES) == 0);
	three_same(&three);
	cold_after(device, 300);
	CHECK(soon_cold(three.agent, three.text) && soon_cold(three.agent, three.noise));
	CHECK(kit_alloc(three.agent, AGENTMEM_ABI_TOOL_RESULT, three.data, UNIT_BYTES) == three.text);
	/* What has a copy there needs no work to go. */
	GIVES(0, ioctl(three.agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = three.noise)));
	CHECK(kit_stat(three.agent, three.noise).tier == AGENTMEM_ABI_HOT);
	/* Away with it, and everything is in memory. */
	cold_after(device, 172800000);
	take(device);
	stat = kit_stat(three.agent, three.text);
	CHECK(stat.cold_bytes == 0 && kit_all(device).cold_bytes == 0);
	three_same(&three);
	/* Once more, and freed: nothing is left on it. */
	give(device, fd, 8 << 20);
	cold_after(device, 300);
	CHECK(soon_cold(three.agent, three.text));
	GIVES(0, kit_free(three.agent, three.text));
	GIVES(0, kit_free(three.agent, three.text));
	munmap(map, UNIT_BYTES);
	close(unit_fd);
	three_free(&three);
	for (int i = 0; i < 500 && ask(device).used_bytes; i++)
		usleep(20000);
	CHECK(ask(device).used_bytes == 0 && fstat(fd, &file) == 0 && file.st_blocks == 0);
	cold_after(device, 172800000);
	take(device);
	close(fd);
	close(device);
}

/* Suspended it goes at a quarter of the age, and under pressure at once. */
void test_cold_pressure(void)
{
	struct three three = three_new(41);
	int device = kit_device(), fd = nameless("/tmp", 0);

	give(device, fd, 8 << 20);
	GIVES(0, kit_state(three.agent, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_stat(three.agent, three.text).tier == AGENTMEM_ABI_WARM);
	GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_HARD)));
	CHECK(soon_cold(three.agent, three.text));
	GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_NONE)));
	GIVES(0, kit_state(three.agent, AGENTMEM_ABI_ACTIVE));
	CHECK(kit_stat(three.agent, three.text).tier == AGENTMEM_ABI_HOT);
	three_same(&three);
	/* More compressed than there may be goes there, whatever its age. */
	GIVES(0, kit_state(three.agent, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_most_bytes = 4096)));
	CHECK(soon_cold(three.agent, three.text));
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_most_bytes = UINT64_MAX / 2)));
	GIVES(0, kit_state(three.agent, AGENTMEM_ABI_ACTIVE));
	three_same(&three);
	three_free(&three);
	take(device);
	close(fd);
	close(device);
}

/* Too small, or a device that fails: what should go stays compressed, and whole. */
void test_cold_full(void)
{
	struct three three = three_new(42);
	int device = kit_device(), fd = nameless("/tmp", 0);
	uint64_t errors = ask(device).write_errors;

	give(device, fd, 64 << 10);
	cold_after(device, 300);
	for (int i = 0; i < 200 && ask(device).used_bytes < 32 << 10; i++)
		usleep(20000);
	usleep(500000);
	CHECK(ask(device).used_bytes <= 64 << 10);
	three_same(&three);
	take(device);
	CHECK(ask(device).write_errors == errors);
	three_same(&three);
	close(fd);
	/* A bound below what was given. */
	fd = nameless("/tmp", 0);
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_most_bytes = 128 << 10)));
	give(device, fd, 8 << 20);
	CHECK(ask(device).most_bytes == 128 << 10);
	usleep(1500000);
	CHECK(ask(device).used_bytes <= 128 << 10);
	take(device);
	close(fd);
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_most_bytes = UINT64_MAX / 2)));
	CHECK(mkdir("/tmp/small", 0755) == 0 && mount("small", "/tmp/small", "tmpfs", 0, "size=65536") == 0);
	fd = nameless("/tmp/small", 0);
	give(device, fd, 8 << 20);
	for (int i = 0; i < 500 && ask(device).write_errors == errors; i++)
		usleep(20000);
	CHECK(ask(device).write_errors > errors && ask(device).state == AGENTMEM_ABI_BACKING_FAILING);
	three_same(&three);
	take(device);
	three_same(&three);
	cold_after(device, 172800000);
	close(fd);
	CHECK(umount("/tmp/small") == 0 && rmdir("/tmp/small") == 0);
	three_free(&three);
	close(device);
}

void test_cold_spoilt(void)
{
	struct three three = three_new(43);
	int device = kit_device(), fd = nameless("/tmp", 0), unit_fd = kit_open(three.agent, three.noise);
	char *map = mmap(NULL, UNIT_BYTES, PROT_READ, MAP_SHARED, unit_fd, 0);
	backing_args before = ask(device);
	uint64_t again;

	give(device, fd, 8 << 20);
	all_cold(&three, device);
	spoil(fd);
	CHECK(text_lost(&three));
	CHECK(touch(map) == SIGBUS && pread(unit_fd, three.back, 10, 0) < 0 && errno == EIO);
	CHECK(ask(device).bad_sums > before.bad_sums);
	/* Handed in again it is a new unit; the old one stays what it is. */
	again = kit_alloc(three.agent, AGENTMEM_ABI_TOOL_RESULT, three.data, UNIT_BYTES);
	CHECK(again != 0 && again != three.text);
	CHECK(kit_read(three.agent, again, 0, three.back, UNIT_BYTES) == UNIT_BYTES && memcmp(three.back, three.data, UNIT_BYTES) == 0);
	CHECK(text_lost(&three));
	three_cut_off(&three, device, fd);
	CHECK(text_lost(&three));
	CHECK(kit_stat(three.agent, three.text).bytes == UNIT_BYTES);
	munmap(map, UNIT_BYTES);
	close(unit_fd);
	GIVES(0, kit_free(three.agent, three.text));
	three_free(&three);
	close(fd);
	close(device);
}

/* Taken away while there is no room for what is on it: refused, and nothing is lost. */
static void in_group(void *context)
{
	size_t bytes = 12 << 20;
	char *data = malloc(bytes), *back = malloc(1 << 20);
	int agent, device = kit_device(), fd = *(int *)context;
	uint64_t unit[3];

	kit_put("/cgroup/cold/cgroup.procs", "0");
	agent = kit_agent("");
	give(device, fd, 256 << 20);
	cold_after(device, 300);
	for (uint64_t i = 0; i < 3; i++) {
		kit_noise(60 + i, data, bytes);
		unit[i] = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
		CHECK(unit[i] != 0 && soon_cold(agent, unit[i]));
	}
	cold_after(device, 172800000);
	GIVES(ENOSPC, backing(device, AGENTMEM_ABI_BACKING_TAKE, 0, 0));
	CHECK(ask(device).state == AGENTMEM_ABI_BACKING_IN_USE);
	for (uint64_t i = 0; i < 2; i++)
		GIVES(0, kit_free(agent, unit[i]));
	take(device);
	CHECK(kit_read(agent, unit[2], bytes - (1 << 20), back, 1 << 20) == 1 << 20 && memcmp(back, data + bytes - (1 << 20), 1 << 20) == 0);
	close(agent);
	close(device);
	free(data);
	free(back);
}

void test_cold_refused(void)
{
	int fd = nameless("/tmp", 0);

	CHECK(mkdir("/cgroup/cold", 0755) == 0);
	kit_put("/cgroup/cold/memory.max", "41943040");
	CHECK(kit_as(0, in_group, &fd));
	for (int i = 0; i < 100 && rmdir("/cgroup/cold") < 0; i++)
		usleep(20000);
	close(fd);
}

/* Stays given: the module lets go of it when it is unloaded. */
void test_cold_left(void)
{
	int device = kit_device(), fd = nameless("/tmp", 0);

	give(device, fd, 1 << 20);
	close(fd);
	close(device);
}
