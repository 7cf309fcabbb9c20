/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/closer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct closing {
	struct closing *next;
	int fd;
};

/* `lock` guards the list and both flags. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static struct closing *first;
static bool running, ending;

static void close_slowly(int fd)
{
	/* A socket that lingers would keep us as long as its owner wished. */
	const struct linger none = { .l_onoff = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void *run(void *unused)
{
	pthread_mutex_lock(&lock);
	while (!ending) {
		struct closing *closing = first;

		if (closing == NULL) {
			pthread_cond_wait(&more, &lock);
			continue;
		}
		first = closing->next;
		pthread_mutex_unlock(&lock);
		close_slowly(closing->fd);
		free(closing);
		pthread_mutex_lock(&lock);
	}
	running = false;
	pthread_cond_broadcast(&more);
	pthread_mutex_unlock(&lock);
	return unused;
}

int closer_begin(void)
{
	pthread_attr_t attributes;
	int error;

	if (pthread_attr_init(&attributes) != 0)
		return -ENOMEM;
	(void)pthread_attr_setstacksize(&attributes, 64 * 1024);
	running = true;
	error = pthread_create(&thread, &attributes, run, NULL);
	running = error == 0;
	pthread_attr_destroy(&attributes);
	return -error;
}

void closer_close(int fd)
{
	struct closing *closing;

	if (fd < 0)
		return;
	closing = malloc(sizeof(*closing));
	if (closing == NULL) {
		close_slowly(fd);
		return;
	}
	closing->fd = fd;
	pthread_mutex_lock(&lock);
	closing->next = first;
	first = closing;
	pthread_cond_signal(&more);
	pthread_mutex_unlock(&lock);
}

void closer_end(void)
{
	struct timespec until;
	int error = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 1;
	pthread_mutex_lock(&lock);
	ending = true;
	pthread_cond_broadcast(&more);
	while (running && error == 0)
		error = pthread_cond_timedwait(&more, &lock, &until);
	while (first != NULL) {
		struct closing *closing = first;

		first = closing->next;
		free(closing);
	}
	error = running;
	pthread_mutex_unlock(&lock);
	/* One that hangs in a close ends with the process. */
	if (error == 0)
		pthread_join(thread, NULL);
}
