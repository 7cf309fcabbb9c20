/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/receive.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/closer.h"
#include "broker/parse.h"
#include "broker/serve.h"
#include "broker/source.h"

/* As many as a message can carry: what did not fit would be closed by the kernel on this thread. */
#define DESCRIPTORS_MOST 253

struct descriptors {
	int fds[DESCRIPTORS_MOST];
	unsigned count;
	bool lost;	/* there were more, but this process has no numbers left for them */
};

static uint8_t buffer[BROKER_MESSAGE_MOST] __attribute__((aligned(64)));
static union {
	struct cmsghdr head;
	char room[CMSG_SPACE(DESCRIPTORS_MOST * sizeof(int))];
} control;

static void collect(struct msghdr *message, struct descriptors *descriptors)
{
	descriptors->count = 0;
	descriptors->lost = (message->msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		if (fds > DESCRIPTORS_MOST - descriptors->count)
			fds = DESCRIPTORS_MOST - descriptors->count;
		memcpy(descriptors->fds + descriptors->count, CMSG_DATA(part), fds * sizeof(int));
		descriptors->count += (unsigned)fds;
	}
}

static void take(struct client *client, size_t bytes, bool cut, struct descriptors *descriptors)
{
	struct request request;
	int error = parse_request(buffer, bytes, cut, descriptors->count, &request);

	if (descriptors->lost && !request.ends)
		error = -ENFILE;
	if (error == 0 && request.in_memfd) {
		error = source_check(descriptors->fds[0], request.data_bytes);
		if (error == 0)
			descriptors->count = 0; /* it is the content's now */
	}
	for (unsigned i = 0; i < descriptors->count; i++)
		closer_close(descriptors->fds[i]);
	if (error == 0) {
		serve_request(client, &request, request.in_memfd ? descriptors->fds[0] : -1);
		return;
	}
	client_error(client, &request.head, error);
	if (request.ends)
		client_doom(client);
}

bool receive_one(struct client *client)
{
	struct iovec part = { .iov_base = buffer, .iov_len = sizeof(buffer) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t bytes = recvmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct descriptors descriptors;

	if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (bytes < 0) {
		client_doom(client);
		return false;
	}
	collect(&message, &descriptors);
	/* The end, or a message of nothing, which no client of ours sends. */
	if (bytes == 0) {
		for (unsigned i = 0; i < descriptors.count; i++)
			closer_close(descriptors.fds[i]);
		client_doom(client);
		return false;
	}
	take(client, (size_t)bytes, (message.msg_flags & MSG_TRUNC) != 0, &descriptors);
	return !client->doomed;
}
