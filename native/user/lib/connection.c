/* SPDX-License-Identifier: Apache-2.0 */
#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/host.h"

/* A message has one descriptor; what a broker sends beyond is closed. */
#define DESCRIPTORS_MOST 4

struct connection {
	pthread_mutex_t lock;
	struct held socket;
	unsigned refs;
	uint64_t sequence;
	bool is_lost, is_receiving;
	int lost_error;
	struct call *calls;
	/* Of the one that receives. */
	void *message;
};

struct connection *connection_new(struct held *socket)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	/* Untouched pages cost nothing: most replies are short. */
	void *message = mmap(NULL, BROKER_MESSAGE_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (connection == NULL || message == MAP_FAILED) {
		if (message != MAP_FAILED)
			munmap(message, BROKER_MESSAGE_MOST);
		free(connection);
		held_close(socket);
		return NULL;
	}
	pthread_mutex_init(&connection->lock, NULL);
	held_move(&connection->socket, socket);
	connection->refs = 1;
	connection->message = message;
	return connection;
}

struct connection *connection_get(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	connection->refs++;
	pthread_mutex_unlock(&connection->lock);
	return connection;
}

static void destroy(struct connection *connection)
{
	pthread_mutex_destroy(&connection->lock);
	munmap(connection->message, BROKER_MESSAGE_MOST);
	free(connection);
}

void connection_put(struct connection *connection)
{
	bool is_last;

	pthread_mutex_lock(&connection->lock);
	is_last = --connection->refs == 0;
	pthread_mutex_unlock(&connection->lock);
	if (!is_last)
		return;
	held_close(&connection->socket);
	destroy(connection);
}

static void finish(struct call *call, int error)
{
	*call->at = call->next;
	if (call->next != NULL)
		call->next->at = call->at;
	call->error = error;
	call->is_done = true;
	pthread_cond_signal(&call->wake);
}

/* With the lock held. */
static void lose(struct connection *connection, int error)
{
	if (!connection->is_lost) {
		connection->is_lost = true;
		connection->lost_error = error;
		/* Whoever waits for it to become readable sees its end. */
		shutdown(connection->socket.fd, SHUT_RDWR);
	}
	while (connection->calls != NULL) {
		connection->calls->is_lost = error == -ECONNRESET;
		finish(connection->calls, error);
	}
}

void connection_break(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
	lose(connection, -ECONNRESET);
	pthread_mutex_unlock(&connection->lock);
}

bool connection_is_lost(struct connection *connection)
{
	bool is_lost;

	pthread_mutex_lock(&connection->lock);
	is_lost = connection->is_lost;
	pthread_mutex_unlock(&connection->lock);
	return is_lost;
}

/* The reply and its descriptor into the call that waits for it. */
static int hand_over(struct call *call, const struct reply *reply, int fd, bool fd_was_lost)
{
	void *to = call->room;

	if (reply->head.type != call->type)
		return -EPROTO;
	call->reply = *reply;
	if (reply->data_bytes > 0) {
		if (to == NULL)
			to = call->own = malloc(reply->data_bytes);
		else if (reply->data_bytes > call->room_bytes)
			return -EPROTO;
		if (to == NULL)
			return -ENOMEM;
		memcpy(to, reply->data, reply->data_bytes);
	}
	call->reply.data = to;
	if (fd >= 0) {
		held_begin();
		held_end(&call->reply_fd, fd);
	}
	if (fd_was_lost && reply->head.error == 0)
		return -EMFILE;
	return reply->head.error;
}

/* The first descriptor, the others are closed; -1 where there is none. */
static int take_descriptor(struct msghdr *message)
{
	int fd = -1;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
		int fds[DESCRIPTORS_MOST];
		size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		if (count > DESCRIPTORS_MOST)
			count = DESCRIPTORS_MOST;
		memcpy(fds, CMSG_DATA(part), count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			if (fd < 0)
				fd = fds[i];
			else
				close(fds[i]);
		}
	}
	return fd;
}

/* One message, if there is one. With the lock held. */
static void receive(struct connection *connection)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(DESCRIPTORS_MOST * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = connection->message, .iov_len = BROKER_MESSAGE_MOST };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct reply reply;
	struct call *call;
	ssize_t bytes = recvmsg(connection->socket.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (bytes < 0) {
		lose(connection, -ECONNRESET);
		return;
	}
	fd = take_descriptor(&message);
	if (bytes == 0 || (message.msg_flags & MSG_TRUNC) != 0 || reply_parse(connection->message, (size_t)bytes, &reply) != 0) {
		if (fd >= 0)
			close(fd);
		lose(connection, bytes == 0 ? -ECONNRESET : -EPROTO);
		return;
	}
	call = connection->calls;
	while (call != NULL && call->sequence != reply.head.sequence)
		call = call->next;
	/* One that comes after its call has stopped waiting; or a refusal, before the broker read anything. */
	if (call == NULL) {
		if (fd >= 0)
			close(fd);
		if (reply.head.sequence == 0 && reply.head.error < 0)
			lose(connection, reply.head.error);
		return;
	}
	finish(call, hand_over(call, &reply, fd, (message.msg_flags & MSG_CTRUNC) != 0));
}

