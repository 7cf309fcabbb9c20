// SPDX-License-Identifier: GPL-2.0
/* Mappings, compression, conversations: always the bytes that were handed in. */
#include "kit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The signal that touching this byte ends a child with; 0 for none. */
static int touch(const volatile char *byte)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		signal(SIGSEGV, SIG_DFL);
		(void)*byte;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void test_map(void)
{
	size_t bytes = 300001, pages = 303104;
	char *data = malloc(bytes), back[8];
	int agent = kit_agent("");
	alloc_args args = SIZED(alloc, .kind = AGENTMEM_ABI_SYSTEM_PROMPT, .flags = AGENTMEM_ABI_WANT_FD, .data = (uintptr_t)data, .bytes = bytes);
	struct agentmem_abi_unit_stat stat = SIZED(unit_stat);
	char *map;

	kit_noise(4, data, bytes);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	CHECK(args.fd >= 0 && (fcntl(args.fd, F_GETFD) & FD_CLOEXEC) && (fcntl(args.fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
	map = mmap(NULL, pages + 4096, PROT_READ, MAP_SHARED, args.fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, data, bytes) == 0);
	for (size_t i = bytes; i < pages; i++)
		CHECK(map[i] == 0);
	CHECK(touch(map + pages) == SIGBUS);
	GIVES(EACCES, mprotect(map, 4096, PROT_READ | PROT_WRITE));
	GIVES(EACCES, mprotect(map, 4096, PROT_READ | PROT_EXEC));
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, args.fd, 0) == MAP_FAILED && errno == EACCES);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, args.fd, 0) == MAP_FAILED && errno == EACCES);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, args.fd, 0) == MAP_FAILED);
	/* Plain reading, and its own figures. */
	CHECK(pread(args.fd, back, 8, 8192) == 8 && memcmp(back, data + 8192, 8) == 0);
	CHECK(lseek(args.fd, 0, SEEK_END) == (off_t)bytes && read(args.fd, back, 8) == 0);
	CHECK(lseek(args.fd, -1, SEEK_SET) < 0 && lseek(args.fd, 1, SEEK_END) < 0);
	CHECK(write(args.fd, "x", 1) < 0 && ftruncate(args.fd, 0) < 0);
	GIVES(0, ioctl(args.fd, AGENTMEM_IOC_STAT_UNIT, &stat));
	CHECK(stat.bytes == bytes && memcmp(stat.digest, args.digest, 32) == 0);
	stat = SIZED(unit_stat, .unit = 1);
	GIVES(EINVAL, ioctl(args.fd, AGENTMEM_IOC_STAT_UNIT, &stat));
	GIVES(ENOTTY, ioctl(args.fd, AGENTMEM_IOC_FREE, &stat));
	/* It outlives descriptor, unit and agent. */
	close(args.fd);
	GIVES(0, kit_free(agent, args.unit));
	close(agent);
	CHECK(memcmp(map, data, bytes) == 0);
	/* A child has it too; what it reads into is no way to write. */
	CHECK(touch(map + 5) == 0);
	agent = open("/dev/zero", O_RDONLY);
	CHECK(read(agent, map, 8) < 0 && errno == EFAULT);
	close(agent);
	munmap(map, 8192);
	CHECK(memcmp(map + 8192, data + 8192, bytes - 8192) == 0);
	munmap(map + 8192, pages + 4096 - 8192);
	free(data);
}

