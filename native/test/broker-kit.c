/* SPDX-License-Identifier: Apache-2.0 */
#include "broker-kit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/digest.h"

const char *socket_path;

_Noreturn void raw_fail(const char *file, int line, const char *what, int64_t number)
{
	fprintf(stderr, "%s:%d: expected %s (%lld)\n", file, line, what, (long long)number);
	exit(1);
}

void raw_equal(const char *file, int line, const char *what, int64_t got, int64_t wanted)
{
	if (got == wanted)
		return;
	fprintf(stderr, "%s:%d: expected %s to be %lld, got %lld\n", file, line, what, (long long)wanted, (long long)got);
	exit(1);
}

struct raw *raw_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct raw *raw = calloc(1, sizeof(*raw));

	strncpy(address.sun_path, socket_path, sizeof(address.sun_path) - 1);
	raw->fd = -1;
	raw->socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (raw->socket < 0 || connect(raw->socket, (const struct sockaddr *)&address, sizeof(address)) != 0)
		raw_fail(__FILE__, __LINE__, "a connection", errno);
	return raw;
}

void raw_close(struct raw *raw)
{
	close(raw->socket);
	if (raw->fd >= 0)
		close(raw->fd);
	free(raw);
}

int raw_send(struct raw *raw, const void *message, size_t bytes, const int *fds, unsigned fd_count)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)message, .iov_len = bytes };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(256 * sizeof(int))];
	} control = { 0 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd_count > 0) {
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(fd_count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), fds, fd_count * sizeof(int));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	return sendmsg(raw->socket, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool raw_receive(struct raw *raw)
{
	struct iovec parts[2] = { { .iov_base = &raw->head, .iov_len = sizeof(raw->head) }, { .iov_base = raw->body, .iov_len = sizeof(raw->body) } };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr header = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t bytes = recvmsg(raw->socket, &header, MSG_CMSG_CLOEXEC);

	if (raw->fd >= 0)
		close(raw->fd);
	raw->fd = -1;
	if (bytes <= 0)
		return false;
	CHECK((size_t)bytes >= sizeof(raw->head) && raw->head.magic == BROKER_MAGIC && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0);
	raw->bytes = (size_t)bytes - sizeof(raw->head);
	EQUAL(raw->head.bytes, raw->bytes);
	if (raw->head.error != 0)
		EQUAL(raw->bytes, 0);
	if (CMSG_FIRSTHDR(&header) != NULL) {
		EQUAL(CMSG_FIRSTHDR(&header)->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(&raw->fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof(int));
	}
	return true;
}

int raw_call(struct raw *raw, unsigned type, const void *body, size_t body_bytes, const void *data, size_t bytes, int fd)
{
	static _Thread_local uint8_t message[BROKER_MESSAGE_MOST + 4096];
	struct broker_head head = { .magic = BROKER_MAGIC, .type = (uint16_t)type, .sequence = ++raw->sequence, .bytes = (uint32_t)(body_bytes + bytes) };
	int error;

	memcpy(message, &head, sizeof(head));
	if (body_bytes > 0)
		memcpy(message + sizeof(head), body, body_bytes);
	if (bytes > 0)
		memcpy(message + sizeof(head) + body_bytes, data, bytes);
	error = raw_send(raw, message, sizeof(head) + body_bytes + bytes, &fd, fd >= 0 ? 1 : 0);
	if (error != 0)
		return error;
	if (!raw_receive(raw))
		return -ECONNRESET;
	/* Told before the broker read anything: it has no room. */
	if (raw->head.sequence == 0 && raw->head.error != 0)
		return raw->head.error;
	EQUAL(raw->head.sequence, raw->sequence);
	EQUAL(raw->head.type, type);
	return raw->head.error;
}

int raw_hello(struct raw *raw, const char *name, const char *domain, const uint8_t *token, uint64_t quota_bytes, uint32_t flags)
{
	struct broker_hello hello = { .version = 1, .quota_bytes = quota_bytes, .flags = flags };
	int error;

	strncpy(hello.name, name, sizeof(hello.name) - 1);
	strncpy(hello.domain, domain, sizeof(hello.domain) - 1);
	if (token != NULL)
		memcpy(hello.token, token, sizeof(hello.token));
	error = raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1);
	if (error == 0)
		memcpy(&raw->welcome, raw->body, sizeof(raw->welcome));
	return error;
}

struct raw *raw_open(const char *name, const char *domain)
{
	struct raw *raw = raw_connect();

	EQUAL(raw_hello(raw, name, domain, NULL, 0, 0), 0);
	return raw;
}

const struct broker_unit *raw_unit(const struct raw *raw)
{
	CHECK(raw->bytes >= sizeof(struct broker_unit));
	return (const struct broker_unit *)raw->body;
}

static int with_unit(const struct raw *raw, int error, uint64_t *unit)
{
	*unit = error == 0 ? raw_unit(raw)->unit : 0;
	return error;
}

int raw_alloc(struct raw *raw, unsigned kind, const void *data, size_t bytes, uint64_t *unit)
{
	struct broker_alloc alloc = { .kind = kind, .bytes = bytes };

	return with_unit(raw, raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), data, bytes, -1), unit);
}

