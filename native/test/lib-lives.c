/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers that end, hang, are missing, or are none. */
#include "lib-kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "broker/protocol.h"

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

/* What is mapped is not lost, and keeps its number; what is not, and was in memory alone, says so. */
void test_lost(void)
{
	agentmem_t *am = kit_open();
	uint8_t *data = kit_bytes(1, 500000), *buffer = malloc(500000);
	agentmem_unit_t mapped[3], gone, talk, open_talk, fresh;
	const void *at[3], *talk_at, *again;
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	size_t bytes;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 500000, &mapped[0]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 200000, &mapped[1]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100, &mapped[2]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100, &mapped[2]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 300000, &gone));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 150000, &talk));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 1000, &open_talk));
	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_map(am, mapped[i], &at[i], &bytes));
	GIVES(0, agentmem_map(am, talk, &talk_at, &bytes));
	GIVES(0, agentmem_map(am, open_talk, &again, &bytes));
	GIVES(0, agentmem_append(am, open_talk, "x", 1));
	GIVES(0, agentmem_unmap(am, again));
	for (unsigned life = 0; life < 3; life++) {
		kit_kill_broker();
		GIVES(100, agentmem_read(am, mapped[2], 0, buffer, 500000));
		GIVES(0, agentmem_stat_unit(am, mapped[0], &stat));
		CHECK(stat.unit == mapped[0] && stat.bytes == 500000 && kit_broker() != 0);
		GIVES(0, agentmem_stat_unit(am, mapped[1], &stat));
		GIVES(0, agentmem_map(am, mapped[0], &again, &bytes));
		CHECK(again == at[0] && kit_are(again, 500000, 1));
		GIVES(0, agentmem_unmap(am, again));
		GIVES(150000, agentmem_read(am, talk, 0, buffer, 500000));
		CHECK(memcmp(buffer, data, 150000) == 0);
		GIVES(-ESTALE, agentmem_read(am, gone, 0, buffer, 1));
		GIVES(-ESTALE, agentmem_append(am, open_talk, "y", 1));
		GIVES(-ESTALE, agentmem_read(am, open_talk, 0, buffer, 1));
		GIVES(-ESTALE, agentmem_map(am, gone, &again, &bytes));
		/* A number of before is never another unit's. */
		GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data + life + 1, 300000, &fresh));
		CHECK(fresh != gone && fresh != mapped[0] && fresh != mapped[1] && fresh != mapped[2] && fresh != talk && fresh != open_talk);
		GIVES(-ESTALE, agentmem_read(am, gone, 0, buffer, 1));
	}
	/* Handed in again it is there again, under the number it had; the lost hold is one more. */
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 300000, &fresh));
	CHECK(fresh == gone);
	GIVES(300000, agentmem_read(am, gone, 0, buffer, 500000));
	CHECK(memcmp(buffer, data, 300000) == 0);
	GIVES(0, agentmem_free(am, gone));
	GIVES(1, agentmem_read(am, gone, 0, buffer, 1));
	GIVES(0, agentmem_free(am, gone));
	GIVES(-ENOENT, agentmem_read(am, gone, 0, buffer, 1));
	GIVES(0, agentmem_free(am, open_talk));
	GIVES(0, agentmem_free(am, mapped[2]));
	GIVES(0, agentmem_free(am, mapped[2]));
	GIVES(-ENOENT, agentmem_free(am, mapped[2]));
	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_unmap(am, at[i]));
	GIVES(0, agentmem_unmap(am, talk_at));
	free(buffer);
	free(data);
	agentmem_close(am);
}

struct lives {
	agentmem_t *am;
	const uint8_t *data;
	agentmem_unit_t mapped;
	atomic_bool stop;
	atomic_uint rounds, told;
};

static bool is_allowed(long error)
{
	return error == -ESTALE || error == -ECONNRESET;
}

/* A call gives what is right, or one of the errors that say that the broker ended. */
#define RIGHT_OR_LOST(call, expected) ({ \
	long gave_ = (long)(call); \
	if (gave_ != (long)(expected) && !is_allowed(gave_)) \
		GIVES(expected, gave_); \
	if (gave_ != (long)(expected)) \
		atomic_fetch_add(&lives->told, 1); \
	gave_ == (long)(expected); })