void test_compress(void)
{
	size_t bytes = 1000000;
	char *text = malloc(bytes), *noise = malloc(bytes), *back = malloc(bytes);
	int agent = kit_agent(""), other = kit_agent("");
	uint64_t packed, plain, shared;
	struct agentmem_abi_unit_stat stat;
	int fd;
	char *map;

	kit_text(5, text, bytes);
	kit_noise(6, noise, bytes);
	packed = kit_alloc(agent, AGENTMEM_ABI_TOOL_RESULT, text, bytes);
	plain = kit_alloc(agent, AGENTMEM_ABI_TOOL_RESULT, noise, bytes);
	text[0] = 'X';
	shared = kit_alloc(agent, AGENTMEM_ABI_TOOL_RESULT, text, bytes);
	CHECK(kit_alloc(other, AGENTMEM_ABI_TOOL_RESULT, text, bytes) == shared);
	text[0] = text[7];
	kit_text(5, text, 100);
	fd = kit_open(agent, packed);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, text, bytes) == 0);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	stat = kit_stat(agent, packed);
	CHECK(stat.tier == AGENTMEM_ABI_WARM && stat.warm_bytes == bytes && stat.hot_bytes == 0);
	CHECK(stat.stored_bytes > 0 && stat.stored_bytes < bytes / 3);
	printf("# %zu bytes in %llu\n", bytes, (unsigned long long)stat.stored_bytes);
	stat = kit_stat(agent, plain);
	CHECK(stat.tier == AGENTMEM_ABI_HOT && stat.hot_bytes == bytes);
	/* What somebody awake holds too stays where it is. */
	CHECK(kit_stat(agent, shared).tier == AGENTMEM_ABI_HOT);
	/* Touched, it comes back: by a mapping that was there before, and by reading. */
	CHECK(map[500000] == text[500000]);
	CHECK(kit_stat(agent, packed).hot_bytes > 0 && kit_stat(agent, packed).warm_bytes > 0);
	CHECK(memcmp(map, text, bytes) == 0);
	CHECK(kit_read(agent, packed, 0, back, bytes) == (ssize_t)bytes && memcmp(back, text, bytes) == 0);
	CHECK(kit_read(agent, plain, 0, back, bytes) == (ssize_t)bytes && memcmp(back, noise, bytes) == 0);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_stat(agent, packed).tier == AGENTMEM_ABI_WARM);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
	CHECK(kit_stat(agent, packed).tier == AGENTMEM_ABI_HOT);
	/* Known content is compared with what is compressed. */
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_alloc(agent, AGENTMEM_ABI_TOOL_RESULT, text, bytes) == packed);
	munmap(map, bytes);
	close(fd);
	close(agent);
	close(other);
	free(text);
	free(noise);
	free(back);
}

static int settings(int device, uint64_t warm_after_ms, uint64_t hot_most_bytes)
{
	struct agentmem_abi_settings args = SIZED(settings, .warm_after_ms = warm_after_ms, .hot_most_bytes = hot_most_bytes);

	return ioctl(device, AGENTMEM_IOC_SETTINGS, &args);
}

/* The tier it gets to within a while. */
static uint32_t tier_soon(int agent, uint64_t unit, uint32_t tier)
{
	uint32_t now = 0;

	for (int i = 0; i < 500 && now != tier; i++) {
		now = kit_stat(agent, unit).tier;
		usleep(20000);
	}
	return now;
}

void test_idle(void)
{
	size_t bytes = 500000;
	char *data = malloc(bytes), *back = malloc(bytes);
	int agent = kit_agent("");
	uint64_t unit, pinned, talk;

	kit_text(7, data, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
	talk = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, data + 1, bytes - 1);
	pinned = kit_alloc(agent, AGENTMEM_ABI_OTHER, data + 2, bytes - 2);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = pinned)));
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = 999)));
	GIVES(0, settings(agent, 300, 0));
	CHECK(tier_soon(agent, unit, AGENTMEM_ABI_WARM) == AGENTMEM_ABI_WARM);
	CHECK(tier_soon(agent, talk, AGENTMEM_ABI_WARM) == AGENTMEM_ABI_WARM);
	CHECK(kit_stat(agent, pinned).tier == AGENTMEM_ABI_HOT);
	GIVES(0, settings(agent, 300000, 0));
	CHECK(kit_read(agent, talk, 0, back, bytes) == (ssize_t)bytes - 1 && memcmp(back, data + 1, bytes - 1) == 0);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = unit)));
	CHECK(kit_stat(agent, unit).tier == AGENTMEM_ABI_HOT);
	/* The helper says that memory is short: ages shrink. */
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = 3)));
	/* More than may be hot goes, whatever its age. */
	GIVES(0, kit_free(agent, pinned));
	pinned = kit_alloc(agent, AGENTMEM_ABI_OTHER, data + 3, bytes - 3);
	GIVES(0, settings(agent, 0, 4096));
	CHECK(tier_soon(agent, pinned, AGENTMEM_ABI_WARM) == AGENTMEM_ABI_WARM);
	GIVES(0, settings(agent, 0, UINT64_MAX / 2));
	close(agent);
	free(data);
	free(back);
}

/* A conversation and what it must hold. */
static void check_talk(int agent, uint64_t unit, const char *model, size_t bytes, char *back)
{
	CHECK(kit_read(agent, unit, 0, back, bytes + 10) == (ssize_t)bytes && memcmp(back, model, bytes) == 0);
	CHECK(kit_stat(agent, unit).bytes == bytes);
}

