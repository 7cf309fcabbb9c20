// SPDX-License-Identifier: GPL-2.0
/* What the tests of the cold tier share. */
#include "cold.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int backing(int device, uint32_t flags, int fd, uint64_t most_bytes)
{
	backing_args args = SIZED(backing, .flags = flags, .fd = fd, .most_bytes = most_bytes);

	return ioctl(device, AGENTMEM_IOC_BACKING, &args);
}

backing_args ask(int device)
{
	backing_args args = SIZED(backing);

	GIVES(0, ioctl(device, AGENTMEM_IOC_BACKING, &args));
	return args;
}

/* A file without a name. */
int nameless(const char *folder, int flags)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | flags, 0600);

	CHECK(fd >= 0);
	return fd;
}

void give(int device, int fd, uint64_t most_bytes)
{
	GIVES(0, backing(device, AGENTMEM_ABI_BACKING_GIVE, fd, most_bytes));
}

void take(int device)
{
	GIVES(0, backing(device, AGENTMEM_ABI_BACKING_TAKE, 0, 0));
	CHECK(ask(device).state == AGENTMEM_ABI_BACKING_NONE);
}

void cold_after(int device, uint64_t ms)
{
	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .cold_after_ms = ms)));
}

bool soon_cold(int agent, uint64_t unit)
{
	/* A limit for what hangs: an emulated machine on a busy host takes minutes for seconds. */
	for (int i = 0; i < 4500; i++) {
		if (kit_stat(agent, unit).cold_bytes == kit_stat(agent, unit).bytes)
			return true;
		usleep(20000);
	}
	return false;
}

struct three three_new(uint64_t seed)
{
	struct three three = { .agent = kit_agent(""), .data = malloc(UNIT_BYTES), .random = malloc(UNIT_BYTES), .back = malloc(UNIT_BYTES) };

	kit_text(seed, three.data, UNIT_BYTES);
	kit_noise(seed, three.random, UNIT_BYTES);
	three.text = kit_alloc(three.agent, AGENTMEM_ABI_TOOL_RESULT, three.data, UNIT_BYTES);
	three.noise = kit_alloc(three.agent, AGENTMEM_ABI_OTHER, three.random, UNIT_BYTES);
	three.talk = kit_alloc(three.agent, AGENTMEM_ABI_CONVERSATION, three.data + 1, UNIT_BYTES - 1);
	return three;
}

void three_same(const struct three *three)
{
	CHECK(kit_read(three->agent, three->text, 0, three->back, UNIT_BYTES) == UNIT_BYTES && memcmp(three->back, three->data, UNIT_BYTES) == 0);
	CHECK(kit_read(three->agent, three->noise, 0, three->back, UNIT_BYTES) == UNIT_BYTES && memcmp(three->back, three->random, UNIT_BYTES) == 0);
	CHECK(kit_read(three->agent, three->talk, 0, three->back, UNIT_BYTES) == UNIT_BYTES - 1 && memcmp(three->back, three->data + 1, UNIT_BYTES - 1) == 0);
}

void all_cold(const struct three *three, int device)
{
	cold_after(device, 300);
	CHECK(soon_cold(three->agent, three->text) && soon_cold(three->agent, three->noise));
	/* Nor is any on its way. */
	for (int i = 0; i < 500 && (kit_all(device).warm_bytes || kit_all(device).hot_bytes); i++)
		usleep(20000);
	cold_after(device, 172800000);
}

bool text_lost(const struct three *three)
{
	return kit_read(three->agent, three->text, 0, three->back, UNIT_BYTES) < 0 && errno == EIO;
}

void three_cut_off(const struct three *three, int device, int file)
{
	backing_args told = ask(device);

	CHECK(ftruncate(file, 0) == 0);
	CHECK(text_lost(three));
	/* What the thread still writes behind it makes a hole of it. */
	CHECK(ask(device).read_errors > told.read_errors || ask(device).bad_sums > told.bad_sums);
	/* Taken away, it is lost for good, and told. */
	take(device);
	CHECK(ask(device).lost_bytes >= told.lost_bytes + 2 * UNIT_BYTES);
}

void three_free(struct three *three)
{
	close(three->agent);
	free(three->data);
	free(three->random);
	free(three->back);
}

/* The signal that touching it ends a child with. */
int touch(const volatile char *byte)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		signal(SIGBUS, SIG_DFL);
		(void)*byte;
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void spoil(int fd)
{
	struct stat file;
	char *junk;

	CHECK(fstat(fd, &file) == 0 && file.st_size > 0);
	junk = malloc((size_t)file.st_size);
	kit_noise(4711, junk, (size_t)file.st_size);
	CHECK(pwrite(fd, junk, (size_t)file.st_size, 0) == file.st_size);
	free(junk);
}
