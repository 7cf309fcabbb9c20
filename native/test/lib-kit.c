/* SPDX-License-Identifier: Apache-2.0 */
#include "lib-kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

int kit_backend;

void kit_failed(void)
{
	kit_kill_broker();
	_exit(1);
}

agentmem_t *kit_open_with(struct agentmem_options options)
{
	agentmem_t *am;

	options.size = sizeof(options);
	options.backend = kit_backend;
	GIVES(0, agentmem_open(&am, &options));
	GIVES(kit_backend, agentmem_backend(am));
	return am;
}

agentmem_t *kit_open(void)
{
	return kit_open_with((struct agentmem_options){ .name = "test" });
}

uint64_t kit_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

uint8_t *kit_bytes(uint64_t seed, size_t bytes)
{
	uint8_t *data = malloc(bytes + 8);
	uint64_t state = seed * 2654435761u + 88172645463325252u;

	CHECK(data != NULL);
	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = kit_random(&state);

		memcpy(data + i, &word, sizeof(word));
	}
	return data;
}

bool kit_are(const void *data, size_t bytes, uint64_t seed)
{
	uint8_t *expected = kit_bytes(seed, bytes);
	bool same = memcmp(data, expected, bytes) == 0;

	free(expected);
	return same;
}

bool kit_sets(void)
{
	return kit_backend != AGENTMEM_MODULE || geteuid() == 0;
}

/* By its command line: it is nobody's child. */
static bool is_broker(const char *pid)
{
	char path[300], line[4096];
	const char *socket = getenv("AGENTMEM_SOCKET");
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bytes = read(fd, line, sizeof(line) - 1);
	close(fd);
	if (bytes <= 0 || socket == NULL)
		return false;
	line[bytes] = '\0';
	if (strstr(line, "agentmem-broker") == NULL)
		return false;
	for (ssize_t i = 0; i < bytes; i += (ssize_t)strlen(line + i) + 1) {
		if (strcmp(line + i, socket) == 0)
			return true;
	}
	return false;
}

pid_t kit_broker(void)
{
	DIR *folder = opendir("/proc");
	pid_t found = 0;

	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL && found == 0;) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_broker(entry->d_name))
			found = (pid_t)atoi(entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return found;
}

void kit_kill_broker(void)
{
	for (pid_t pid; (pid = kit_broker()) != 0;) {
		kill(pid, SIGCONT);
		kill(pid, SIGKILL);
		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
	}
}

unsigned kit_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	CHECK(folder != NULL);
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

int kit_memfd(const void *data, size_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	CHECK(write(fd, data, bytes) == (ssize_t)bytes);
	CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}