static void live(struct lives *lives, uint64_t *seed, uint8_t *buffer)
{
	size_t bytes = 1000 + kit_random(seed) % 400000, from = kit_random(seed) % 10000, mapped_bytes;
	agentmem_unit_t unit = 0, talk = 0;
	const void *mapped;

	memset(buffer, 0, 10000);
	if (RIGHT_OR_LOST(agentmem_alloc(lives->am, AGENTMEM_OTHER, lives->data + from, bytes, &unit), 0)) {
		if (RIGHT_OR_LOST(agentmem_read(lives->am, unit, 0, buffer, bytes), bytes))
			CHECK(memcmp(buffer, lives->data + from, bytes) == 0);
		if (RIGHT_OR_LOST(agentmem_map(lives->am, unit, &mapped, &mapped_bytes), 0)) {
			CHECK(mapped_bytes == bytes && memcmp(mapped, lives->data + from, bytes) == 0);
			GIVES(0, agentmem_unmap(lives->am, mapped));
		}
		(void)RIGHT_OR_LOST(agentmem_free(lives->am, unit), 0);
	}
	if (RIGHT_OR_LOST(agentmem_alloc(lives->am, AGENTMEM_CONVERSATION, NULL, 0, &talk), 0)) {
		size_t sure = 0;

		while (sure < 10 && RIGHT_OR_LOST(agentmem_append(lives->am, talk, lives->data + sure * 100, 100), 0))
			sure++;
		if (sure == 10 && RIGHT_OR_LOST(agentmem_read(lives->am, talk, 0, buffer, 2000), 1000))
			CHECK(memcmp(buffer, lives->data, 1000) == 0);
		(void)RIGHT_OR_LOST(agentmem_free(lives->am, talk), 0);
	}
	/* Mapped all the while: never an error. */
	GIVES(100, agentmem_read(lives->am, lives->mapped, 5, buffer, 100));
	CHECK(memcmp(buffer, lives->data + 5, 100) == 0);
	atomic_fetch_add(&lives->rounds, 1);
}

static void *live_on(void *context)
{
	struct lives *lives = context;
	uint64_t seed = 1 + (uint64_t)(uintptr_t)&seed;
	uint8_t *buffer = malloc(500000);

	while (!atomic_load(&lives->stop))
		live(lives, &seed, buffer);
	free(buffer);
	return NULL;
}

void test_kills(void)
{
	struct lives lives = { .am = kit_open() };
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	uint8_t *data = kit_bytes(1, 500000);
	pthread_t threads[4];
	uint64_t seed = (uint64_t)getpid();
	const void *mapped;
	pid_t broker;
	size_t bytes;

	lives.data = data;
	GIVES(0, agentmem_alloc(lives.am, AGENTMEM_OTHER, data, 450000, &lives.mapped));
	GIVES(0, agentmem_map(lives.am, lives.mapped, &mapped, &bytes));
	for (unsigned i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, live_on, &lives) == 0);
	for (unsigned i = 0; i < 12; i++) {
		unsigned before = atomic_load(&lives.rounds);

		while (atomic_load(&lives.rounds) < before + 6)
			usleep(500);
		usleep((useconds_t)(kit_random(&seed) % 3000));
		broker = kit_broker();
		if (broker != 0)
			kill(broker, SIGKILL);
	}
	atomic_store(&lives.stop, true);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	GIVES(0, agentmem_stat_unit(lives.am, lives.mapped, &stat));
	CHECK(stat.unit == lives.mapped && stat.bytes == 450000);
	CHECK(memcmp(mapped, data, 450000) == 0);
	GIVES(0, agentmem_unmap(lives.am, mapped));
	free(data);
	agentmem_close(lives.am);
}

