/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that say anything, never listen, never wait, or are somebody else's. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"

#define SIZE 300000u

static uint64_t state = 88172645463325252u;

static uint64_t random_below(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % below;
}

/* Nearly a message: mostly right in its head, at random in what makes the difference. */
static size_t scramble(uint8_t *message)
{
	static const uint64_t liked[] = { 0, 1, 2, 16, UINT32_MAX, UINT64_MAX, INT64_MAX, BROKER_UNIT_MOST, BROKER_INLINE_MOST, 1u << 31 };
	struct broker_head head = { .magic = BROKER_MAGIC, .type = (uint16_t)random_below(BROKER_TYPE_END + 2), .sequence = random_below(UINT64_MAX) };
	size_t bytes = random_below(8) == 0 ? random_below(4000) : 8 * random_below(40);

	/* It must not take its own agent away all the time. */
	if (head.type == BROKER_STATE && random_below(50) != 0)
		head.type = BROKER_ALLOC;
	head.bytes = random_below(20) == 0 ? (uint32_t)liked[random_below(10)] : (uint32_t)bytes;
	if (random_below(200) == 0)
		head.magic = (uint32_t)random_below(UINT32_MAX);
	memcpy(message, &head, sizeof(head));
	for (size_t at = 0; at < bytes; at += 8) {
		uint64_t value = random_below(3) == 0 ? random_below(64) : random_below(2) == 0 ? liked[random_below(10)] : bytes - 16;

		memcpy(message + sizeof(head) + at, &value, 8);
	}
	return random_below(30) == 0 ? random_below(sizeof(head) + bytes) + 1 : sizeof(head) + bytes;
}

void play_fuzz(void)
{
	struct raw *hostile = raw_open("hostile", ""), *honest = raw_open("honest", "");
	static uint8_t message[16384];
	uint8_t *text = text_of(9, SIZE);
	int fds[4] = { memfd_of(text, SIZE, ALL_SEALS), memfd_of(text, SIZE, 0), open("/dev/null", O_RDONLY | O_CLOEXEC), memfd_of("x", 1, ALL_SEALS) };
	const char *seed = getenv("BROKER_RAW_SEED"), *times = getenv("BROKER_RAW_TIMES");
	unsigned long rounds = times == NULL ? 20000 : strtoul(times, NULL, 10);
	uint64_t kept, unit;

	if (seed != NULL)
		state = strtoull(seed, NULL, 10) * 2 + 1;
	EQUAL(raw_alloc_fd(honest, AGENTMEM_OTHER, fds[0], SIZE, &kept), 0);
	for (unsigned long i = 0; i < rounds; i++) {
		size_t bytes = scramble(message);
		unsigned count = random_below(10) == 0 ? 1 + (unsigned)random_below(4) : 0;

		if (raw_send(hostile, message, bytes, fds + random_below(5 - count), count) != 0 || !raw_receive(hostile)) {
			raw_close(hostile);
			hostile = raw_open("hostile again", "");
		}
		if (i % 100 != 0)
			continue;
		EQUAL(raw_read(honest, kept, 1000, 1000), 0);
		CHECK(memcmp(honest->body + sizeof(struct broker_bytes), text + 1000, 1000) == 0);
		EQUAL(raw_alloc(honest, AGENTMEM_OTHER, text, 100, &unit), 0);
		EQUAL(raw_number(honest, BROKER_FREE, unit, 0), 0);
	}
	raw_close(hostile);
	raw_close(honest);
	free(text);
}

