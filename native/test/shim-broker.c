/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim-broker SOCKET MODE: as much of a broker as the shim asks for, to test
 * the shim with: `good`, or in one way bad. It believes digests, as no real
 * one does. On SIGTERM it tells what it still holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "broker/protocol.h"
#include "common/digest.h"

#define CLIENTS_MOST 64
#define UNITS_MOST 4096

struct unit {
	int fd;
	uint64_t bytes;
	unsigned holds, maps;
	struct am_digest digest;
};

static struct unit units[UNITS_MOST];
static unsigned units_count;
static const char *mode;
static volatile sig_atomic_t ended;
static unsigned messages;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static bool is(const char *name)
{
	return strcmp(mode, name) == 0;
}

static uint64_t find(const struct am_digest *digest)
{
	for (unsigned i = 0; i < units_count; i++)
		if (units[i].fd >= 0 && memcmp(&units[i].digest, digest, sizeof(*digest)) == 0)
			return i + 1;
	return 0;
}

static int bad_memfd(uint64_t bytes, bool sealed)
{
	int fd = memfd_create("bad", MFD_ALLOW_SEALING);

	if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && sealed)
		fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return fd;
}

/* The unit's own, writable and unsealed: equal now. */
static int unsealed_copy(const struct unit *unit)
{
	int fd = bad_memfd(unit->bytes, false);
	void *from = mmap(NULL, unit->bytes, PROT_READ, MAP_SHARED, unit->fd, 0);

	if (from != MAP_FAILED && write(fd, from, unit->bytes) < 0)
		perror("write");
	return fd;
}

