/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agents.h"
#include "base.h"
#include "lock.h"
#include "request.h"
#include "runs.h"
#include "watch.h"
#include "words.h"

#define CLIENTS_MOST 8
#define HOLDERS_MOST 32
#define LINE_MOST 4096
#define SEND_BUFFER (256 * 1024)
/*
 * After the guard itself ended the helper for lack of memory: time to be started
 * again before agents are thawed. It starts slowly where memory is short, and
 * thawing would make it shorter.
 */
#define RETURN_MS 30000

struct client {
	int fd; /* -1: free */
	bool greeted;
	bool skipping; /* the rest of a line that was too long */
	size_t used;
	char line[LINE_MOST];
	pid_t pid;
};

static struct client clients[CLIENTS_MOST];
static int listener = -1;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* The one client that stands for what is held. It stays known after its connection ended. */
static struct {
	int client; /* -1: not connected */
	pid_t pid;
	uint64_t ticks;
	int pidfd;
	int64_t gone_ms; /* when silence is taken for death; 0: nothing to wait for */
	bool memory;
} helper = { .client = -1, .pidfd = -1 };

static struct holder {
	int pidfd; /* -1: free, or ended where gone_ms is not 0 */
	int64_t uid;
	int64_t gone_ms;
} holders[HOLDERS_MOST];

bool server_has_helper(void)
{
	return helper.client >= 0;
}

/*
 * Bound beside its name, listening, and then linked to it: whoever finds the
 * socket is answered. One nobody answers on is left from a guard that was killed.
 */
static bool bind_and_link(const char *path)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX };
	struct out name = out_begin(own.sun_path, sizeof(own.sun_path));
	int probe;
	bool linked;

	out_text(&name, path);
	out_text(&name, ".");
	out_number(&name, (uint64_t)getpid());
	if (name.cut) {
		errno = ENAMETOOLONG;
		return false;
	}
	unlink(own.sun_path);
	if (bind(listener, (const struct sockaddr *)&own, sizeof(own)) != 0 || listen(listener, CLIENTS_MOST) != 0)
		return false;
	linked = link(own.sun_path, path) == 0;
	if (!linked && errno == EEXIST) {
		probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (probe >= 0 && connect(probe, (const struct sockaddr *)&address, sizeof(address)) != 0 && errno == ECONNREFUSED)
			linked = unlink(path) == 0 && link(own.sun_path, path) == 0;
		else
			errno = EADDRINUSE;
		close_fd(&probe);
	}
	probe = errno;
	unlink(own.sun_path);
	errno = probe;
	return linked;
}

bool server_begin(const char *path)
{
	mode_t mask = umask(0177); /* 0600 from its first moment */
	bool bound;

	for (unsigned i = 0; i < CLIENTS_MOST; i++)
		clients[i].fd = -1;
	for (unsigned i = 0; i < HOLDERS_MOST; i++)
		holders[i].pidfd = -1;
	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bound = listener >= 0 && bind_and_link(path);
	umask(mask);
	return bound && listen_to(listener, EPOLLIN, FROM_LISTENER, 0);
}

