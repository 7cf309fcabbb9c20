/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	units-chaos KILLS SEED
 *
 * Processes that use units while the broker and they themselves are killed at
 * random. What each unit must hold is known outside of all of them. The
 * environment says which broker, socket and store. Prints what it saw as
 * "name value" lines; exits 1 where a byte was wrong, a unit that was on disk
 * was lost, or something stayed behind.
 */
#include "units-chaos.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *chaos;
unsigned char *chaos_text;

uint64_t chaos_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void chaos_pause_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static pid_t start_client(unsigned number, uint64_t seed)
{
	pid_t pid = fork();

	if (pid == 0)
		chaos_client(number, seed | 1);
	return pid;
}

/* By what it was started with: the socket's own credentials are of the process that began to listen, which has gone to the background since. */
static pid_t broker_pid(void)
{
	const char *path = getenv("AGENTMEM_SOCKET");
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (folder != NULL && found == 0 && (entry = readdir(folder)) != NULL) {
		char name[300], line[4096];
		ssize_t length;
		int fd;

		snprintf(name, sizeof(name), "/proc/%s/cmdline", entry->d_name);
		fd = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? open(name, O_RDONLY | O_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		length = read(fd, line, sizeof(line));
		close(fd);
		if (length > 0 && memmem(line, (size_t)length, "agentmem-broker", 15) != NULL && memmem(line, (size_t)length, path, strlen(path)) != NULL)
			found = (pid_t)atoi(entry->d_name);
	}
	if (folder != NULL)
		closedir(folder);
	return found;
}

/* With everything freed nothing may be left of it. */
static unsigned ending(unsigned patience_s)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };
	unsigned left = 0;
	pid_t checker = fork();

	if (checker == 0)
		chaos_check_all();
	waitpid(checker, NULL, 0);
	/*
	 * What an agent held whose removal was cut short by a kill belongs to
	 * nobody; the broker frees it once it was unknown for ten minutes.
	 */
	for (unsigned turn = 0; turn < 2 * patience_s; turn++) {
		struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .flags = AGENTMEM_OBSERVER };
		agentmem_t *am;

		chaos_pause_ms(500);
		if (agentmem_open(&am, &options) != 0)
			continue;
		left = agentmem_stat(am, &stat) != 0 || stat.user_bytes + stat.user_hot_bytes + stat.user_warm_bytes + stat.user_cold_bytes != 0 ? 1 : 0;
		agentmem_close(am);
		if (left == 0)
			break;
	}
	printf("left_units %llu\nleft_hot_bytes %llu\nleft_warm_bytes %llu\nleft_cold_bytes %llu\n", (unsigned long long)stat.user_units, (unsigned long long)stat.user_hot_bytes,
	       (unsigned long long)stat.user_warm_bytes, (unsigned long long)stat.user_cold_bytes);
	return left;
}

int main(int count, char **words)
{
	unsigned kills = count == 3 ? (unsigned)atoi(words[1]) : 0;
	uint64_t state = count == 3 ? strtoull(words[2], NULL, 10) * 2654435761u + 1 : 1;
	pid_t pids[CLIENTS];
	uint64_t brokers = 0, clients = 0;
	uint64_t sums[9] = { 0 };
	unsigned left;

	if (kills == 0 || getenv("AGENTMEM_SOCKET") == NULL) {
		fprintf(stderr, "usage: AGENTMEM_SOCKET=PATH units-chaos KILLS SEED\n");
		return 2;
	}
	chaos = mmap(NULL, sizeof(*chaos), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	chaos_text = mmap(NULL, TEXT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (chaos == MAP_FAILED || chaos_text == MAP_FAILED)
		return 2;
	/* Words of a small vocabulary: compressible, and the same bytes are nowhere twice. */
	for (uint32_t i = 0; i < TEXT_BYTES; i++)
		chaos_text[i] = (unsigned char)(i % 7 == 6 ? ' ' : "etaoinshrdlucmfw"[(chaos_next(&state) >> 20) & (i % 3 == 0 ? 15 : 3)]);
	for (unsigned i = 0; i < CLIENTS; i++)
		pids[i] = start_client(i, chaos_next(&state));
	for (unsigned i = 0; i < kills; i++) {
		unsigned which = (unsigned)(chaos_next(&state) % 3);

		/* Now and then long enough for units to reach the disk. */
		chaos_pause_ms((unsigned)(i % 8 == 7 ? 1500 + chaos_next(&state) % 1500 : 5 + chaos_next(&state) % 90));
		if (which != 0) {
			pid_t broker = broker_pid();

			chaos->broker_kills++;
			if (broker > 0 && kill(broker, SIGKILL) == 0)
				brokers++;
		} else {
			unsigned client = (unsigned)(chaos_next(&state) % CLIENTS);

			kill(pids[client], SIGKILL);
			waitpid(pids[client], NULL, 0);
			clients++;
			pids[client] = start_client(client, chaos_next(&state));
		}
	}
	chaos->stop = true;
	for (unsigned i = 0; i < CLIENTS; i++)
		waitpid(pids[i], NULL, 0);
	left = ending(kills < 50 ? 30 : 800);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &chaos->clients[i];
		const uint64_t figures[9] = { client->operations, client->checked, client->seen_cold, client->stale, client->reset, client->attached_anew, client->wrong, client->lost, client->failed };

		for (unsigned j = 0; j < 9; j++)
			sums[j] += figures[j];
		if (client->problem[0] != '\0')
			printf("problem %s\n", client->problem);
	}
	printf("broker_kills %llu\nclient_kills %llu\n", (unsigned long long)brokers, (unsigned long long)clients);
	printf("operations %llu\nchecked %llu\nseen_cold %llu\nstale %llu\nreset %llu\nattached_anew %llu\nwrong %llu\nlost %llu\nfailed %llu\n", (unsigned long long)sums[0], (unsigned long long)sums[1], (unsigned long long)sums[2],
	       (unsigned long long)sums[3], (unsigned long long)sums[4], (unsigned long long)sums[5], (unsigned long long)sums[6], (unsigned long long)sums[7], (unsigned long long)sums[8]);
	return sums[6] + sums[7] + sums[8] + left == 0 ? 0 : 1;
}
