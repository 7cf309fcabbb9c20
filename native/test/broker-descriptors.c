/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors that are no sealed memory, lie about their size, or are too many. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
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
	int fds[253], sent;

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
	sent = raw_send(raw, &message, sizeof(message), fds, 253);
	CHECK(sent == 0 || sent == -EPIPE);	/* the broker may have ended it first */
	raw_close(raw);
	close(fds[0]);
	free(text);
}
