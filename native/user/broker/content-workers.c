/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that run jobs: the urgent ones first, the slow ones never on all of them. */
#include "content-inner.h"
#include "content-workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WORKERS_MOST 16
#define STACK_BYTES (512u * 1024u)

struct queue {
	struct job *first, **end;
	unsigned count;
};

struct workers {
	/* Guards all below but what is said to be the main thread's. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	pthread_cond_t urgent;		/* for the lane */
	struct queue queues[JOB_CLASSES];
	struct queue ready;
	unsigned slow;			/* jobs of JOB_SLOW running */
	unsigned idle;			/* threads that wait, or are just being woken; the lane not counted */
	bool stop;
	int fd;
	unsigned count;			/* without the lane */
	bool has_lane;
	unsigned pending;		/* the main thread's: started and not taken */
	pthread_t threads[WORKERS_MOST];
	pthread_t lane;			/* runs what is urgent while all others are busy */
};

static void put(struct queue *queue, struct job *job)
{
	job->next = NULL;
	if (queue->first == NULL)
		queue->end = &queue->first;
	*queue->end = job;
	queue->end = &job->next;
	queue->count++;
}

static struct job *take(struct queue *queue)
{
	struct job *job = queue->first;

	if (job == NULL)
		return NULL;
	queue->first = job->next;
	queue->count--;
	return job;
}

static struct job *next_job(struct workers *workers)
{
	for (int class = 0; class < JOB_CLASSES; class++) {
		/* What takes long never takes all workers. */
		if (class == JOB_SLOW && workers->count > 1 && workers->slow + 1 >= workers->count)
			return NULL;
		if (workers->queues[class].first != NULL)
			return take(&workers->queues[class]);
	}
	return NULL;
}

/* Held: the lock, but while the job runs. */
static void run(struct workers *workers, struct job *job)
{
	const uint64_t one = 1;
	bool was_empty;

	pthread_mutex_unlock(&workers->lock);
	job->work(job);
	pthread_mutex_lock(&workers->lock);
	was_empty = workers->ready.first == NULL;
	put(&workers->ready, job);
	if (was_empty && write(workers->fd, &one, sizeof(one)) < 0)
		abort(); /* An eventfd that is open takes it. */
}

static void *work_urgent(void *context)
{
	struct workers *workers = context;

	pthread_mutex_lock(&workers->lock);
	while (!workers->stop) {
		struct job *job = take(&workers->queues[JOB_URGENT]);

		if (job == NULL)
			pthread_cond_wait(&workers->urgent, &workers->lock);
		else
			run(workers, job);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static void *work(void *context)
{
	struct workers *workers = context;

	pthread_mutex_lock(&workers->lock);
	while (true) {
		struct job *job = next_job(workers);
		bool is_slow;

		if (job == NULL) {
			if (workers->stop)
				break;
			workers->idle++;
			pthread_cond_wait(&workers->more, &workers->lock);
			workers->idle--;
			continue;
		}
		is_slow = job->class == JOB_SLOW;
		workers->slow += is_slow;
		run(workers, job);
		workers->slow -= is_slow;
		if (is_slow)
			pthread_cond_signal(&workers->more);
	}
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

static unsigned processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count < 1 ? 1 : count > 4 ? 4 : (unsigned)count;
}

struct workers *workers_open(unsigned count)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	pthread_attr_t attributes;
	sigset_t all, before;

	if (workers == NULL)
		return NULL;
	if (count == 0)
		count = processors();
	if (count > WORKERS_MOST)
		count = WORKERS_MOST;
	workers->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (workers->fd < 0) {
		free(workers);
		return NULL;
	}
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->more, NULL);
	pthread_cond_init(&workers->urgent, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	while (workers->count < count && pthread_create(&workers->threads[workers->count], &attributes, work, workers) == 0) {
		pthread_mutex_lock(&workers->lock);
		workers->count++;
		pthread_mutex_unlock(&workers->lock);
	}
	/* Without it the others do all. */
	workers->has_lane = workers->count > 0 && pthread_create(&workers->lane, &attributes, work_urgent, workers) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (workers->count == 0) {
		workers_close(workers);
		return NULL;
	}
	return workers;
}

void workers_close(struct workers *workers)
{
	if (workers == NULL)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->stop = true;
	pthread_cond_broadcast(&workers->more);
	pthread_cond_broadcast(&workers->urgent);
	pthread_mutex_unlock(&workers->lock);
	for (unsigned i = 0; i < workers->count; i++)
		pthread_join(workers->threads[i], NULL);
	if (workers->has_lane)
		pthread_join(workers->lane, NULL);
	pthread_cond_destroy(&workers->more);
	pthread_cond_destroy(&workers->urgent);
	pthread_mutex_destroy(&workers->lock);
	close(workers->fd);
	free(workers);
}

int workers_fd(const struct workers *workers)
{
	return workers->fd;
}

void workers_start(struct workers *workers, struct job *job)
{
	workers->pending++;
	pthread_mutex_lock(&workers->lock);
	put(&workers->queues[job->class], job);
	pthread_cond_signal(&workers->more);
	if (job->class == JOB_URGENT && workers->queues[JOB_URGENT].count > workers->idle)
		pthread_cond_signal(&workers->urgent);
	pthread_mutex_unlock(&workers->lock);
}

struct job *workers_take(struct workers *workers)
{
	struct job *job;

	pthread_mutex_lock(&workers->lock);
	job = take(&workers->ready);
	pthread_mutex_unlock(&workers->lock);
	if (job != NULL)
		workers->pending--;
	return job;
}

unsigned workers_pending(const struct workers *workers)
{
	return workers->pending;
}

unsigned workers_waiting(const struct workers *workers, enum job_class class)
{
	struct workers *own = (struct workers *)(uintptr_t)workers;
	unsigned count;

	pthread_mutex_lock(&own->lock);
	count = own->queues[class].count;
	pthread_mutex_unlock(&own->lock);
	return count;
}

void workers_wake(struct workers *workers)
{
	const uint64_t one = 1;

	if (write(workers->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort();
}

size_t workers_own_bytes(const struct workers *workers)
{
	return sizeof(*workers) + (workers->count + workers->has_lane) * (size_t)16 * 1024;
}
