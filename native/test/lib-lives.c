/* SPDX-License-Identifier: Apache-2.0 */
/* Agents and brokers that come, go, hang or are missing. */
#include "lib-kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

void test_tokens(void)
{
	struct agentmem_stat stat = { .size = sizeof(stat) }, other = { .size = sizeof(other) };
	struct agentmem_options wrong = { .size = sizeof(wrong), .backend = kit_backend, .token = (const uint8_t *)"0123456789abcdef" };
	agentmem_t *am = kit_open(), *second, *none;
	agentmem_unit_t unit;
	char byte;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	GIVES(0, agentmem_stat(am, &stat));
	GIVES(-EACCES, agentmem_open(&none, &wrong));
	CHECK(none == NULL);
	wrong.backend = AGENTMEM_AUTO;
	if (kit_backend != AGENTMEM_PRIVATE) {
		GIVES(-EACCES, agentmem_open(&none, &wrong));
		second = kit_open_with((struct agentmem_options){ .token = stat.token });
		GIVES(0, agentmem_stat(second, &other));
		CHECK(other.agent == stat.agent && memcmp(other.token, stat.token, sizeof(stat.token)) == 0);
		GIVES(1, agentmem_read(second, unit, 0, &byte, 1));
		agentmem_close(am);
		GIVES(1, agentmem_read(second, unit, 0, &byte, 1));
		agentmem_close(second);
		return;
	}
	agentmem_close(am);
}

/* Which backend AUTO takes, and what flags do. */
void test_choice(void)
{
	struct agentmem_options options = { .size = sizeof(options) };
	struct agentmem_stat stat = { .size = sizeof(stat) };
	char *program = strdup(getenv("AGENTMEM_BROKER"));
	agentmem_unit_t unit;
	agentmem_t *am;

	options.flags = AGENTMEM_NO_START;
	GIVES(0, agentmem_open(&am, &options));
	GIVES(AGENTMEM_PRIVATE, agentmem_backend(am));
	agentmem_close(am);
	options.flags |= AGENTMEM_OBSERVER;
	GIVES(-ENODEV, agentmem_open(&am, &options));
	options.flags = AGENTMEM_NO_START;
	options.backend = AGENTMEM_BROKER;
	GIVES(-ENODEV, agentmem_open(&am, &options));
	CHECK(kit_broker() == 0);
	/* A program that cannot be started, and one that is none. */
	options.flags = 0;
	for (unsigned i = 0; i < 2; i++) {
		setenv("AGENTMEM_BROKER", i == 0 ? "/no/such/program" : "/etc/passwd", 1);
		options.backend = AGENTMEM_BROKER;
		GIVES(-ENODEV, agentmem_open(&am, &options));
		options.backend = AGENTMEM_AUTO;
		GIVES(0, agentmem_open(&am, &options));
		GIVES(AGENTMEM_PRIVATE, agentmem_backend(am));
		agentmem_close(am);
	}
	setenv("AGENTMEM_BROKER", program, 1);
	GIVES(0, agentmem_open(&am, NULL));
	GIVES(AGENTMEM_BROKER, agentmem_backend(am));
	CHECK(kit_broker() != 0);
	/* It is nobody's child: there is nothing to wait for. */
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	agentmem_close(am);
	options.flags = AGENTMEM_OBSERVER | AGENTMEM_NO_START;
	GIVES(0, agentmem_open(&am, &options));
	GIVES(0, agentmem_stat(am, &stat));
	GIVES(-ENOENT, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	GIVES(-ENOENT, agentmem_read(am, 1, 0, &unit, 1));
	GIVES(-ENOENT, agentmem_set_state(am, AGENTMEM_IDLE));
	agentmem_close(am);
	free(program);
}

/* What lies in the cold store is found again by who has the token. */
void test_cold(void)
{
	agentmem_t *am = kit_open();
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	uint8_t *data = kit_bytes(1, 2000000), *buffer = malloc(2000000);
	struct agentmem_settings settings = { .size = sizeof(settings), .warm_after_ms = 1, .cold_after_ms = 1 };
	agentmem_unit_t unit, talk;
	uint64_t unit_cold_bytes;

	GIVES(0, agentmem_settings(am, &settings));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 2000000, &unit));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 700000, &talk));
	GIVES(0, agentmem_set_state(am, AGENTMEM_SUSPENDED));
	for (unsigned i = 0; i < 2000 && stat.cold_bytes < 2000000; i++) {
		usleep(10000);
		GIVES(0, agentmem_stat_unit(am, unit, &stat));
	}
	unit_cold_bytes = stat.cold_bytes;
	for (unsigned i = 0; i < 2000 && (stat.unit != talk || stat.cold_bytes < 700000); i++) {
		usleep(10000);
		GIVES(0, agentmem_stat_unit(am, talk, &stat));
	}
	/* The broker in use has no cold store: one that has takes both, and whole. */
	if (unit_cold_bytes == 0 && stat.cold_bytes == 0)
		_exit(77);
	CHECK(unit_cold_bytes >= 2000000 && stat.cold_bytes >= 700000);
	/* Who holds it is written down within a second or so, later where the machine is busy. */
	usleep(6000000);
	kit_kill_broker();
	GIVES(2000000, agentmem_read(am, unit, 0, buffer, 2000000));
	CHECK(kit_are(buffer, 2000000, 1));
	GIVES(700000, agentmem_read(am, talk, 0, buffer, 2000000));
	CHECK(memcmp(buffer, data, 700000) == 0);
	GIVES(0, agentmem_append(am, talk, "x", 1));
	GIVES(0, agentmem_free(am, talk));
	GIVES(0, agentmem_free(am, unit));
	free(buffer);
	free(data);
	agentmem_close(am);
}

