/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/front.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/agents.h"
#include "broker/bus.h"
#include "broker/client.h"
#include "broker/closer.h"
#include "broker/config.h"
#include "broker/limits.h"
#include "broker/look.h"
#include "broker/pending.h"
#include "broker/place.h"
#include "broker/saved.h"
#include "common/host.h"

#define EVENTS_MOST 64
#define ACCEPTS_A_TURN 16
#define WAIT_MOST_MS 3600000
/* While there is something to do, the content's clock is looked at this often at most. */
#define STEP_AGAIN_MS 50

struct freed {
	struct freed *next;
};

struct front front;
static struct broker_config config;
static struct freed *freed;
static int epoll_fd = -1, spare_fd = -1;
static bool ending;
static uint64_t step_ms, stepped_ms, config_ms;

static void tell(const char *sentence)
{
	fprintf(stderr, "agentmem-broker: %s\n", sentence);
}

bool front_watch(struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void front_change(struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	(void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void front_unwatch(struct watch *watch)
{
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
}

void front_free_later(void *memory)
{
	struct freed *first = memory;

	first->next = freed;
	freed = first;
}

void front_step_soon(void)
{
	step_ms = 0;
}

static struct am_policy policy_of(const struct broker_settings *settings)
{
	struct am_policy policy = config.policy;

	policy.warm_after_ms = settings->warm_after_ms;
	policy.cold_after_ms = settings->cold_after_ms;
	policy.thorough_after_ms = settings->thorough_after_ms;
	policy.hot_most_bytes = settings->hot_most_bytes;
	policy.warm_most_bytes = settings->warm_most_bytes;
	policy.has_cold = config.cold && front.options.store_folder != NULL;
	return policy;
}

void front_apply_settings(void)
{
	struct am_policy policy = policy_of(&front.settings);

	content_set_policy(front.content, &policy);
	front_step_soon();
}

static void read_config(void)
{
	config_default(&config);
	(void)config_load(&config, tell);
	front.settings = (struct broker_settings){
		.warm_after_ms = config.policy.warm_after_ms, .cold_after_ms = config.policy.cold_after_ms, .thorough_after_ms = config.policy.thorough_after_ms,
		.hot_most_bytes = config.policy.hot_most_bytes, .warm_most_bytes = config.policy.warm_most_bytes,
		.cold_most_bytes = config.cold_most_bytes, .quota_bytes = config.quota_bytes == 0 ? AGENT_QUOTA_BYTES : config.quota_bytes,
	};
	config_ms = now_ms();
}

bool front_is_enabled(void)
{
	struct broker_config fresh;

	/* Of what the file says now this switch alone: ages and sizes may have been set otherwise since. */
	if (front.now_ms >= config_ms + 1000) {
		config_default(&fresh);
		(void)config_load(&fresh, tell);
		config.enabled = fresh.enabled;
		config_ms = front.now_ms;
	}
	return config.enabled;
}

void front_look_at_file(void)
{
	struct broker_config fresh;

	config_default(&fresh);
	(void)config_load(&fresh, tell);
	config.enabled = fresh.enabled;
	/* Ages and sizes that were set otherwise since stay until the file says something new. */
	if (config_same(&fresh, &config))
		return;
	read_config();
	front_apply_settings();
}

static void refuse(int fd, int error)
{
	const struct broker_head head = { .magic = BROKER_MAGIC, .type = BROKER_HELLO, .error = error };

	(void)!send(fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
	closer_close(fd);
}

/* With the one kept aside for this: who comes hears why. */
static bool refuse_for_want_of_descriptors(int listener)
{
	int fd;

	if (spare_fd < 0)
		return false;
	close(spare_fd);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		const struct broker_head head = { .magic = BROKER_MAGIC, .type = BROKER_HELLO, .error = -ENFILE };

		(void)!send(fd, &head, sizeof(head), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(fd);
	}
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void listener_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct ucred peer;
		socklen_t length = sizeof(peer);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && refuse_for_want_of_descriptors(watch->fd))
			continue;
		if (fd < 0)
			return;
		/* The socket's mode keeps others out already; this holds where somebody changed it. */
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || peer.uid != geteuid())
			refuse(fd, -EPERM);
		else if (clients_count() >= CLIENTS_MOST && !clients_make_room())
			refuse(fd, -EBUSY);
		else
			client_add(fd, peer.pid);
	}
}

static void signal_ready(struct watch *watch, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP) {
			ending = true;
			continue;
		}
		read_config();
		front_apply_settings();
	}
}

static void content_ready(struct watch *watch, uint32_t events)
{
	(void)watch;
	(void)events;
	content_event(front.content);
	pending_settle();
}

static struct watch listener_watch = { .ready = listener_ready }, signal_watch = { .ready = signal_ready }, content_watch = { .ready = content_ready };

#define STORE_WAIT_MS 3000u
#define STORE_LOOK_MS 20u

