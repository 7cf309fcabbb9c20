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
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agentmem.h"

#define CLIENTS 4
#define UNITS 40
#define BUSY_UNITS 10
#define TEXT_BYTES (8u << 20)
#define UNIT_MOST_BYTES (600u << 10)

enum doing { NOTHING, APPENDING };

/* Lives in memory shared by all, so that it outlives the process that writes it. */
struct held {
	agentmem_unit_t unit;	/* 0: none */
	uint32_t from;		/* its content is the text from here on */
	uint32_t bytes;
	uint32_t may_be_bytes;	/* while APPENDING: either of the two */
	enum doing doing;
	bool grows;
	bool on_disk;		/* seen cold: it must outlive the broker */
	bool renumbered;	/* may have been handed in again by the process that had it mapped: only that one knows its number now */
};

struct client {
	uint8_t token[AGENTMEM_TOKEN_BYTES];
	bool has_token;
	struct held units[UNITS];
	/* Raised by one process at a time. */
	uint64_t operations, stale, reset, attached_anew, checked, seen_cold;
	uint64_t wrong, lost, failed;
	char problem[200];
};

struct shared {
	volatile bool stop;
	volatile unsigned broker_kills;	/* raised before each */
	struct client clients[CLIENTS];
};

static struct shared *shared;
static unsigned char *text;

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void pause_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static void problem(struct client *client, uint64_t *count, const char *what, const struct held *held, long result)
{
	(*count)++;
	if (client->problem[0] == '\0')
		snprintf(client->problem, sizeof(client->problem), "%s: unit %llx, %u bytes%s%s, result %ld (%s)", what, (unsigned long long)held->unit, held->bytes,
			 held->grows ? ", grows" : "", held->on_disk ? ", on disk" : "", result, result < 0 ? agentmem_error_text((int)result) : "");
}

/* A unit that the broker took with it. */
static void gone(struct client *client, struct held *held, long error)
{
	if (held->on_disk)
		problem(client, &client->lost, "a unit on disk is lost", held, error);
	client->stale++;
	memset(held, 0, sizeof(*held));
}

/* What may come where a broker dies; anything else is a defect. */
static bool is_clear(long error)
{
	return error == -ESTALE || error == -ENOENT || error == -ECONNRESET || error == -ENODEV || error == -ETIMEDOUT;
}

static void failed(struct client *client, struct held *held, const char *what, long error)
{
	if (error == -ESTALE || error == -ENOENT)
		gone(client, held, error);
	else if (is_clear(error))
		client->reset++;
	else
		problem(client, &client->failed, what, held, error);
}

static void check(struct client *client, agentmem_t *am, struct held *held, unsigned char *room)
{
	ssize_t got = agentmem_read(am, held->unit, 0, room, UNIT_MOST_BYTES + 1);

	client->checked++;
	if (got < 0) {
		failed(client, held, "read", got);
		return;
	}
	if ((size_t)got != held->bytes && !(held->doing == APPENDING && (size_t)got == held->may_be_bytes))
		problem(client, &client->wrong, "a length is wrong", held, (long)got);
	else if (memcmp(room, text + held->from, (size_t)got) != 0)
		problem(client, &client->wrong, "bytes are wrong", held, (long)got);
	held->bytes = (uint32_t)got;
	held->doing = NOTHING;
}

static void add(struct client *client, agentmem_t *am, struct held *held, uint64_t *state)
{
	struct held fresh = { .grows = next(state) % 2 == 0 };
	int error;

	fresh.from = (uint32_t)(next(state) % (TEXT_BYTES - UNIT_MOST_BYTES));
	fresh.bytes = (uint32_t)(next(state) % 8 == 0 ? 300000 + next(state) % 200000 : 1 + next(state) % 9000);
	error = agentmem_alloc(am, fresh.grows ? AGENTMEM_CONVERSATION : AGENTMEM_TOOL_RESULT, text + fresh.from, fresh.bytes, &fresh.unit);
	if (error == 0)
		*held = fresh;
	else
		failed(client, &fresh, "alloc", error);
}

static void append(struct client *client, agentmem_t *am, struct held *held, uint64_t *state)
{
	uint32_t more = (uint32_t)(1 + next(state) % 20000);
	int error;

	if (held->bytes + more > UNIT_MOST_BYTES)
		return;
	held->on_disk = false;
	held->may_be_bytes = held->bytes + more;
	held->doing = APPENDING;
	error = agentmem_append(am, held->unit, text + held->from + held->bytes, more);
	if (error == 0) {
		held->bytes = held->may_be_bytes;
		held->doing = NOTHING;
		return;
	}
	failed(client, held, "append", error);
}

static void map(struct client *client, agentmem_t *am, struct held *held)
{
	const void *data;
	size_t bytes;
	unsigned kills = shared->broker_kills;
	bool renumbered = held->renumbered;
	int error;

	held->renumbered = true;
	error = agentmem_map(am, held->unit, &data, &bytes);

	if (error != 0) {
		failed(client, held, "map", error);
		return;
	}
	if (bytes != held->bytes || memcmp(data, text + held->from, bytes) != 0)
		problem(client, &client->wrong, "mapped bytes are wrong", held, (long)bytes);
	error = agentmem_unmap(am, data);
	if (error != 0)
		problem(client, &client->failed, "unmap", held, error);
	if (kills == shared->broker_kills)
		held->renumbered = renumbered;
}

