// SPDX-License-Identifier: GPL-2.0
#include "kit.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int kit_failed;

int kit_device(void)
{
	int fd = open("/dev/agentmem", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("# /dev/agentmem: %s\n", strerror(errno));
		exit(1);
	}
	return fd;
}

int kit_agent(const char *domain)
{
	struct agentmem_abi_register args = SIZED(register);
	int fd = kit_device();

	strncpy(args.domain, domain, sizeof(args.domain) - 1);
	GIVES(0, ioctl(fd, AGENTMEM_IOC_REGISTER, &args));
	return fd;
}

uint64_t kit_number(int agent)
{
	struct agentmem_abi_agent_stat args = SIZED(agent_stat);

	GIVES(0, ioctl(agent, AGENTMEM_IOC_STAT_AGENT, &args));
	return args.agent;
}

uint64_t kit_alloc(int agent, uint32_t kind, const void *data, size_t bytes)
{
	alloc_args args = SIZED(alloc, .kind = kind, .data = (uintptr_t)data, .bytes = bytes);

	return ioctl(agent, AGENTMEM_IOC_ALLOC, &args) < 0 ? 0 : args.unit;
}

int kit_open(int agent, uint64_t unit)
{
	struct agentmem_abi_open args = SIZED(open, .unit = unit);

	return ioctl(agent, AGENTMEM_IOC_OPEN, &args) < 0 ? -1 : args.fd;
}

ssize_t kit_read(int agent, uint64_t unit, uint64_t offset, void *to, size_t bytes)
{
	struct agentmem_abi_read args = SIZED(read, .unit = unit, .offset = offset, .data = (uintptr_t)to, .bytes = bytes);

	return ioctl(agent, AGENTMEM_IOC_READ, &args) < 0 ? -1 : (ssize_t)args.bytes;
}

int kit_append(int agent, uint64_t unit, const void *data, size_t bytes)
{
	struct agentmem_abi_edit args = SIZED(edit, .unit = unit, .data = (uintptr_t)data, .bytes = bytes);

	return ioctl(agent, AGENTMEM_IOC_APPEND, &args);
}

int kit_free(int agent, uint64_t unit)
{
	struct agentmem_abi_unit args = SIZED(unit, .unit = unit);

	return ioctl(agent, AGENTMEM_IOC_FREE, &args);
}

int kit_state(int agent, uint32_t state)
{
	struct agentmem_abi_value args = SIZED(value, .value = state);

	return ioctl(agent, AGENTMEM_IOC_STATE, &args);
}

struct agentmem_abi_unit_stat kit_stat(int agent, uint64_t unit)
{
	struct agentmem_abi_unit_stat args = SIZED(unit_stat, .unit = unit);

	GIVES(0, ioctl(agent, AGENTMEM_IOC_STAT_UNIT, &args));
	return args;
}

struct agentmem_abi_all_stat kit_all(int device)
{
	struct agentmem_abi_all_stat args = SIZED(all_stat);

	GIVES(0, ioctl(device, AGENTMEM_IOC_STAT_ALL, &args));
	return args;
}

bool kit_nothing_left(int device, struct agentmem_abi_all_stat *left)
{
	for (int wait = 0; wait < 1500; wait++) {
		*left = kit_all(device);
		if (!(left->agents | left->units | left->bytes | left->contents | left->content_bytes | left->hot_bytes | left->warm_bytes | left->cold_bytes))
			return true;
		usleep(20000);
	}
	return false;
}

uint32_t kit_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*seed >> 32);
}

void kit_noise(uint64_t seed, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)to)[i] = (uint8_t)(kit_random(&seed) >> 8);
}

void kit_text(uint64_t seed, char *to, size_t bytes)
{
	static const char *const words[] = { "memory ", "agent ", "read ", "the ", "file ", "of ", "tool ", "result ", "line ", "and ", "in ", "error ", "\n", "is ", "test ", "42 " };
	size_t at = 0;

	while (at < bytes) {
		const char *word = words[kit_random(&seed) % 16];
		size_t length = strlen(word);

		if (length > bytes - at)
			length = bytes - at;
		memcpy(to + at, word, length);
		at += length;
	}
}

void kit_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

size_t kit_stats(char *to, size_t most)
{
	int fd = open("/proc/agent_stats", O_RDONLY);
	size_t bytes = 0;
	ssize_t got;

	while (fd >= 0 && bytes < most - 1 && (got = read(fd, to + bytes, most - 1 - bytes)) > 0)
		bytes += (size_t)got;
	to[bytes] = 0;
	close(fd);
	return bytes;
}

uint64_t kit_figure(const char *text, const char *name)
{
	const char *at = text ? strstr(text, name) : NULL;

	CHECK(at != NULL);
	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

bool kit_as(unsigned uid, void (*run)(void *context), void *context)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		kit_failed = 0;
		if (uid && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(2);
		run(context);
		fflush(stdout);
		_exit(kit_failed ? 1 : 0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int kit_loop(int file, int flags)
{
	struct loop_config config = { .fd = (__u32)file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), number, plain, fd;
	char path[32];

	CHECK(control >= 0);
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	plain = open(path, O_RDWR | O_CLOEXEC);
	CHECK(number >= 0 && plain >= 0);
	GIVES(0, ioctl(plain, LOOP_CONFIGURE, &config));
	fd = open(path, O_RDWR | O_CLOEXEC | O_EXCL | flags);
	CHECK(fd >= 0);
	close(plain);
	return fd;
}
