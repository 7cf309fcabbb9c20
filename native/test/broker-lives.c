/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"

/* The test gives 2000: whoever is on time has most of it, on a slow machine too. */
#define LONGER_THAN_GRACE_MS 3000

static void pause_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

static struct raw *looker(void)
{
	struct raw *raw = raw_connect();

	EQUAL(raw_hello(raw, "looker", "", NULL, 0, 1), 0);
	return raw;
}

/* NULL where it is not there. */
static const struct broker_agent_line *line_of(struct raw *raw, uint64_t agent)
{
	const struct broker_listed *listed = (const struct broker_listed *)raw->body;
	const struct broker_agent_line *line = (const struct broker_agent_line *)(listed + 1);

	EQUAL(raw_list(raw, 0, 0, agent - 1), 0);
	return listed->count > 0 && line->agent == agent ? line : NULL;
}

void play_tokens(void)
{
	struct raw *raw = raw_open("first", "apart"), *second = raw_connect(), *wrong = raw_connect();
	uint8_t token[16];
	uint64_t unit;

	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "of the agent", 12, &unit), 0);
	EQUAL(raw_hello(second, "second", "elsewhere", raw->welcome.token, 0, 0), 0);
	EQUAL(second->welcome.agent, raw->welcome.agent);
	EQUAL(raw_read(second, unit, 0, 100), 0);
	memcpy(token, raw->welcome.token, 16);
	token[15] ^= 1;
	EQUAL(raw_hello(wrong, "wrong", "", token, 0, 0), -EACCES);
	EQUAL(raw_call(wrong, BROKER_STAT, NULL, 0, NULL, 0, -1), -ENOTCONN);
	/* The same connection may still say better. */
	EQUAL(raw_hello(wrong, "right", "", raw->welcome.token, 0, 0), 0);
	raw_close(raw);
	EQUAL(raw_read(second, unit, 0, 100), 0);
	raw_close(second);
	EQUAL(raw_number(wrong, BROKER_FREE, unit, 0), 0);
	raw_close(wrong);
}

/* A process of its own; what it knows comes back through the pipe before it is killed. */
static pid_t run_agent(struct broker_welcome *welcome, uint64_t *unit)
{
	struct {
		struct broker_welcome welcome;
		uint64_t unit;
	} told;
	int pipes[2];
	pid_t child;

	CHECK(pipe(pipes) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct raw *raw = raw_open("to be killed", "");
		uint8_t *text = text_of(7, 100000);

		/* Where a check fails nobody else ends it, and whoever reads what was said waits for it too. */
		CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		told.welcome = raw->welcome;
		EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 100000, &told.unit), 0);
		EQUAL(raw_number(raw, BROKER_MAP, told.unit, 0), 0);
		CHECK(write(pipes[1], &told, sizeof(told)) == sizeof(told));
		for (;;)
			pause();
	}
	CHECK(read(pipes[0], &told, sizeof(told)) == sizeof(told));
	close(pipes[0]);
	close(pipes[1]);
	*welcome = told.welcome;
	*unit = told.unit;
	return child;
}

static void end_agent(pid_t child)
{
	kill(child, SIGKILL);
	EQUAL(waitpid(child, NULL, 0), child);
}

void play_death(void)
{
	struct raw *raw = looker(), *heir;
	struct broker_welcome welcome;
	const struct broker_agent_line *line;
	uint64_t unit;
	pid_t child = run_agent(&welcome, &unit);

	line = line_of(raw, welcome.agent);
	CHECK(line != NULL && line->pid == (uint32_t)child && line->units == 1 && line->state == AGENTMEM_ACTIVE);
	end_agent(child);
	/* Within its grace: somebody may come with the token. */
	while ((line = line_of(raw, welcome.agent)) != NULL && line->state != AGENTMEM_GONE)
		pause_ms(5);
	CHECK(line != NULL && line->units == 1 && line->processes == 0);
	heir = raw_connect();
	EQUAL(raw_hello(heir, "heir", "", welcome.token, 0, 0), 0);
	EQUAL(raw_read(heir, unit, 0, 10), 0);
	pause_ms(LONGER_THAN_GRACE_MS);
	EQUAL(raw_read(heir, unit, 0, 10), 0);
	line = line_of(raw, welcome.agent);
	CHECK(line != NULL && line->state == AGENTMEM_ACTIVE && line->processes == 1);
	/* Behind it everything is freed, and the token is nobody's. */
	child = run_agent(&welcome, &unit);
	end_agent(child);
	while (line_of(raw, welcome.agent) != NULL)
		pause_ms(20);
	raw_close(heir);
	heir = raw_connect();
	EQUAL(raw_hello(heir, "late", "", welcome.token, 0, 0), -EACCES);
	raw_close(heir);
	raw_close(raw);
}

/* A child that never opened anything, but has the connection, stands for its dead parent. */
void play_forked(void)
{
	struct raw *raw = looker();
	struct broker_welcome welcome;
	int told[2], end[2];
	pid_t parent;

	CHECK(pipe(told) == 0 && pipe(end) == 0);
	parent = fork();
	if (parent == 0) {
		struct raw *own = raw_open("goes into the background", "");
		uint64_t unit;
		char byte;

		EQUAL(raw_alloc(own, AGENTMEM_OTHER, "kept", 4, &unit), 0);
		CHECK(write(told[1], &own->welcome, sizeof(own->welcome)) == sizeof(own->welcome));
		if (fork() != 0)
			_exit(0);
		close(end[1]);
		close(told[1]);
		(void)!read(end[0], &byte, 1);
		_exit(0);
	}
	close(end[0]);
	close(told[1]);
	CHECK(read(told[0], &welcome, sizeof(welcome)) == sizeof(welcome));
	EQUAL(waitpid(parent, NULL, 0), parent);
	pause_ms(LONGER_THAN_GRACE_MS);
	CHECK(line_of(raw, welcome.agent) != NULL && line_of(raw, welcome.agent)->units == 1);
	close(end[1]);
	while (line_of(raw, welcome.agent) != NULL)
		pause_ms(20);
	raw_close(raw);
}

