/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for what takes long, and the jobs they are given. */
#ifndef BROKER_CONTENT_WORKERS_H
#define BROKER_CONTENT_WORKERS_H

#include "content-inner.h"

/* JOB_URGENT: somebody waits, and it is soon done; one thread is there for these alone. */
enum job_class { JOB_URGENT, JOB_BUILD, JOB_PACK, JOB_SLOW, JOB_CLASSES };

struct job {
	struct job *next;
	enum job_class class;
	void (*work)(struct job *job);
	void (*done)(struct content *content, struct job *job);
};

struct workers *workers_open(unsigned count);
/* After all jobs have come back. */
void workers_close(struct workers *workers);
int workers_fd(const struct workers *workers);
void workers_start(struct workers *workers, struct job *job);
/* Jobs that are ready, in the order they became so; they count as pending until taken. */
struct job *workers_take(struct workers *workers);
unsigned workers_pending(const struct workers *workers);
unsigned workers_waiting(const struct workers *workers, enum job_class class);
void workers_wake(struct workers *workers);
size_t workers_own_bytes(const struct workers *workers);

#endif