static void answer(int client, const struct broker_head *request, int error, const void *body, size_t bytes, int fd)
{
	struct broker_head head = *request;
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, error == 0 ? bytes : 0 } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	head.error = error;
	head.bytes = (uint32_t)parts[1].iov_len;
	if (is("rubbish"))
		head.magic = 7;
	if (is("short") && bytes > 8)
		parts[1].iov_len = 8;
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof(fd));
	}
	sendmsg(client, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static struct unit *unit_of(uint64_t number)
{
	return number >= 1 && number <= units_count && units[number - 1].fd >= 0 ? &units[number - 1] : NULL;
}

static void on_map(int client, const struct broker_head *head, uint64_t number)
{
	struct unit *unit = unit_of(number);
	struct broker_unit reply = { .unit = number };
	int fd;

	if (unit == NULL) {
		answer(client, head, -ENOENT, NULL, 0, -1);
		return;
	}
	reply.bytes = unit->bytes;
	unit->maps++;
	fd = is("wrong") ? bad_memfd(unit->bytes, true) : is("longer") ? bad_memfd(unit->bytes + 4096, true) : is("unsealed") ? unsealed_copy(unit) : unit->fd;
	answer(client, head, 0, &reply, sizeof(reply), is("no-fd") ? -1 : fd);
	if (fd != unit->fd)
		close(fd);
}

static void on_alloc(int client, const struct broker_head *head, const struct broker_alloc *alloc, int fd)
{
	struct broker_unit reply = { .bytes = alloc->bytes };
	struct stat file;
	struct am_digest digest;
	void *data = fd >= 0 && fstat(fd, &file) == 0 && file.st_size == (off_t)alloc->bytes ? mmap(NULL, alloc->bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (data == MAP_FAILED || (fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE) == 0 || units_count == UNITS_MOST) {
		answer(client, head, -EPERM, NULL, 0, -1);
		return;
	}
	digest_of(data, alloc->bytes, &digest);
	munmap(data, alloc->bytes);
	reply.unit = find(&digest);
	reply.known = reply.unit != 0;
	if (reply.unit == 0) {
		units[units_count] = (struct unit){ .fd = dup(fd), .bytes = alloc->bytes, .digest = digest };
		reply.unit = ++units_count;
	}
	units[reply.unit - 1].holds++;
	answer(client, head, 0, &reply, sizeof(reply), -1);
}

static void let_go(uint64_t number, bool map)
{
	struct unit *unit = unit_of(number);

	if (unit == NULL)
		return;
	if (map)
		unit->maps--;
	else if (--unit->holds == 0) {
		close(unit->fd);
		unit->fd = -1;
	}
}

static void serve(int client, const struct broker_head *head, const void *body, int fd)
{
	if (is("error") && head->type != BROKER_HELLO) {
		answer(client, head, -ENOMEM, NULL, 0, -1);
		return;
	}
	switch (head->type) {
	case BROKER_HELLO:
		answer(client, head, 0, &(struct broker_welcome){ .version = is("version") ? 9 : 1, .agent = 1 }, sizeof(struct broker_welcome), -1);
		break;
	case BROKER_ASK:
		answer(client, head, 0, &(struct broker_secret){ .question = 5, .secret = { 1, 2, 3 } }, sizeof(struct broker_secret), -1);
		break;
	case BROKER_CLAIM: {
		struct am_digest digest;
		struct broker_unit reply = { .known = 1 };

		memcpy(digest.bytes, ((const struct broker_claim *)body)->digest, sizeof(digest.bytes));
		reply.unit = find(&digest);
		if (reply.unit != 0)
			units[reply.unit - 1].holds++;
		answer(client, head, reply.unit == 0 ? -ENOENT : 0, &reply, sizeof(reply), -1);
		break;
	}
	case BROKER_ALLOC:
		on_alloc(client, head, body, fd);
		break;
	case BROKER_MAP:
		on_map(client, head, ((const struct broker_number *)body)->unit);
		break;
	case BROKER_UNMAP:
	case BROKER_FREE:
		let_go(((const struct broker_number *)body)->unit, head->type == BROKER_UNMAP);
		answer(client, head, 0, NULL, 0, -1);
		break;
	default:
		answer(client, head, -EPROTO, NULL, 0, -1);
	}
}

/* False once the client has gone. */
static bool receive(int client)
{
	struct { struct broker_head head; _Alignas(8) char body[4096]; } request;
	struct iovec part = { &request, sizeof(request) };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(client, &message, 0);
	int fd = -1;

	if (got < (ssize_t)sizeof(request.head))
		return false;
	if (CMSG_FIRSTHDR(&message) != NULL)
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	messages++;
	if (strncmp(mode, "die-", 4) == 0 && messages >= (unsigned)atoi(mode + 4))
		_exit(0);
	if (!is("hang") && !(strncmp(mode, "hang-", 5) == 0 && messages >= (unsigned)atoi(mode + 5)))
		serve(client, &request.head, request.body, fd);
	if (fd >= 0)
		close(fd);
	return true;
}

int main(int argc, char **argv)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct pollfd polled[CLIENTS_MOST + 1];
	unsigned count = 1;
	unsigned held = 0;
	sigset_t end, before;

	if (argc != 3)
		return 2;
	mode = argv[2];
	/* It comes only while waiting: between a look at `ended` and the wait it would be lost. */
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, &before);
	sigdelset(&before, SIGTERM);
	signal(SIGTERM, on_end);
	strncpy(name.sun_path, argv[1], sizeof(name.sun_path) - 1);
	polled[0] = (struct pollfd){ .fd = socket(AF_UNIX, SOCK_SEQPACKET, 0), .events = POLLIN };
	if (bind(polled[0].fd, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(polled[0].fd, 64) != 0)
		return 2;
	printf("ready\n");
	fflush(stdout);
	while (is("deaf") && !ended)
		sigsuspend(&before);
	while (!is("deaf")) {
		const struct timespec at_once = { 0 };
		int ready = ppoll(polled, count, ended ? &at_once : NULL, &before);

		/* What was sent before the end was asked for still counts. */
		if (ready == 0)
			break;
		if (ready < 0 && errno != EINTR)
			return 2;
		if (ready < 0)
			continue;
		for (unsigned i = count; i-- > 1;) {
			if (polled[i].revents == 0 || receive(polled[i].fd))
				continue;
			close(polled[i].fd);
			polled[i] = polled[--count];
		}
		if (polled[0].revents != 0 && count <= CLIENTS_MOST)
			polled[count++] = (struct pollfd){ .fd = accept(polled[0].fd, NULL, NULL), .events = POLLIN };
	}
	for (unsigned i = 0; i < units_count; i++)
		held += units[i].fd >= 0;
	printf("units %u held %u messages %u\n", units_count, held, messages);
	return 0;
}