/* Closing is no end: the process is still there. */
void play_closed(void)
{
	struct raw *raw = looker(), *own = raw_open("closes", "");
	struct broker_welcome welcome = own->welcome;
	uint64_t unit;

	EQUAL(raw_alloc(own, AGENTMEM_OTHER, "kept", 4, &unit), 0);
	EQUAL(raw_number(own, BROKER_MAP, unit, 0), 0);
	raw_close(own);
	pause_ms(LONGER_THAN_GRACE_MS);
	CHECK(line_of(raw, welcome.agent) != NULL);
	own = raw_connect();
	EQUAL(raw_hello(own, "again", "", welcome.token, 0, 0), 0);
	/* What a process mapped it unmaps over any of its connections. */
	EQUAL(raw_number(own, BROKER_UNMAP, unit, 0), 0);
	EQUAL(raw_number(own, BROKER_FREE, unit, 0), 0);
	raw_close(own);
	raw_close(raw);
}

void play_gone(void)
{
	struct raw *raw = raw_open("says goodbye", ""), *second = raw_connect(), *other = raw_connect();
	uint64_t unit;

	EQUAL(raw_hello(second, "second", "", raw->welcome.token, 0, 0), 0);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "freed", 5, &unit), 0);
	EQUAL(raw_number(raw, BROKER_STATE, 0, AGENTMEM_GONE), 0);
	EQUAL(raw_read(raw, unit, 0, 5), -ENOENT);
	EQUAL(raw_read(second, unit, 0, 5), -ENOENT);
	EQUAL(raw_stat(second)->user_units, 0);
	EQUAL(raw_hello(other, "late", "", raw->welcome.token, 0, 0), -EACCES);
	raw_close(raw);
	raw_close(second);
	raw_close(other);
}

enum { ROUNDS = 150 };
static uint64_t raced[2][ROUNDS];
static pthread_barrier_t barrier;

static void *race_one(void *which)
{
	struct raw *raw = raw_open("racer", "");
	uint64_t *units = raced[(uintptr_t)which];

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t *text = text_of(1000 + i, 50000);

		pthread_barrier_wait(&barrier);
		EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 50000, &units[i]), 0);
		pthread_barrier_wait(&barrier);
		if (i % 3 == 0)
			EQUAL(raw_number(raw, BROKER_FREE, units[i], 0), 0);
		EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 50000, &units[i]), 0);
		EQUAL(raw_read(raw, units[i], 49000, 1000), 0);
		CHECK(memcmp(raw->body + sizeof(struct broker_bytes), text + 49000, 1000) == 0);
		free(text);
	}
	/* Still in use until both have compared. */
	pthread_barrier_wait(&barrier);
	return raw;
}

void play_race(void)
{
	pthread_t thread;
	void *one, *two;

	CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
	CHECK(pthread_create(&thread, NULL, race_one, (void *)0) == 0);
	two = race_one((void *)1);
	CHECK(pthread_join(thread, &one) == 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		EQUAL(raced[0][i], raced[1][i]);
	EQUAL(raw_stat(two)->user_units, ROUNDS);
	EQUAL(raw_stat(one)->shared_bytes, ROUNDS * 50000);
	raw_close(one);
	raw_close(two);
}

/* Two parts, with an end of the broker between them. The token goes through a file beside the socket. */
static void token_path(char *path, size_t room)
{
	snprintf(path, room, "%s.token", socket_path);
}

void play_remember(void)
{
	struct raw *raw = raw_open("remembered", "apart");
	char path[200];
	FILE *file;
	uint64_t unit;

	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "x", 1, &unit), 0);
	EQUAL(raw_number(raw, BROKER_IMPORTANCE, 0, 77), 0);
	token_path(path, sizeof(path));
	file = fopen(path, "wb");
	CHECK(file != NULL && fwrite(&raw->welcome, sizeof(raw->welcome), 1, file) == 1 && fclose(file) == 0);
	raw_close(raw);
}

void play_return(void)
{
	struct raw *raw = raw_connect(), *look = looker();
	struct broker_welcome before;
	const struct broker_agent_line *line;
	char path[200];
	FILE *file;

	token_path(path, sizeof(path));
	file = fopen(path, "rb");
	CHECK(file != NULL && fread(&before, sizeof(before), 1, file) == 1 && fclose(file) == 0);
	CHECK(look->welcome.broker != before.broker);
	line = line_of(look, before.agent);
	CHECK(line != NULL && line->state == AGENTMEM_GONE && line->importance == 77 && strcmp(line->name, "remembered") == 0 && strcmp(line->domain, "apart") == 0);
	EQUAL(raw_hello(raw, "back", "", before.token, 0, 0), 0);
	EQUAL(raw->welcome.agent, before.agent);
	CHECK(memcmp(raw->welcome.token, before.token, 16) == 0);
	raw_close(raw);
	raw_close(look);
}