static int send_call(const struct connection *connection, const struct call *call)
{
	struct broker_head head = { .magic = BROKER_MAGIC, .type = call->type, .sequence = call->sequence, .bytes = (uint32_t)(call->body_bytes + call->more_bytes) };
	struct iovec parts[3] = {
		{ .iov_base = &head, .iov_len = sizeof(head) },
		{ .iov_base = (void *)(uintptr_t)call->body, .iov_len = call->body_bytes },
		{ .iov_base = (void *)(uintptr_t)call->more, .iov_len = call->more_bytes },
	};
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };

	if (call->fd >= 0) {
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &call->fd, sizeof(call->fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	while (sendmsg(connection->socket.fd, &message, MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		/* What the caller gave cannot be read, or cannot be sent: it is no matter of the connection. */
		if (errno == EFAULT || errno == EBADF || errno == ENOMEM || errno == ENOBUFS || errno == ETOOMANYREFS)
			return errno == ETOOMANYREFS ? -EMFILE : errno == ENOBUFS ? -ENOMEM : -errno;
		return errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;
	}
	return 0;
}

/* Somebody who waits is to receive; who is still sending comes to it by himself. */
static void wake_one(const struct connection *connection)
{
	struct call *call = connection->calls;

	while (call != NULL && !call->is_waiting)
		call = call->next;
	if (call != NULL)
		pthread_cond_signal(&call->wake);
}

/* Waits until its reply is there, receiving for the others where nobody does. With the lock held. */
static void wait_for(struct connection *connection, struct call *call, uint64_t end_ms)
{
	while (!call->is_done) {
		uint64_t time_ms = now_ms();

		if (time_ms >= end_ms) {
			finish(call, -ETIMEDOUT);
			break;
		}
		if (!connection->is_receiving) {
			struct pollfd look = { .fd = connection->socket.fd, .events = POLLIN };
			int wait_ms = end_ms - time_ms < 60000 ? (int)(end_ms - time_ms) : 60000;

			connection->is_receiving = true;
			pthread_mutex_unlock(&connection->lock);
			(void)poll(&look, 1, wait_ms);
			pthread_mutex_lock(&connection->lock);
			connection->is_receiving = false;
			if (!connection->is_lost)
				receive(connection);
		} else {
			struct timespec end = { .tv_sec = (time_t)(end_ms / 1000), .tv_nsec = (long)(end_ms % 1000) * 1000000 };

			call->is_waiting = true;
			pthread_cond_timedwait(&call->wake, &connection->lock, &end);
			call->is_waiting = false;
		}
	}
	if (!connection->is_receiving)
		wake_one(connection);
}

int connection_call(struct connection *connection, struct call *call, uint64_t timeout_ms)
{
	uint64_t end_ms = now_ms() + timeout_ms;
	pthread_condattr_t monotonic;
	int error;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&call->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	call->is_done = call->was_sent = call->is_lost = false;
	pthread_mutex_lock(&connection->lock);
	if (connection->is_lost) {
		call->is_lost = true;
		call->error = -ECONNRESET;
		goto out;
	}
	call->sequence = ++connection->sequence;
	call->next = connection->calls;
	call->at = &connection->calls;
	if (call->next != NULL)
		call->next->at = &call->next;
	connection->calls = call;
	pthread_mutex_unlock(&connection->lock);
	error = send_call(connection, call);
	pthread_mutex_lock(&connection->lock);
	call->was_sent = error == 0;
	if (error == -ECONNRESET || error == -ETIMEDOUT)
		lose(connection, error);
	else if (error != 0 && !call->is_done)
		finish(call, error);
	wait_for(connection, call, end_ms);
out:
	pthread_mutex_unlock(&connection->lock);
	pthread_cond_destroy(&call->wake);
	return call->error;
}

void call_end(struct call *call)
{
	held_close(&call->reply_fd);
	free(call->own);
	call->own = NULL;
}

void connection_before_fork(struct connection *connection)
{
	pthread_mutex_lock(&connection->lock);
}

void connection_after_fork(struct connection *connection, enum fork_side side)
{
	fork_unlock(&connection->lock, side);
	if (side != FORK_PARENT)
		destroy(connection);
}