void test_talk(void)
{
	size_t most = 3000000, bytes = 0;
	char *data = malloc(most), *back = malloc(most + 10);
	int agent = kit_agent(""), other = kit_agent("");
	uint64_t seed = 8, unit = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, NULL, 0), flat;
	int fd;
	char *map;

	CHECK(unit != 0);
	kit_text(9, data, most);
	check_talk(agent, unit, data, 0, back);
	while (bytes < most / 2) {
		size_t piece = kit_random(&seed) % 20000;

		GIVES(0, kit_append(agent, unit, data + bytes, piece));
		bytes += piece;
	}
	check_talk(agent, unit, data, bytes, back);
	for (int i = 0; i < 200; i++) {
		size_t offset = kit_random(&seed) % bytes, length = kit_random(&seed) % 100000;
		size_t expected = length < bytes - offset ? length : bytes - offset;

		CHECK(kit_read(agent, unit, offset, back, length) == (ssize_t)expected && memcmp(back, data + offset, expected) == 0);
	}
	/* At one go, many blocks; and where half of it cannot be read, nothing. */
	GIVES(0, kit_append(agent, unit, data + bytes, most - 100 - bytes));
	bytes = most - 100;
	check_talk(agent, unit, data, bytes, back);
	map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(map + (1 << 19), 1 << 19);
	GIVES(EFAULT, kit_append(agent, unit, map, 1 << 20));
	munmap(map, 1 << 19);
	check_talk(agent, unit, data, bytes, back);
	/* Others see what is appended, a snapshot does not. */
	GIVES(0, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(other), .fd = -1)));
	fd = kit_open(agent, unit);
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)bytes);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED && memcmp(map, data, bytes) == 0);
	GIVES(0, kit_append(other, unit, data + bytes, 100));
	check_talk(agent, unit, data, most, back);
	CHECK(lseek(fd, 0, SEEK_END) == (off_t)bytes);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_SUSPENDED));
	GIVES(0, kit_state(other, AGENTMEM_ABI_SUSPENDED));
	CHECK(kit_stat(agent, unit).tier == AGENTMEM_ABI_WARM);
	printf("# conversation of %zu bytes in %llu\n", most, (unsigned long long)kit_stat(agent, unit).stored_bytes * 2);
	check_talk(agent, unit, data, most, back);
	munmap(map, bytes);
	close(fd);
	/* Its digest, for who asks: that of a flat unit with the same bytes; until it changes. */
	{
		alloc_args as_flat = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)data, .bytes = most);
		alloc_args found = SIZED(alloc, .kind = AGENTMEM_ABI_CONVERSATION, .flags = AGENTMEM_ABI_BY_DIGEST);
		struct agentmem_abi_unit_stat asked = SIZED(unit_stat, .unit = unit, .flags = AGENTMEM_ABI_STAT_DIGEST);
		struct agentmem_abi_unit_stat wrong = SIZED(unit_stat, .unit = unit, .flags = 2);

		GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &as_flat));
		memcpy(found.digest, as_flat.digest, 32);
		CHECK(kit_stat(agent, unit).has_digest == 0);
		GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_ALLOC, &found));
		GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_STAT_UNIT, &wrong));
		GIVES(0, ioctl(agent, AGENTMEM_IOC_STAT_UNIT, &asked));
		CHECK(asked.has_digest == 1 && memcmp(asked.digest, as_flat.digest, 32) == 0);
		CHECK(kit_stat(agent, unit).has_digest == 1);
		GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &found));
		CHECK(found.unit == unit && found.bytes == most);
		GIVES(0, kit_free(agent, unit));
		/* Nobody else's. */
		found.bytes = 0;
		GIVES(0, kit_free(other, unit));
		GIVES(ENOENT, ioctl(other, AGENTMEM_IOC_ALLOC, &found));
		GIVES(0, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(other), .fd = -1)));
		GIVES(0, kit_free(agent, as_flat.unit));
		GIVES(0, kit_append(agent, unit, "x", 1));
		CHECK(kit_stat(agent, unit).has_digest == 0);
		found.bytes = 0;
		GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_ALLOC, &found));
		GIVES(0, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .offset = most, .old_bytes = 1)));
	}
	/* What is no conversation does not grow. */
	flat = kit_alloc(agent, AGENTMEM_ABI_OTHER, "flat", 4);
	GIVES(EINVAL, kit_append(agent, flat, "x", 1));
	GIVES(ENOENT, kit_append(agent, 12345, "x", 1));
	GIVES(E2BIG, kit_append(agent, unit, data, SIZE_MAX));
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_APPEND, &SIZED(edit, .unit = unit, .offset = 1)));
	close(agent);
	check_talk(other, unit, data, most, back);
	close(other);
	free(data);
	free(back);
}

