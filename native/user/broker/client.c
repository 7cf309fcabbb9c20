/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/closer.h"
#include "broker/limits.h"
#include "broker/pending.h"
#include "broker/receive.h"
#include "broker/serve.h"

struct reply {
	struct reply *next;
	int fd;
	uint64_t agent, life, hold;
	size_t bytes;
	uint8_t message[];
};

static struct client *clients;
static unsigned count, stuck_count;
/* Of all connections. */
static size_t queued_bytes;
static bool any_doomed;

unsigned clients_count(void)
{
	return count;
}

void client_doom(struct client *client)
{
	client->doomed = any_doomed = true;
}

bool clients_make_room(void)
{
	struct client *oldest = NULL;

	/* New ones come in front. */
	for (struct client *client = clients; client != NULL; client = client->next)
		if (client->agent == NULL && !client->doomed)
			oldest = client;
	if (oldest != NULL)
		client_doom(oldest);
	return oldest != NULL;
}

static bool may_read(const struct client *client)
{
	if (client->first_reply != NULL || client->outstanding >= CLIENT_OUTSTANDING_MOST)
		return false;
	return client->agent == NULL || client->agent->outstanding < AGENT_OUTSTANDING_MOST;
}

void client_refresh(struct client *client)
{
	uint32_t events = (may_read(client) ? EPOLLIN : 0u) | (client->first_reply != NULL ? EPOLLOUT : 0u);

	if (client->doomed)
		return;
	/* Hung up is told even to who does not ask: then it is not waited for at all until it is read again. */
	if (events == 0 && client->hung_up) {
		if (client->events != 0)
			front_unwatch(&client->watch);
		client->events = 0;
		return;
	}
	events |= EPOLLERR | EPOLLHUP;
	if (events == client->events)
		return;
	if (client->events != 0)
		front_change(&client->watch, events);
	else if (!front_watch(&client->watch, events))
		client_doom(client);
	client->events = events;
}

void clients_refresh(const struct agent *agent)
{
	for (struct client *client = clients; client != NULL; client = client->next)
		if (client->agent == agent)
			client_refresh(client);
}

static void undo(const struct client *client, uint64_t hold)
{
	if (hold != 0 && client->agent != NULL)
		pending_later_free(client->agent->number, client->agent->life, hold);
}

static void forget_replies(struct client *client)
{
	stuck_count -= client->first_reply != NULL;
	while (client->first_reply != NULL) {
		struct reply *reply = client->first_reply;

		client->first_reply = reply->next;
		if (reply->fd >= 0)
			close(reply->fd);
		if (reply->hold != 0)
			pending_later_free(reply->agent, reply->life, reply->hold);
		free(reply);
	}
	client->last_reply = NULL;
	queued_bytes -= client->queued_bytes;
	client->queued_bytes = 0;
}

static void hang_up(struct client *client)
{
	client->hung_up = true;
	forget_replies(client);
}

/* 0, -EAGAIN (its buffer is full), -EMFILE (too many descriptors are on their way), -EPIPE. */
static int send_parts(int socket, const struct iovec *parts, size_t part_count, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = part_count };

	if (fd >= 0) {
		control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	while (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
			return -EAGAIN;
		return errno == ETOOMANYREFS || errno == EBADF || errno == EMFILE ? -EMFILE : -EPIPE;
	}
	return 0;
}

/* Who lets most replies lie makes room: one that reads has hardly any. */
static void cut_off_longest(void)
{
	struct client *longest = NULL;

	for (struct client *client = clients; client != NULL; client = client->next)
		if (!client->doomed && (longest == NULL || client->queued_bytes > longest->queued_bytes))
			longest = client;
	if (longest == NULL)
		return;
	forget_replies(longest);
	client_doom(longest);
}