void test_frozen(void)
{
	agentmem_t *am;
	agentmem_unit_t unit;
	pid_t broker;
	char byte;

	setenv("AGENTMEM_TIMEOUT_MS", "2000", 1);
	am = kit_open();
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	broker = kit_broker();
	CHECK(broker != 0 && kill(broker, SIGSTOP) == 0);
	GIVES(-ETIMEDOUT, agentmem_read(am, unit, 0, &byte, 1));
	CHECK(kill(broker, SIGCONT) == 0);
	/* Slow machines may need more than one try. */
	for (unsigned i = 0; i < 20; i++) {
		if (agentmem_read(am, unit, 0, &byte, 1) == 1)
			break;
	}
	GIVES(1, agentmem_read(am, unit, 0, &byte, 1));
	CHECK(byte == 'x');
	agentmem_close(am);
}

static void *read_one(void *context)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };

	GIVES(0, agentmem_stat(context, &stat));
	pthread_testcancel();
	return context;
}

/* In the middle of a call nobody is cancelled: others wait for what that thread receives. */
void test_cancelled(void)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };
	agentmem_t *am;
	pthread_t thread;
	void *result;
	pid_t broker;

	setenv("AGENTMEM_TIMEOUT_MS", "20000", 1);
	am = kit_open();
	GIVES(0, agentmem_stat(am, &stat));
	broker = kit_broker();
	CHECK(broker != 0 && kill(broker, SIGSTOP) == 0);
	CHECK(pthread_create(&thread, NULL, read_one, am) == 0);
	usleep(100000);
	CHECK(pthread_cancel(thread) == 0);
	usleep(20000);
	CHECK(kill(broker, SIGCONT) == 0);
	CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
	GIVES(0, agentmem_stat(am, &stat));
	agentmem_close(am);
}

/* A child that lives on does not keep its parent's connection: seen by the broker's list of agents. */
void test_child_ends(void)
{
	struct agentmem_agent_line lines[8];
	agentmem_t *am = kit_open();
	agentmem_unit_t unit;
	int ends[2];
	pid_t child;
	char byte;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		/* Uses what it got, after its parent has closed it. */
		CHECK(read(ends[0], &byte, 1) == 1);
		GIVES(1, agentmem_read(am, unit, 0, &byte, 1));
		GIVES(1, agentmem_agents(am, 0, lines, 8));
		CHECK(lines[0].units == 1);
		agentmem_close(am);
		_exit(0);
	}
	agentmem_close(am);
	CHECK(write(ends[1], "x", 1) == 1);
	int status;
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