void test_fork(void)
{
	size_t bytes = 1000000;
	char *data = malloc(2 * bytes), *back = malloc(2 * bytes + 10);
	int agent = kit_agent("");
	uint64_t seed = 10, unit, contents;

	kit_noise(11, data, 2 * bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, data, bytes);
	contents = kit_all(agent).contents;
	CHECK(contents > 5);
	for (int i = 0; i < 30; i++) {
		uint64_t prefix = i == 0 ? 0 : i == 1 ? UINT64_MAX : i == 2 ? bytes : kit_random(&seed) % bytes;
		struct agentmem_abi_fork args = SIZED(fork, .unit = unit, .prefix_bytes = prefix);
		size_t got = prefix < bytes ? prefix : bytes;

		GIVES(0, ioctl(agent, AGENTMEM_IOC_FORK, &args));
		CHECK(args.fork != 0 && args.fork != unit && args.fd == -1);
		check_talk(agent, args.fork, data, got, back);
		/* The same bytes again are cut at the same places: nothing new is stored. */
		GIVES(0, kit_append(agent, args.fork, data + got, bytes - got));
		check_talk(agent, args.fork, data, bytes, back);
		CHECK(kit_all(agent).contents == contents);
		GIVES(0, kit_append(agent, args.fork, data + i, 1000));
		check_talk(agent, unit, data, bytes, back);
	}
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_FORK, &SIZED(fork, .unit = 9999)));
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, 10);
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_FORK, &SIZED(fork, .unit = unit)));
	close(agent);
	free(data);
	free(back);
}

/* Against a model; and a small change costs few new blocks wherever it is. */
void test_edit(void)
{
	size_t most = 4000000, bytes = 1000000;
	char *model = malloc(most), *more = malloc(200000), *back = malloc(most + 10);
	int agent = kit_agent("");
	uint64_t seed = 20, unit;

	kit_noise(21, model, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, model, bytes);
	for (int i = 0; i < 120; i++) {
		size_t offset = i % 7 == 0 ? 0 : i % 7 == 1 ? bytes : kit_random(&seed) % (bytes + 1);
		size_t old = i % 3 ? 0 : kit_random(&seed) % 100000;
		size_t fresh = kit_random(&seed) % 5 == 0 ? kit_random(&seed) % 200000 : kit_random(&seed) % 300;
		uint64_t before = kit_all(agent).contents;
		struct agentmem_abi_edit args;

		if (old > bytes - offset)
			old = bytes - offset;
		kit_noise(seed, more, fresh);
		args = SIZED(edit, .unit = unit, .offset = offset, .old_bytes = old, .data = (uintptr_t)more, .bytes = fresh);
		GIVES(0, ioctl(agent, AGENTMEM_IOC_EDIT, &args));
		memmove(model + offset + fresh, model + offset + old, bytes - offset - old);
		memcpy(model + offset, more, fresh);
		bytes += fresh - old;
		CHECK(args.total_bytes == bytes);
		check_talk(agent, unit, model, bytes, back);
		CHECK(kit_all(agent).contents <= before + fresh / 8192 + 4);
	}
	GIVES(ERANGE, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .offset = bytes + 1)));
	GIVES(ERANGE, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .offset = 1, .old_bytes = bytes)));
	GIVES(ERANGE, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .offset = 1, .old_bytes = UINT64_MAX)));
	GIVES(EFAULT, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .offset = 1, .old_bytes = 5, .data = 8, .bytes = 100)));
	check_talk(agent, unit, model, bytes, back);
	/* All of it, at once. */
	GIVES(0, ioctl(agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = unit, .old_bytes = bytes)));
	check_talk(agent, unit, model, 0, back);
	CHECK(kit_all(agent).contents == 0);
	close(agent);
	free(model);
	free(more);
	free(back);
}

void test_limits(void)
{
	struct agentmem_abi_register args = SIZED(register, .quota_bytes = 100000);
	size_t bytes = 60000;
	char *data = malloc(2 * bytes);
	int agent = kit_device(), other = kit_agent("");
	uint64_t unit, talk;

	kit_noise(12, data, 2 * bytes);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_REGISTER, &args));
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, bytes);
	CHECK(unit != 0);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, data + 1, bytes) == 0 && errno == EDQUOT);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, data, 2 * bytes) == 0 && errno == EDQUOT);
	talk = kit_alloc(agent, AGENTMEM_ABI_CONVERSATION, data, 10000);
	CHECK(talk != 0);
	GIVES(EDQUOT, kit_append(agent, talk, data, 30001));
	GIVES(0, kit_append(agent, talk, data, 30000));
	GIVES(EDQUOT, kit_append(agent, talk, data, 1));
	/* Nobody can be given more than he may hold. */
	unit = kit_alloc(other, AGENTMEM_ABI_OTHER, data + 2, bytes);
	GIVES(EDQUOT, ioctl(other, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(agent), .fd = -1)));
	close(agent);
	close(other);
	free(data);
}