static int queue(struct client *client, const struct iovec *parts, size_t part_count, size_t bytes, const struct answer *answer)
{
	struct reply *reply;
	uint8_t *at;
	int fd = -1;

	if (client->queued_bytes + bytes > CLIENT_QUEUED_MOST) {
		client_doom(client);
		undo(client, answer->hold);
		return 0;
	}
	if (answer->fd >= 0) {
		fd = fcntl(answer->fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -EMFILE;
	}
	reply = malloc(sizeof(*reply) + bytes);
	if (reply == NULL) {
		if (fd >= 0)
			close(fd);
		client_doom(client);
		undo(client, answer->hold);
		return 0;
	}
	*reply = (struct reply){ .fd = fd, .hold = answer->hold, .bytes = bytes };
	if (client->agent != NULL) {
		reply->agent = client->agent->number;
		reply->life = client->agent->life;
	}
	at = reply->message;
	for (size_t i = 0; i < part_count; i++) {
		memcpy(at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	if (client->first_reply == NULL) {
		client->first_reply = reply;
		client->stuck_ms = front.now_ms + front.options.stuck_ms;
		stuck_count++;
	} else {
		client->last_reply->next = reply;
	}
	client->last_reply = reply;
	client->queued_bytes += bytes;
	queued_bytes += bytes;
	if (queued_bytes > QUEUED_MOST)
		cut_off_longest();
	return 0;
}

int client_answer(struct client *client, const struct answer *answer)
{
	size_t more_bytes = answer->error == 0 ? answer->body_bytes + answer->data_bytes : 0;
	struct broker_head head = { .magic = BROKER_MAGIC, .type = answer->request->type, .sequence = answer->request->sequence, .error = answer->error, .bytes = (uint32_t)more_bytes };
	struct iovec parts[3] = { { .iov_base = &head, .iov_len = sizeof(head) } };
	size_t part_count = 1;
	int error;

	if (more_bytes > 0 && answer->body_bytes > 0)
		parts[part_count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)answer->body, .iov_len = answer->body_bytes };
	if (more_bytes > 0 && answer->data_bytes > 0)
		parts[part_count++] = (struct iovec){ .iov_base = (void *)(uintptr_t)answer->data, .iov_len = answer->data_bytes };
	if (client->hung_up || client->doomed) {
		undo(client, answer->hold);
		return 0;
	}
	error = client->first_reply != NULL ? -EAGAIN : send_parts(client->watch.fd, parts, part_count, answer->fd);
	if (error == -EAGAIN)
		error = queue(client, parts, part_count, sizeof(head) + more_bytes, answer);
	if (error == -EPIPE) {
		undo(client, answer->hold);
		hang_up(client);
		error = 0;
	}
	return error;
}

void client_error(struct client *client, const struct broker_head *request, int error)
{
	(void)client_answer(client, &(struct answer){ .request = request, .error = error, .fd = -1 });
}

static void flush(struct client *client)
{
	while (client->first_reply != NULL) {
		struct reply *reply = client->first_reply;
		struct iovec part = { .iov_base = reply->message, .iov_len = reply->bytes };
		int error = send_parts(client->watch.fd, &part, 1, reply->fd);

		/* Descriptors on their way are other readers' to take in: later. */
		if (error == -EAGAIN || error == -EMFILE)
			return;
		if (error != 0) {
			hang_up(client);
			return;
		}
		client->first_reply = reply->next;
		client->queued_bytes -= reply->bytes;
		queued_bytes -= reply->bytes;
		client->stuck_ms = front.now_ms + front.options.stuck_ms;
		if (reply->fd >= 0)
			close(reply->fd);
		free(reply);
	}
	client->last_reply = NULL;
	stuck_count--;
}

static void client_ready(struct watch *watch, uint32_t events)
{
	struct client *client = (struct client *)watch;

	if (client->doomed)
		return;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		hang_up(client);
	if ((events & EPOLLOUT) != 0 && client->first_reply != NULL)
		flush(client);
	for (unsigned i = 0; i < TURN_MESSAGES && !client->doomed && may_read(client) && receive_one(client); i++)
		/* Who was told that something is not held, may ask for as much at once. */
		pending_settle();
	client_refresh(client);
}

void client_add(int fd, pid_t pid)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		close(fd);
		return;
	}
	client->watch = (struct watch){ .ready = client_ready, .fd = fd };
	client->pid = pid;
	client->events = EPOLLIN | EPOLLERR | EPOLLHUP;
	if (!front_watch(&client->watch, client->events)) {
		close(fd);
		free(client);
		return;
	}
	client->next = clients;
	if (clients != NULL)
		clients->previous = client;
	clients = client;
	count++;
}

static void leave_agent(struct client *client)
{
	if (client->agent == NULL)
		return;
	serve_agent_left(client);
	client->agent->connections--;
	if (client->process != NULL)
		process_leave(client->process);
	client->agent = NULL;
	client->process = NULL;
}

static void drop(struct client *client)
{
	forget_replies(client);
	leave_agent(client);
	pending_client_gone(client);
	if (client->events != 0)
		front_unwatch(&client->watch);
	/* What lies unread in it is closed with it. */
	closer_close(client->watch.fd);
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	count--;
	front_free_later(client);
}

void clients_leave(const struct agent *agent)
{
	for (struct client *client = clients; client != NULL; client = client->next)
		if (client->agent == agent)
			leave_agent(client);
}

struct client *clients_oldest_question(const struct agent *agent)
{
	struct client *oldest = NULL;

	for (struct client *client = clients; client != NULL; client = client->next)
		if (client->agent == agent && client->question != NULL && (oldest == NULL || client->question_number < oldest->question_number))
			oldest = client;
	return oldest;
}

uint64_t clients_step(void)
{
	uint64_t next_ms = UINT64_MAX;

	if (stuck_count == 0)
		return UINT64_MAX;
	for (struct client *client = clients; client != NULL; client = client->next) {
		if (client->first_reply == NULL)
			continue;
		if (client->stuck_ms <= front.now_ms)
			client_doom(client);
		else if (client->stuck_ms < next_ms)
			next_ms = client->stuck_ms;
	}
	return next_ms;
}

void clients_reap(void)
{
	if (!any_doomed)
		return;
	any_doomed = false;
	for (struct client *client = clients, *next; client != NULL; client = next) {
		next = client->next;
		if (client->doomed)
			drop(client);
	}
}

void clients_end(void)
{
	while (clients != NULL)
		drop(clients);
}
