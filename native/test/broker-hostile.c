/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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

/* What a descriptor of this kind is answered with, and that the connection is none the worse. */
static void refused(struct raw *raw, int fd, size_t bytes, int error)
{
	uint64_t unit;
	struct broker_edit edit = { .bytes = bytes };

	CHECK(fd >= 0);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, fd, bytes, &unit), error);
	EQUAL(raw_call(raw, BROKER_APPEND, &edit, sizeof(edit), NULL, 0, fd), error);
	EQUAL(raw_stat(raw)->units, 0);
	close(fd);
}

static int file_on_disk(void)
{
	char path[] = "/tmp/broker-raw-XXXXXX";
	int fd = mkstemp(path);

	CHECK(fd >= 0 && unlink(path) == 0 && ftruncate(fd, SIZE) == 0);
	return fd;
}

static int opened_for_writing(const void *text)
{
	char path[64];
	int fd = memfd_of(text, SIZE, 0), again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fcntl(again, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
	close(fd);
	return again;
}

/* A connection that would keep its closer for a minute: unsent data, and a peer that never takes it. */
static int lingering(void)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	CHECK(setsockopt(pair[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
	close(pair[1]);
	return pair[0];
}

void play_descriptors(void)
{
	struct raw *raw = raw_open("descriptors", "");
	uint8_t *text = text_of(1, SIZE);
	int pipes[2], good, huge;
	uint64_t unit;

	CHECK(pipe(pipes) == 0);
	close(pipes[1]);
	refused(raw, pipes[0], SIZE, -EBADF);
	refused(raw, lingering(), SIZE, -EBADF);
	refused(raw, open("/dev/zero", O_RDONLY | O_CLOEXEC), SIZE, -EBADF);
	refused(raw, open("/proc/self/mem", O_RDONLY | O_CLOEXEC), SIZE, -EBADF);
	refused(raw, open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), SIZE, -EBADF);
	refused(raw, open("/tmp", O_PATH | O_CLOEXEC), SIZE, -EBADF);
	{
		/* On a disk there are no seals; in memory a plain file has one that forbids the others. */
		uint64_t none;
		int file = file_on_disk(), error = raw_alloc_fd(raw, AGENTMEM_OTHER, file, SIZE, &none);

		CHECK(error == -EBADF || error == -EPERM);
		close(file);
	}
	refused(raw, memfd_of(text, SIZE, 0), SIZE, -EPERM);
	refused(raw, memfd_of(text, SIZE, F_SEAL_SEAL), SIZE, -EPERM);
	refused(raw, memfd_of(text, SIZE, F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE), SIZE, -EPERM);
	refused(raw, memfd_of(text, SIZE, F_SEAL_SEAL | F_SEAL_GROW | F_SEAL_WRITE), SIZE, -EPERM);
	refused(raw, memfd_of(text, SIZE, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_WRITE), SIZE, -EPERM);
	refused(raw, memfd_of(text, SIZE, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE), SIZE, -EPERM);
	refused(raw, opened_for_writing(text), SIZE, -EBADF);
	/* Sizes that lie. */
	refused(raw, memfd_of(text, SIZE, ALL_SEALS), SIZE - 1, -EINVAL);
	refused(raw, memfd_of(text, SIZE, ALL_SEALS), SIZE + 1, -EINVAL);
	refused(raw, memfd_of(text, SIZE, ALL_SEALS), SIZE * 4096u, -EINVAL);
	refused(raw, memfd_of(text, 0, ALL_SEALS), 0, -EBADMSG);
	refused(raw, memfd_of(text, 0, ALL_SEALS), 1, -EINVAL);
	refused(raw, memfd_of(text, SIZE, ALL_SEALS), BROKER_UNIT_MOST + 1, -E2BIG);
	huge = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB);
	if (huge >= 0 && ftruncate(huge, 2 << 20) == 0 && fcntl(huge, F_ADD_SEALS, ALL_SEALS) == 0)
		refused(raw, huge, 2 << 20, -EOPNOTSUPP);
	good = memfd_of(text, SIZE, ALL_SEALS);
	EQUAL(raw_call(raw, BROKER_STAT, NULL, 0, NULL, 0, good), -EINVAL);
	EQUAL(raw_call(raw, BROKER_MAP, "0123456789abcdef", 16, NULL, 0, good), -EINVAL);
	{
		/* Both data and a memfd. */
		struct broker_alloc alloc = { .kind = AGENTMEM_OTHER, .bytes = SIZE };

		EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), "x", 1, good), -EBADMSG);
	}
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, good, SIZE, &unit), 0);
	EQUAL(raw_number(raw, BROKER_FREE, unit, 0), 0);
	close(good);
	free(text);
	raw_close(raw);
}

void play_many_descriptors(void)
{
	struct raw *raw = raw_open("many descriptors", "");
	struct {
		struct broker_head head;
		struct broker_alloc alloc;
	} message = { .head = { .magic = BROKER_MAGIC, .type = BROKER_ALLOC, .bytes = sizeof(struct broker_alloc) }, .alloc = { .kind = AGENTMEM_OTHER, .bytes = SIZE } };
	uint8_t *text = text_of(1, SIZE);
	int fds[253];

	fds[0] = memfd_of(text, SIZE, ALL_SEALS);
	for (unsigned i = 1; i < 253; i++)
		fds[i] = fds[0];
	for (unsigned count = 2; count <= 253; count += 251) {
		EQUAL(raw_send(raw, &message, sizeof(message), fds, count), 0);
		CHECK(raw_receive(raw));
		EQUAL(raw->head.error, -EINVAL);
	}
	/* Left unread in a connection that ends. */
	EQUAL(raw_send(raw, "x", 1, fds, 253), 0);
	EQUAL(raw_send(raw, &message, sizeof(message), fds, 253), 0);
	raw_close(raw);
	close(fds[0]);
	free(text);
}

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
	for (unsigned tries = 0; raw_stat(second)->units != REQUESTS && tries < 1000; tries++)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	EQUAL(raw_stat(second)->units, REQUESTS);
	raw_close(second);
}

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
