/* SPDX-License-Identifier: Apache-2.0 */
/* More clients, or fewer descriptors, than there is room for; and clients that are killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"

#define SIZE 300000u

/* More connections than there is room for, of which nobody says who he is: agents get in all the same. */
void play_crowd(void)
{
	enum { CROWD = 4200 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct rlimit limit;
	struct raw *raw;
	int *sockets = calloc(CROWD, sizeof(*sockets));
	uint64_t unit;

	CHECK(sockets != NULL && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	strncpy(address.sun_path, socket_path, sizeof(address.sun_path) - 1);
	for (unsigned i = 0; i < CROWD; i++) {
		sockets[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		CHECK(sockets[i] >= 0 && connect(sockets[i], (const struct sockaddr *)&address, sizeof(address)) == 0);
	}
	raw = raw_open("comes late", "");
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "x", 1, &unit), 0);
	for (unsigned i = 0; i < CROWD; i++)
		close(sockets[i]);
	EQUAL(raw_read(raw, unit, 0, 1), 0);
	raw_close(raw);
	free(sockets);
}

void play_many(void)
{
	enum { CLIENTS = 200 };
	struct raw *clients[CLIENTS];
	uint64_t units[CLIENTS];

	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = raw_open("one of many", "");
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			uint8_t *text = text_of(round * 10 + i / 100, 20000);

			EQUAL(raw_alloc(clients[i], AGENTMEM_TOOL_DEFINITION, text, 20000, &units[i]), 0);
			EQUAL(raw_unit(clients[i])->known, i % 100 != 0);
			free(text);
		}
		for (unsigned i = 0; i < CLIENTS; i++) {
			EQUAL(raw_number(clients[i], BROKER_MAP, units[i], 0), 0);
			EQUAL(raw_number(clients[i], BROKER_UNMAP, units[i], 0), 0);
		}
	}
	EQUAL(raw_stat(clients[0])->user_units, 10);
	EQUAL(raw_stat(clients[0])->shared_bytes, 5 * 20000);
	for (unsigned i = 0; i < CLIENTS; i++)
		raw_close(clients[i]);
}

/* Processes killed in the middle of whatever they do; the broker forgets all of it. */
void play_killed(void)
{
	struct raw *raw = raw_connect();

	EQUAL(raw_hello(raw, "looker", "", NULL, 0, 1), 0);
	for (unsigned i = 0; i < 20; i++) {
		pid_t child = fork();

		CHECK(child >= 0);
		if (child == 0) {
			struct raw *own = raw_open("killed", "");

			for (uint64_t round = 0;; round++) {
				uint8_t *text = text_of(round + i * 1000, SIZE);
				int memfd = memfd_of(text, SIZE, ALL_SEALS);
				uint64_t unit;

				EQUAL(raw_alloc_fd(own, AGENTMEM_OTHER, memfd, SIZE, &unit), 0);
				EQUAL(raw_number(own, BROKER_MAP, unit, 0), 0);
				close(memfd);
				free(text);
			}
		}
		nanosleep(&(struct timespec){ .tv_nsec = (long)(i * 977 % 20) * 1000000 }, NULL);
		kill(child, SIGKILL);
		EQUAL(waitpid(child, NULL, 0), child);
	}
	for (unsigned tries = 0; raw_stat(raw)->user_agents > 0 && tries < 1000; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	EQUAL(raw_stat(raw)->user_agents, 0);
	EQUAL(raw_stat(raw)->user_units, 0);
	EQUAL(raw_stat(raw)->user_hot_bytes, 0);
	raw_close(raw);
}

/* The broker may have few descriptors (its limit is set outside). */
void play_shortage(void)
{
	struct raw *first = raw_open("first", ""), *clients[200];
	unsigned opened = 0;
	uint64_t unit, kept;
	uint8_t *text = text_of(3, SIZE);
	int memfd = memfd_of(text, SIZE, ALL_SEALS), error;

	EQUAL(raw_alloc_fd(first, AGENTMEM_OTHER, memfd, SIZE, &kept), 0);
	EQUAL(raw_number(first, BROKER_MAP, kept, 0), 0);
	for (error = 0; opened < 200 && error == 0; opened += error == 0) {
		clients[opened] = raw_connect();
		error = raw_hello(clients[opened], "one too many", "", NULL, 0, 0);
		if (error != 0) {
			CHECK(error == -ENFILE || error == -EPIPE || error == -ECONNRESET);
			raw_close(clients[opened]);
		}
	}
	CHECK(opened > 3 && opened < 100);
	/* Neither taken in nor lost: said. */
	close(memfd);
	memfd = memfd_of(text + 1, SIZE - 1, ALL_SEALS);
	EQUAL(raw_alloc_fd(first, AGENTMEM_OTHER, memfd, SIZE - 1, &unit), -ENFILE);
	EQUAL(raw_alloc(first, AGENTMEM_OTHER, "small", 5, &unit), 0);
	EQUAL(raw_read(first, kept, 0, 1000), 0);
	CHECK(memcmp(first->body + sizeof(struct broker_bytes), text, 1000) == 0);
	EQUAL(raw_number(first, BROKER_MAP, kept, 0), 0);
	for (unsigned i = 0; i < opened; i++)
		raw_close(clients[i]);
	for (unsigned tries = 0; tries < 1000 && (error = raw_alloc_fd(first, AGENTMEM_OTHER, memfd, SIZE - 1, &unit)) == -ENFILE; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	EQUAL(error, 0);
	raw_close(first);
	free(text);
}