static int open_content(void)
{
	struct content_options options = {
		.store_folder = front.options.store_folder, .store_most_bytes = front.settings.cold_most_bytes,
		.common_domain = domain_number(""), .workers = front.options.workers, .agent_view = agents_view,
	};
	int error;

	options.policy = policy_of(&front.settings);
	error = content_open(&front.content, &options);
	/* One that was killed holds the store until the kernel has ended its reads and writes. */
	for (unsigned waited_ms = 0; error == -EBUSY && waited_ms < STORE_WAIT_MS; waited_ms += STORE_LOOK_MS) {
		usleep(STORE_LOOK_MS * 1000);
		error = content_open(&front.content, &options);
	}
	if (error == 0 || options.store_folder == NULL)
		return error;
	/* Memory is shared and packed all the same. */
	fprintf(stderr, "agentmem-broker: the store in %s cannot be used, nothing goes to disk: %s\n", options.store_folder, strerror(-error));
	front.options.store_folder = options.store_folder = NULL;
	options.policy.has_cold = false;
	return content_open(&front.content, &options);
}

static bool begin(void)
{
	sigset_t told;

	sigemptyset(&told);
	sigaddset(&told, SIGTERM);
	sigaddset(&told, SIGINT);
	sigaddset(&told, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	/* A limit of whoever started us: its error is the store's to tell. */
	signal(SIGXFSZ, SIG_IGN);
	bus_begin();
	/* Before there are threads: they inherit it. */
	if (sigprocmask(SIG_BLOCK, &told, NULL) != 0)
		return false;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	signal_watch.fd = signalfd(-1, &told, SFD_CLOEXEC | SFD_NONBLOCK);
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener_watch.fd = front.options.listener;
	front.now_ms = now_ms();
	if (epoll_fd < 0 || signal_watch.fd < 0)
		return false;
	errno = -look_random(&front.number, sizeof(front.number));
	if (errno == 0)
		errno = -look_random(front.secret, sizeof(front.secret));
	if (errno == 0)
		errno = -closer_begin();
	if (errno == 0)
		errno = -open_content();
	if (errno != 0)
		return false;
	content_watch.fd = content_fd(front.content);
	saved_read_agents();
	return front_watch(&listener_watch, EPOLLIN) && front_watch(&signal_watch, EPOLLIN) && (content_watch.fd < 0 || front_watch(&content_watch, EPOLLIN));
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void turn_end(void)
{
	/* Dropping a connection may give holds back; giving them back drops none. */
	clients_reap();
	pending_settle();
	while (freed != NULL) {
		struct freed *next = freed->next;

		free(freed);
		freed = next;
	}
}

/* When it may end: nobody is connected, and nothing in memory waits for anybody. */
static uint64_t look_for_end(void)
{
	static uint64_t idle_ms;

	if (clients_count() > 0 || pending_total() > 0) {
		idle_ms = 0;
		return UINT64_MAX;
	}
	if (idle_ms == 0)
		idle_ms = front.now_ms;
	if (front.now_ms < idle_ms + front.options.linger_ms)
		return idle_ms + front.options.linger_ms;
	ending = ending || !agents_hold_memory();
	idle_ms = 0;
	return front.now_ms + front.options.linger_ms;
}

/* What was freed goes back to the system once nobody has asked for a while. */
static uint64_t look_for_rest(bool busy)
{
	static uint64_t rest_ms;

	if (busy) {
		rest_ms = front.now_ms + TRIM_MS;
	} else if (rest_ms != 0 && front.now_ms >= rest_ms) {
		malloc_trim(0);
		rest_ms = 0;
	}
	return rest_ms == 0 ? UINT64_MAX : rest_ms;
}

static void run(void)
{
	bool busy = false;

	while (!ending) {
		struct epoll_event events[EVENTS_MOST];
		uint64_t next_ms;
		int count;

		front.now_ms = now_ms();
		if (front.now_ms >= step_ms || (busy && front.now_ms >= stepped_ms + STEP_AGAIN_MS)) {
			step_ms = content_step(front.content, front.now_ms);
			stepped_ms = front.now_ms;
		} else if (busy) {
			/* Something has happened since it was asked. */
			step_ms = sooner(step_ms, stepped_ms + STEP_AGAIN_MS);
		}
		next_ms = sooner(sooner(step_ms, agents_step()), sooner(clients_step(), look_for_rest(busy)));
		turn_end();
		next_ms = sooner(next_ms, look_for_end());
		/* Asked for in the meantime. */
		next_ms = sooner(next_ms, step_ms);
		if (ending)
			break;
		if (next_ms <= front.now_ms)
			next_ms = 0;
		else
			next_ms = sooner(next_ms - front.now_ms, WAIT_MOST_MS);
		count = epoll_wait(epoll_fd, events, EVENTS_MOST, (int)next_ms);
		front.now_ms = now_ms();
		busy = count > 0;
		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			watch->ready(watch, events[i].events);
		}
		turn_end();
	}
}

int front_run(const struct front_options *options)
{
	front.options = *options;
	read_config();
	if (!begin()) {
		fprintf(stderr, "agentmem-broker: cannot start: %s\n", strerror(errno));
		return 1;
	}
	run();
	if (!front.options.activated)
		place_leave(front.options.socket_path);
	clients_end();
	agents_end();
	turn_end();
	content_close(front.content);
	pending_finish();
	turn_end();
	agents_free();
	domains_end();
	closer_end();
	return 0;
}
