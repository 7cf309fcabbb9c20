/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's own small client of the broker: unlike the library's it never
 * allocates, has no thread, and gives up at a deadline. It is believed
 * nothing: what it hands out is compared byte by byte before use.
 *
 * The connection's descriptor lies in the program's table, so the program may
 * have closed it and opened another file there: it is looked at each time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "broker/protocol.h"
#include "common/digest.h"
#include "core/types.h"
#include "share.h"

/* Out of the way of programs that count on the lowest numbers. */
#define DESCRIPTOR_LEAST 1000
#define DESCRIPTOR_LESS 200
/* AGENTMEM_OTHER */
#define UNIT_KIND 5u
/* After a broker that is not there or does not answer. */
#define PAUSE_MS 10000u
#define FAILURES_MOST 3

static int connection = -1;
static struct stat connection_file;
static uint64_t sequence;
static uint64_t deadline_ms;
static uint64_t pause_until_ms;
static unsigned failures;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static bool is_ours(void)
{
	struct stat file;

	return connection >= 0 && fstat(connection, &file) == 0 && file.st_dev == connection_file.st_dev && file.st_ino == connection_file.st_ino
		&& S_ISSOCK(file.st_mode);
}

void broker_leave(void)
{
	if (is_ours())
		close(connection);
	connection = -1;
}

static void fail(void)
{
	broker_leave();
	pause_until_ms = now_ms() + PAUSE_MS;
	if (++failures >= FAILURES_MOST)
		share_stop();
}

static bool wait_for(short events)
{
	for (;;) {
		uint64_t now = now_ms();
		struct pollfd one = { .fd = connection, .events = events };
		int ready;

		if (now >= deadline_ms)
			return false;
		ready = poll(&one, 1, (int)(deadline_ms - now));
		if (ready > 0)
			return true;
		if (ready == 0 || errno != EINTR)
			return false;
	}
}

static bool send_message(uint16_t type, const void *body, size_t bytes, int fd, bool wait)
{
	struct broker_head head = { .magic = BROKER_MAGIC, .type = type, .sequence = ++sequence, .bytes = (uint32_t)bytes };
	struct iovec parts[2] = { { &head, sizeof(head) }, { (void *)(uintptr_t)body, bytes } };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *rights;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	for (;;) {
		if (sendmsg(connection, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)(sizeof(head) + bytes))
			return true;
		if (!wait || (errno != EAGAIN && errno != EINTR) || !wait_for(POLLOUT))
			return false;
	}
}

/* Every descriptor that came is closed unless it is the one wanted. */
static int take_descriptor(struct msghdr *message)
{
	int first = -1;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= part->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/*
 * The answer to the last request; those to earlier ones, not waited for, are
 * passed over. 1: it came, with an error of the broker's perhaps; 0: no.
 */
static int answer(uint16_t type, void *body, size_t bytes, int *error, int *fd)
{
	*fd = -1;
	for (;;) {
		struct broker_head head;
		struct iovec parts[2] = { { &head, sizeof(head) }, { body, bytes } };
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
		struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control) };
		ssize_t got = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		int came;

		if (got < 0) {
			if ((errno != EAGAIN && errno != EINTR) || !wait_for(POLLIN))
				return 0;
			continue;
		}
		came = take_descriptor(&message);
		if (got < (ssize_t)sizeof(head) || head.magic != BROKER_MAGIC || head.sequence > sequence) {
			if (came >= 0)
				close(came);
			return 0;
		}
		if (head.sequence < sequence) {
			if (came >= 0)
				close(came);
			continue;
		}
		*error = head.error > 0 ? -EPROTO : head.error;
		*fd = came;
		return head.type == type && (head.error != 0 || (size_t)got == sizeof(head) + bytes);
	}
}

/* 0, an error of the broker's, or -ECONNRESET after which there is no connection. */
static int ask(uint16_t type, const void *body, size_t bytes, int memfd, void *reply, size_t reply_bytes, int *fd)
{
	int unwanted = -1;
	int error = 0;

	if (fd == NULL)
		fd = &unwanted;
	if (!send_message(type, body, bytes, memfd, true) || answer(type, reply, reply_bytes, &error, fd) == 0) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		fail();
		return -ECONNRESET;
	}
	if (unwanted >= 0)
		close(unwanted);
	return error;
}