/* Asks and never reads: cut off, and nobody else waits for it. */
void play_deaf(void)
{
	struct raw *deaf = raw_open("deaf", ""), *honest = raw_open("honest", "");
	struct {
		struct broker_head head;
		struct broker_read read;
	} message = { .head = { .magic = BROKER_MAGIC, .type = BROKER_READ, .bytes = sizeof(struct broker_read) } };
	uint8_t *text = text_of(2, BROKER_INLINE_MOST);
	uint64_t unit;
	unsigned sent = 0, got = 0;

	EQUAL(raw_alloc(deaf, AGENTMEM_OTHER, text, BROKER_INLINE_MOST, &unit), 0);
	message.read = (struct broker_read){ .unit = unit, .bytes = BROKER_INLINE_MOST };
	CHECK(fcntl(deaf->socket, F_SETFL, O_NONBLOCK) == 0);
	/* Until its own queue is full and the broker no longer takes anything. */
	for (unsigned idle = 0; idle < 50;) {
		if (raw_send(deaf, &message, sizeof(message), NULL, 0) == 0) {
			sent++;
			idle = 0;
			continue;
		}
		EQUAL(raw_alloc(honest, AGENTMEM_OTHER, "still here", 10, &unit), 0);
		EQUAL(raw_number(honest, BROKER_FREE, unit, 0), 0);
		idle++;
	}
	CHECK(sent > 20);
	/* The broker ends it after a while; then sending fails for good. */
	while (raw_send(deaf, &message, sizeof(message), NULL, 0) != -EPIPE) {
		EQUAL(raw_alloc(honest, AGENTMEM_OTHER, "still here", 10, &unit), 0);
		EQUAL(raw_number(honest, BROKER_FREE, unit, 0), 0);
	}
	while (raw_receive(deaf))
		got++;
	CHECK(got < sent);
	raw_close(deaf);
	raw_close(honest);
	free(text);
}

/* Asks many things at once, and ends without waiting for some of them. */
void play_hasty(void)
{
	enum { REQUESTS = 200 };
	struct raw *raw = raw_open("hasty", ""), *second = raw_connect();
	static struct {
		struct broker_head head;
		struct broker_alloc alloc;
		uint8_t data[1000];
	} message = { .head = { .magic = BROKER_MAGIC, .type = BROKER_ALLOC, .bytes = sizeof(struct broker_alloc) + 1000 }, .alloc = { .kind = AGENTMEM_OTHER, .bytes = 1000 } };
	bool seen[REQUESTS] = { false };
	pid_t child;

	CHECK(fcntl(raw->socket, F_SETFL, 0) == 0);
	/* One process sends while the other reads: neither waits for the other's turn. */
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		for (unsigned i = 0; i < REQUESTS; i++) {
			message.head.sequence = i;
			memset(message.data, (int)i, sizeof(message.data));
			message.data[0] = (uint8_t)(i >> 8);
			EQUAL(raw_send(raw, &message, sizeof(message), NULL, 0), 0);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < REQUESTS; i++) {
		CHECK(raw_receive(raw));
		EQUAL(raw->head.error, 0);
		CHECK(raw->head.sequence < REQUESTS && !seen[raw->head.sequence]);
		seen[raw->head.sequence] = true;
	}
	EQUAL(waitpid(child, NULL, 0), child);
	EQUAL(raw_stat(raw)->units, REQUESTS);
	/* Nobody gets the answers: what was handed in is nobody's either. */
	EQUAL(raw_hello(second, "second", "", raw->welcome.token, 0, 0), 0);
	CHECK(shutdown(raw->socket, SHUT_RD) == 0);
	for (unsigned i = 0; i < 10; i++) {
		memset(message.data, (int)i, sizeof(message.data));
		message.data[1] = 'z';
		/* The connection ends with the first answer that finds nobody. */
		if (raw_send(raw, &message, sizeof(message), NULL, 0) != 0)
			break;
	}
	raw_close(raw);
	/* Once says nothing: it holds as many before the first of them is begun. */
	for (unsigned tries = 0, steady = 0; steady < 100 && tries < 2000; tries++) {
		steady = raw_stat(second)->units == REQUESTS ? steady + 1 : 0;
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	}
	EQUAL(raw_stat(second)->units, REQUESTS);
	raw_close(second);
}

/* Played as another user, on a socket that was opened for all. */
void play_refused(void)
{
	struct raw *raw = raw_connect();
	struct broker_hello hello = { .version = 1 };
	int error = raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1);

	/* Told or not, by when it was closed: never greeted. */
	CHECK(error == -EPERM || error == -ECONNRESET || error == -EPIPE);
	while (raw_receive(raw))
		EQUAL(raw->head.error, -EPERM);
	raw_close(raw);
}