void server_end(void)
{
	for (unsigned i = 0; i < CLIENTS_MOST; i++)
		if (clients[i].fd >= 0)
			(void)!send(clients[i].fd, "bye\n", 4, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (listener >= 0)
		unlink(address.sun_path);
}

static bool say(int fd, const char *kind, const char *line)
{
	struct iovec parts[] = {
		{ .iov_base = (char *)(uintptr_t)kind, .iov_len = strlen(kind) },
		{ .iov_base = (char *)(uintptr_t)line, .iov_len = strlen(line) },
		{ .iov_base = "\n", .iov_len = 1 },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	ssize_t all = (ssize_t)(parts[0].iov_len + parts[1].iov_len + 1);

	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == all;
}

void server_tell(const char *kind, const char *line, bool all)
{
	for (int i = 0; i < CLIENTS_MOST; i++)
		if (clients[i].fd >= 0 && clients[i].greeted && (all || i == helper.client))
			(void)!say(clients[i].fd, kind, line);
}

static void helper_went(void)
{
	helper.client = -1;
	helper.gone_ms = now_ms() + (helper.memory ? RETURN_MS : (int64_t)settings.grace_ms);
	agents_drop_made();
	runs_drop_made();
}

static void drop(unsigned index)
{
	close_fd(&clients[index].fd);
	if (helper.client == (int)index)
		helper_went();
}

void server_listener_event(void)
{
	int size = SEND_BUFFER;
	struct ucred peer;
	socklen_t length = sizeof(peer);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	/* The file's mode keeps others out already; this holds where somebody changed it. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid()) {
		close(fd);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (unsigned i = 0; i < CLIENTS_MOST; i++) {
		if (clients[i].fd >= 0)
			continue;
		clients[i].greeted = clients[i].skipping = false;
		clients[i].used = 0;
		clients[i].pid = peer.pid;
		clients[i].fd = fd;
		if (!listen_to(fd, EPOLLIN | EPOLLRDHUP, FROM_CLIENT, i))
			close_fd(&clients[i].fd);
		return;
	}
	(void)!say(fd, "error ", "full the guard has 8 clients already");
	close(fd);
}

/* From here on this client stands for everything; what an earlier one left is its own now. */
static void take_over(unsigned index)
{
	uint64_t ticks = 0;

	close_fd(&helper.pidfd);
	helper.client = (int)index;
	helper.pid = clients[index].pid;
	helper.gone_ms = 0;
	helper.memory = false;
	if (process_ticks(helper.pid, &ticks))
		helper.pidfd = process_open(helper.pid, ticks);
	helper.ticks = ticks;
	agents_keep();
}

const char *server_hello(unsigned index, bool own)
{
	clients[index].greeted = true;
	if (own)
		take_over(index);
	return NULL;
}

const char *server_leave(unsigned index)
{
	if (runs_open() > 0)
		return "refused runs are open: they have to be kept or undone first";
	if (helper.client == (int)index) {
		helper.client = -1;
		helper.gone_ms = 0;
		close_fd(&helper.pidfd);
	}
	return NULL;
}

bool server_is_helper(unsigned index)
{
	return helper.client == (int)index;
}

bool server_is_greeted(unsigned index)
{
	return clients[index].greeted;
}

const char *server_holder(int64_t uid, pid_t pid, uint64_t ticks)
{
	int pidfd = process_open(pid, ticks);
	struct holder *place = NULL;

	if (pidfd < 0)
		return "gone this process has ended";
	for (unsigned i = 0; i < HOLDERS_MOST; i++) {
		bool used = holders[i].pidfd >= 0 || holders[i].gone_ms != 0;

		if (used && holders[i].uid == uid) {
			place = &holders[i];
			break;
		}
		if (!used && place == NULL)
			place = &holders[i];
	}
	if (place == NULL) {
		close(pidfd);
		return "full 32 users at most";
	}
	close_fd(&place->pidfd);
	*place = (struct holder){ .pidfd = pidfd, .uid = uid };
	if (listen_to(pidfd, EPOLLIN, FROM_HOLDER, (unsigned)(place - holders)))
		return NULL;
	close_fd(&place->pidfd);
	return "refused the process cannot be watched";
}

void server_holder_event(unsigned index)
{
	struct holder *holder = &holders[index];

	if (holder->pidfd < 0 || !process_ended(holder->pidfd))
		return;
	close_fd(&holder->pidfd);
	holder->gone_ms = now_ms() + settings.holder_grace_ms;
}

static void helper_is_gone(void)
{
	bool memory = helper.memory;

	helper.gone_ms = 0;
	helper.memory = false;
	if (agents_count() == 0 && runs_open() == 0)
		return;
	leave_word("helper-gone", "The helper ended without taking leave.", NULL, NULL, NOBODY);
	/* Records of frozen agents too, unless they have to wait for their turn below. */
	runs_undo(watch_memory_is_sane(), memory);
	agents_thaw(NOBODY, "owner-gone", memory);
}

int64_t server_step(int64_t at_ms)
{
	int64_t next_ms = NEVER_MS;

	if (helper.gone_ms != 0 && at_ms >= helper.gone_ms)
		helper_is_gone();
	if (helper.gone_ms != 0)
		next_ms = helper.gone_ms;
	for (unsigned i = 0; i < HOLDERS_MOST; i++) {
		struct holder *holder = &holders[i];

		if (holder->gone_ms == 0)
			continue;
		if (at_ms < holder->gone_ms) {
			next_ms = sooner(next_ms, holder->gone_ms);
			continue;
		}
		holder->gone_ms = 0;
		if (agents_of(holder->uid) == 0)
			continue;
		leave_word("owner-gone", "The program that suspended agents for this user ended.", NULL, NULL, holder->uid);
		agents_thaw(holder->uid, "owner-gone", false);
		next_ms = at_ms;
	}
	return next_ms;
}

bool server_end_helper(bool memory)
{
	if (helper.pidfd < 0 || process_ended(helper.pidfd) || !lock_is_held_by(helper.pid, helper.ticks) || !process_kill(helper.pidfd))
		return false;
	helper.memory = memory;
	leave_word("problem", "The helper was ended, so that its open run can be taken back.", NULL, NULL, NOBODY);
	return true;
}

static void take_line(unsigned index, char *line)
{
	const char *kind = "error ";
	const char *answer;

	answer = request_line(index, line, &kind);
	if (clients[index].fd >= 0 && !say(clients[index].fd, kind, answer))
		drop(index);
}

void server_client_event(unsigned index)
{
	struct client *client = &clients[index];
	ssize_t got;
	char *end;

	if (client->fd < 0)
		return;
	got = recv(client->fd, client->line + client->used, LINE_MOST - client->used, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(index);
		return;
	}
	client->used += (size_t)got;
	while (client->fd >= 0 && (end = memchr(client->line, '\n', client->used)) != NULL) {
		size_t length = (size_t)(end - client->line);

		*end = '\0';
		if (client->skipping)
			client->skipping = false;
		else if (memchr(client->line, '\0', length) != NULL)
			(void)!say(client->fd, "error ", "bad-request expected text without zero bytes");
		else
			take_line(index, client->line);
		if (client->fd < 0)
			return;
		memmove(client->line, end + 1, client->used - length - 1);
		client->used -= length + 1;
	}
	if (client->used == LINE_MOST) {
		if (!client->skipping)
			(void)!say(client->fd, "error ", "bad-request expected lines of less than 4096 bytes");
		client->skipping = true;
		client->used = 0;
	}
}

