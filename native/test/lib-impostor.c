/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers that are none. */
#include "lib-kit.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "broker/protocol.h"

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