static void look_at_tier(struct client *client, agentmem_t *am, struct held *held)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	int error = agentmem_stat_unit(am, held->unit, &stat);

	if (error != 0) {
		failed(client, held, "stat", error);
		return;
	}
	held->on_disk = !held->renumbered && stat.tier == AGENTMEM_COLD && stat.cold_bytes == stat.bytes && stat.bytes > 0;
	client->seen_cold += held->on_disk;
}

static void step(struct client *client, agentmem_t *am, uint64_t *state, unsigned char *room)
{
	/* A few are used all the time; the others are left alone, so that they grow old. */
	bool busy = next(state) % 100 < 80;
	struct held *held = &client->units[busy ? next(state) % BUSY_UNITS : next(state) % UNITS];
	unsigned what = (unsigned)(next(state) % 100);

	client->operations++;
	if (held->unit == 0) {
		add(client, am, held, state);
	} else if (held->doing == APPENDING) {
		check(client, am, held, room);
	} else if (held >= client->units + BUSY_UNITS && what < 97) {
		look_at_tier(client, am, held);
	} else if (what < 30) {
		check(client, am, held, room);
	} else if (what < 45 && held->grows) {
		append(client, am, held, state);
	} else if (what < 60) {
		map(client, am, held);
	} else if (what < 95) {
		look_at_tier(client, am, held);
	} else {
		int error;

		/* Killed in the middle of it, it may be gone. */
		held->on_disk = false;
		error = agentmem_free(am, held->unit);
		if (error != 0)
			failed(client, held, "free", error);
		else
			memset(held, 0, sizeof(*held));
	}
}

static agentmem_t *open_client(struct client *client)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = "chaos", .token = client->has_token ? client->token : NULL };
	struct agentmem_stat stat = { .size = sizeof(stat) };
	agentmem_t *am;

	for (unsigned turn = 0; turn < 200; turn++) {
		int error = agentmem_open(&am, &options);

		if (error == 0 && !client->has_token) {
			error = agentmem_stat(am, &stat);
			if (error == 0) {
				memcpy(client->token, stat.token, sizeof(client->token));
				client->has_token = true;
			} else {
				agentmem_close(am);
			}
		}
		if (error == 0)
			return am;
		if (error == -EACCES) {
			/* The broker that knew it is gone, and nothing of it was on disk. */
			for (unsigned i = 0; i < UNITS; i++)
				if (client->units[i].unit != 0)
					gone(client, &client->units[i], error);
			client->has_token = false;
			options.token = NULL;
			client->attached_anew++;
		}
		pause_ms(20);
	}
	snprintf(client->problem, sizeof(client->problem), "no broker could be reached");
	client->failed++;
	_exit(1);
}

static void be_client(unsigned number, uint64_t seed)
{
	struct client *client = &shared->clients[number];
	unsigned char *room = malloc(UNIT_MOST_BYTES + 1);
	agentmem_t *am = open_client(client);
	uint64_t state = seed;

	while (!shared->stop)
		step(client, am, &state, room);
	agentmem_close(am);
	_exit(0);
}

static pid_t start_client(unsigned number, uint64_t seed)
{
	pid_t pid = fork();

	if (pid == 0)
		be_client(number, seed | 1);
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

/* In a process of its own: an agent lives as long as one that was it. */
static void check_all(void)
{
	unsigned char *room = malloc(UNIT_MOST_BYTES + 1);

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &shared->clients[i];
		agentmem_t *am = open_client(client);

		for (unsigned j = 0; j < UNITS; j++)
			if (client->units[j].unit != 0)
				check(client, am, &client->units[j], room);
		/* What it holds goes with it, also what a process that was killed in the middle handed in. */
		agentmem_close(am);
	}
	_exit(0);
}

/* With everything freed nothing may be left of it. */
static unsigned ending(unsigned patience_s)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };
	unsigned left = 0;
	pid_t checker = fork();

	if (checker == 0)
		check_all();
	waitpid(checker, NULL, 0);
	/*
	 * What an agent held whose removal was cut short by a kill belongs to
	 * nobody; the broker frees it once it was unknown for ten minutes.
	 */
	for (unsigned turn = 0; turn < 2 * patience_s; turn++) {
		struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .flags = AGENTMEM_OBSERVER };
		agentmem_t *am;

		pause_ms(500);
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
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	text = mmap(NULL, TEXT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || text == MAP_FAILED)
		return 2;
	/* Words of a small vocabulary: compressible, and the same bytes are nowhere twice. */
	for (uint32_t i = 0; i < TEXT_BYTES; i++)
		text[i] = (unsigned char)(i % 7 == 6 ? ' ' : "etaoinshrdlucmfw"[(next(&state) >> 20) & (i % 3 == 0 ? 15 : 3)]);
	for (unsigned i = 0; i < CLIENTS; i++)
		pids[i] = start_client(i, next(&state));
	for (unsigned i = 0; i < kills; i++) {
		unsigned which = (unsigned)(next(&state) % 3);

		/* Now and then long enough for units to reach the disk. */
		pause_ms((unsigned)(i % 8 == 7 ? 1500 + next(&state) % 1500 : 5 + next(&state) % 90));
		if (which != 0) {
			pid_t broker = broker_pid();

			shared->broker_kills++;
			if (broker > 0 && kill(broker, SIGKILL) == 0)
				brokers++;
		} else {
			unsigned client = (unsigned)(next(&state) % CLIENTS);

			kill(pids[client], SIGKILL);
			waitpid(pids[client], NULL, 0);
			clients++;
			pids[client] = start_client(client, next(&state));
		}
	}
	shared->stop = true;
	for (unsigned i = 0; i < CLIENTS; i++)
		waitpid(pids[i], NULL, 0);
	left = ending(kills < 50 ? 30 : 800);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &shared->clients[i];
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