static bool same_user(void)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid();
}

static bool open_connection(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const char *path = share_socket_path();
	int first = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (first < 0)
		return false;
	connection = fcntl(first, F_DUPFD_CLOEXEC, DESCRIPTOR_LEAST);
	if (connection < 0)
		connection = fcntl(first, F_DUPFD_CLOEXEC, DESCRIPTOR_LESS);
	close(first);
	if (connection < 0)
		return false;
	strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
	if (fstat(connection, &connection_file) == 0 && connect(connection, (const struct sockaddr *)&name, sizeof(name)) == 0 && same_user())
		return true;
	broker_leave();
	return false;
}

static bool greet(void)
{
	struct broker_hello hello = { .version = 1, .importance = 50, .name = "agentmem-share" };
	struct broker_welcome welcome;

	return ask(BROKER_HELLO, &hello, sizeof(hello), -1, &welcome, sizeof(welcome), NULL) == 0 && welcome.version == 1;
}

bool broker_begin(size_t bytes)
{
	uint64_t now = now_ms();

	if (now < pause_until_ms)
		return false;
	deadline_ms = now + SHARE_WAIT_MS + (uint64_t)(bytes >> 20) * SHARE_WAIT_MIB_MS;
	if (is_ours())
		return true;
	connection = -1;
	if (!open_connection()) {
		fail();
		return false;
	}
	return greet();
}

/* The unit's memfd, counted by the broker as mapped. */
static int map(uint64_t unit, size_t bytes)
{
	struct broker_number which = { .unit = unit };
	struct broker_unit reply;
	int fd;

	if (ask(BROKER_MAP, &which, sizeof(which), -1, &reply, sizeof(reply), &fd) != 0)
		return -1;
	failures = 0;
	if (reply.bytes == bytes)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int broker_claim(const void *data, size_t bytes, uint64_t *unit)
{
	struct broker_ask question = { .bytes = bytes, .fingerprint = fingerprint_of(data, bytes) };
	struct broker_claim claim = { .kind = UNIT_KIND };
	struct broker_secret secret;
	struct broker_unit reply;
	struct am_digest digest;
	struct proof_tag tag;
	int error;
	int fd;

	if (ask(BROKER_ASK, &question, sizeof(question), -1, &secret, sizeof(secret), NULL) != 0)
		return -EIO;
	tag = digest_and_proof_of(secret.secret, data, bytes, &digest);
	claim.question = secret.question;
	claim.tag_low = tag.low;
	claim.tag_high = tag.high;
	memcpy(claim.digest, digest.bytes, sizeof(claim.digest));
	error = ask(BROKER_CLAIM, &claim, sizeof(claim), -1, &reply, sizeof(reply), NULL);
	if (error != 0)
		return error == -ENOENT ? -ENOENT : -EIO;
	*unit = reply.unit;
	fd = map(reply.unit, bytes);
	return fd >= 0 ? fd : -EIO;
}

int broker_hand_in(int memfd, size_t bytes, uint64_t *unit)
{
	struct broker_alloc request = { .kind = UNIT_KIND, .bytes = bytes };
	struct broker_unit reply;

	if (connection < 0 || ask(BROKER_ALLOC, &request, sizeof(request), memfd, &reply, sizeof(reply), NULL) != 0)
		return -1;
	*unit = reply.unit;
	return map(reply.unit, bytes);
}

/* Answers that nobody waits for must not fill the socket. */
static void drain(void)
{
	struct broker_head head;
	struct iovec part = { &head, sizeof(head) };
	ssize_t got;

	do {
		_Alignas(struct cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

		got = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got > 0) {
			int came = take_descriptor(&message);

			if (came >= 0)
				close(came);
		}
	} while (got > 0);
}

void broker_let_go(uint64_t unit)
{
	struct broker_number which = { .unit = unit };

	if (unit == 0 || !is_ours())
		return;
	drain();
	/* Should there be no room for the words, the unit stays with us until the process ends. */
	if (send_message(BROKER_UNMAP, &which, sizeof(which), -1, false))
		send_message(BROKER_FREE, &which, sizeof(which), -1, false);
}