int raw_alloc_fd(struct raw *raw, unsigned kind, int fd, size_t bytes, uint64_t *unit)
{
	struct broker_alloc alloc = { .kind = kind, .bytes = bytes };

	return with_unit(raw, raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), NULL, 0, fd), unit);
}

int raw_number(struct raw *raw, unsigned type, uint64_t unit, uint64_t value)
{
	struct broker_number number = { .unit = unit, .value = value };

	return raw_call(raw, type, &number, sizeof(number), NULL, 0, -1);
}

int raw_read(struct raw *raw, uint64_t unit, uint64_t offset, uint64_t bytes)
{
	struct broker_read read = { .unit = unit, .offset = offset, .bytes = bytes };

	return raw_call(raw, BROKER_READ, &read, sizeof(read), NULL, 0, -1);
}

int raw_edit(struct raw *raw, unsigned type, uint64_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t bytes)
{
	struct broker_edit edit = { .unit = unit, .offset = offset, .old_bytes = old_bytes, .bytes = bytes };

	return raw_call(raw, type, &edit, sizeof(edit), data, bytes, -1);
}

int raw_list(struct raw *raw, uint32_t what, uint64_t agent, uint64_t after)
{
	struct broker_list list = { .what = what, .agent = agent, .after = after };

	return raw_call(raw, BROKER_LIST, &list, sizeof(list), NULL, 0, -1);
}

int raw_find(struct raw *raw, const uint8_t digest[32])
{
	return raw_call(raw, BROKER_FIND, digest, 32, NULL, 0, -1);
}

const struct broker_stat *raw_stat(struct raw *raw)
{
	EQUAL(raw_call(raw, BROKER_STAT, NULL, 0, NULL, 0, -1), 0);
	EQUAL(raw->bytes, sizeof(struct broker_stat));
	return (const struct broker_stat *)raw->body;
}

int raw_claim(struct raw *raw, unsigned kind, const void *data, size_t bytes)
{
	struct broker_ask ask = { .bytes = bytes, .fingerprint = fingerprint_of(data, bytes) };
	struct broker_claim claim = { .kind = kind };
	struct broker_secret secret;
	struct am_digest digest;
	struct proof_tag tag;
	int error = raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1);

	if (error != 0)
		return error;
	memcpy(&secret, raw->body, sizeof(secret));
	tag = digest_and_proof_of(secret.secret, data, bytes, &digest);
	claim.question = secret.question;
	claim.tag_low = tag.low;
	claim.tag_high = tag.high;
	memcpy(claim.digest, digest.bytes, sizeof(claim.digest));
	return raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1);
}

int memfd_of(const void *data, size_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0);
	for (size_t at = 0; at < bytes;) {
		ssize_t put = write(fd, (const uint8_t *)data + at, bytes - at);

		CHECK(put > 0);
		at += (size_t)put;
	}
	CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

uint8_t *text_of(uint64_t seed, size_t bytes)
{
	uint8_t *text = malloc(bytes + 1);
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	CHECK(text != NULL);
	for (size_t i = 0; i < bytes; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		text[i] = (uint8_t)('a' + (state >> 32) % 20);
	}
	return text;
}