/* What lies in the cold store is found again by who has the token. */
void test_cold(void)
{
	agentmem_t *am = kit_open();
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	uint8_t *data = kit_bytes(1, 2000000), *buffer = malloc(2000000);
	struct agentmem_settings settings = { .size = sizeof(settings), .warm_after_ms = 1, .cold_after_ms = 1 };
	agentmem_unit_t unit, talk;

	GIVES(0, agentmem_settings(am, &settings));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 2000000, &unit));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 700000, &talk));
	GIVES(0, agentmem_set_state(am, AGENTMEM_SUSPENDED));
	for (unsigned i = 0; i < 200 && stat.cold_bytes < 2000000; i++) {
		usleep(10000);
		GIVES(0, agentmem_stat_unit(am, unit, &stat));
	}
	for (unsigned i = 0; i < 200 && (stat.unit != talk || stat.cold_bytes < 700000); i++) {
		usleep(10000);
		GIVES(0, agentmem_stat_unit(am, talk, &stat));
	}
	/* The broker in use has no cold store. */
	if (stat.cold_bytes == 0)
		_exit(77);
	/* Who holds it is written down within a second or so. */
	usleep(1500000);
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

	setenv("AGENTMEM_TIMEOUT_MS", "200", 1);
	am = kit_open();
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	broker = kit_broker();
	CHECK(broker != 0 && kill(broker, SIGSTOP) == 0);
	GIVES(-ETIMEDOUT, agentmem_read(am, unit, 0, &byte, 1));
	CHECK(kill(broker, SIGCONT) == 0);
	/* Slow machines may need more than one try. */
	for (unsigned i = 0; i < 50; i++) {
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

/* A broker that is none: what it does is chosen by `way`. */
struct impostor {
	int listener;
	unsigned way;
};

static void answer(int fd, const struct broker_head *request, int error, const void *body, size_t body_bytes, int descriptor)
{
	uint8_t message[1024] = { 0 };
	struct broker_head head = { .magic = BROKER_MAGIC, .type = request->type, .sequence = request->sequence, .error = error, .bytes = (uint32_t)body_bytes };
	struct iovec part = { .iov_base = message, .iov_len = sizeof(head) + body_bytes };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1 };

	memcpy(message, &head, sizeof(head));
	if (body_bytes > 0)
		memcpy(message + sizeof(head), body, body_bytes);
	if (descriptor >= 0) {
		memcpy(CMSG_DATA(&control.head), &descriptor, sizeof(descriptor));
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
	}
	(void)!sendmsg(fd, &packet, MSG_NOSIGNAL);
}

static void deceive(int fd, unsigned way, const struct broker_head *head)
{
	struct broker_unit unit = { .unit = 7, .bytes = 300000, .kind = AGENTMEM_OTHER };
	int memfd;

	if (head->type == BROKER_ALLOC) {
		unit.bytes = 100;
		answer(fd, head, 0, &unit, sizeof(unit), -1);
	} else if (way == 0) {
		(void)!send(fd, "rubbish", 7, MSG_NOSIGNAL);
	} else if (way == 1) {
		/* Could be changed, or cut off under a reader. */
		memfd = kit_memfd("x", 1, F_SEAL_SEAL);
		CHECK(ftruncate(memfd, 300000) == 0);
		answer(fd, head, 0, &unit, sizeof(unit), memfd);
		close(memfd);
	} else if (way == 2) {
		/* Shorter than it says. */
		memfd = kit_memfd("x", 1, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
		answer(fd, head, 0, &unit, sizeof(unit), memfd);
		close(memfd);
	} else if (way == 3) {
		answer(fd, head, 0, &unit, sizeof(unit) - 1, -1);
	} else if (way == 4) {
		answer(fd, head, 22, NULL, 0, -1);
	} else {
		/* Nothing where there should be something. */
		answer(fd, head, 0, &unit, sizeof(unit), -1);
	}
}

static void *pretend(void *context)
{
	struct impostor *impostor = context;
	static uint8_t message[BROKER_MESSAGE_MOST];
	struct broker_welcome welcome = { .version = 1, .agent = 1, .broker = 1 };
	struct broker_head head;
	int fd = accept(impostor->listener, NULL, NULL);

	while (recv(fd, message, sizeof(message), 0) > 0) {
		memcpy(&head, message, sizeof(head));
		if (impostor->way == 6)
			welcome.version = 2;
		if (head.type == BROKER_HELLO)
			answer(fd, &head, 0, &welcome, sizeof(welcome), -1);
		else
			deceive(fd, impostor->way, &head);
	}
	close(fd);
	return NULL;
}

void test_hostile(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER };
	struct impostor impostor;
	agentmem_unit_t unit;
	agentmem_t *am;
	pthread_t thread;
	const void *data;
	size_t bytes;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("AGENTMEM_SOCKET"));
	impostor.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	CHECK(bind(impostor.listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(impostor.listener, 5) == 0);
	for (impostor.way = 0; impostor.way < 7; impostor.way++) {
		unsigned before = kit_descriptors();

		CHECK(pthread_create(&thread, NULL, pretend, &impostor) == 0);
		if (impostor.way == 6) {
			GIVES(-EPROTO, agentmem_open(&am, &options));
		} else {
			GIVES(0, agentmem_open(&am, &options));
			GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, kit_bytes, 100, &unit));
			GIVES(-EPROTO, agentmem_map(am, unit, &data, &bytes));
		}
		agentmem_close(am);
		pthread_join(thread, NULL);
		CHECK(kit_descriptors() == before);
	}
	close(impostor.listener);
	unlink(address.sun_path);
}
