/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	kmod calls ROUNDS | kmod map ROUNDS
 *	kmod talks DISK CONVERSATIONS BYTES | kmod hundred DISK AGENTS CONVERSATIONS BYTES
 *	kmod evict DISK units|lru | kmod cold DISK
 *
 * DISK was written by kmod-corpus. Figures that are put beside each other are
 * taken in turns in one run.
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

int kmod_agent(void)
{
	struct agentmem_abi_register args = ABI(register, .name = "bench");
	int fd = open("/dev/agentmem", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, AGENTMEM_IOC_REGISTER, &args) != 0)
		bench_fail("/dev/agentmem");
	return fd;
}

struct agentmem_abi_all_stat kmod_all(void)
{
	struct agentmem_abi_all_stat args = ABI(all_stat);
	int fd = open("/dev/agentmem", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, AGENTMEM_IOC_STAT_ALL, &args) != 0)
		bench_fail("/dev/agentmem");
	close(fd);
	return args;
}

agentmem_t *kmod_open(const char *name)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_MODULE, .name = name };
	agentmem_t *am;

	bench_must(agentmem_open(&am, &options), "open");
	return am;
}

void *kmod_room(size_t bytes)
{
	void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (room == MAP_FAILED)
		bench_fail("out of memory");
	return room;
}

void kmod_disk(const char *disk, uint64_t at, void *to, size_t bytes)
{
	int fd = open(disk, O_RDONLY | O_DIRECT | O_CLOEXEC);

	bytes = (bytes + PAGE - 1) / PAGE * PAGE;
	while (fd >= 0 && bytes > 0) {
		ssize_t got = pread(fd, to, bytes, (off_t)at);

		if (got <= 0)
			bench_fail("the disk ends");
		to = (char *)to + got;
		at += (uint64_t)got;
		bytes -= (size_t)got;
	}
	if (fd < 0)
		bench_fail("there is no disk");
	close(fd);
}

void kmod_write(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, word, strlen(word)) != (ssize_t)strlen(word))
		bench_fail(path);
	close(fd);
}

int main(int count, char **words)
{
	if (count == 3 && strcmp(words[1], "calls") == 0)
		kmod_calls((unsigned)atoi(words[2]));
	else if (count == 3 && strcmp(words[1], "map") == 0)
		kmod_map((unsigned)atoi(words[2]));
	else if (count == 5 && strcmp(words[1], "talks") == 0)
		kmod_talks(words[2], (unsigned)atoi(words[3]), strtoull(words[4], NULL, 10));
	else if (count == 6 && strcmp(words[1], "hundred") == 0)
		kmod_hundred(words[2], (unsigned)atoi(words[3]), (unsigned)atoi(words[4]), strtoull(words[5], NULL, 10));
	else if (count == 4 && strcmp(words[1], "evict") == 0)
		kmod_evict(words[2], words[3]);
	else if (count == 3 && strcmp(words[1], "cold") == 0)
		kmod_cold(words[2]);
	else
		bench_fail("usage: see the top of kmod.c");
	return 0;
}
