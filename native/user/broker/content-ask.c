/* SPDX-License-Identifier: Apache-2.0 */
/* Proof that a client has the content, instead of handing it in. */
#include "content-inner.h"
#include "bus.h"
#include "content-bodies.h"
#include "content-units.h"
#include "content-workers.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Below, data is handed in whole: a proof would cost more than it saves. */
#define PROOF_LEAST_BYTES (256u * 1024u)

struct content_question {
	struct job job;
	struct waiter waiter;
	struct content *content;
	struct unit *unit;		/* the candidate, pinned; NULL: none */
	uint8_t secret[PROOF_SECRET_BYTES];
	struct proof_tag tag;
	int fd;
	uint64_t bytes;
	int error;
	bool is_ready;
	bool is_forgotten;
	/* Of the claim, where it came before the tag was ready. */
	bool is_claimed;
	bool is_refused;
	uint64_t agent;
	struct am_digest digest;
	uint64_t tag_low, tag_high;
	content_done done;
	void *context;
};

static void question_free(struct content *content, struct content_question *question)
{
	if (question->unit != NULL)
		unit_unpin(content, question->unit);
	mem_free(content, question, sizeof(*question));
}

static bool is_proven(const struct content_question *question)
{
	const struct unit *unit = question->unit;

	return unit != NULL && !unit->dead && question->error == 0 && !question->is_refused && question->tag.low == question->tag_low && question->tag.high == question->tag_high &&
		memcmp(unit->entry.digest.bytes, question->digest.bytes, sizeof(question->digest.bytes)) == 0;
}

static void decide(struct content *content, struct content_question *question)
{
	int error = is_proven(question) ? unit_hold(content, question->unit, question->agent) : -ENOENT;

	if (error == 0) {
		unit_used(content, question->unit);
		content->found_bytes += question->unit->bytes;
		answer_unit(question->unit, true, question->done, question->context);
	} else {
		answer_error(question->done, question->context, error);
	}
	question_free(content, question);
}

static void settle(struct content *content, struct content_question *question)
{
	question->is_ready = true;
	if (question->is_forgotten)
		question_free(content, question);
	else if (question->is_claimed)
		decide(content, question);
}

static void tag_work(struct job *job)
{
	struct content_question *question = container(job, struct content_question, job);
	void *data = mmap(NULL, question->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, question->fd, 0);

	if (data == MAP_FAILED) {
		question->error = -errno;
		return;
	}
	bus_watch(data, question->bytes);
	question->tag = proof_of(question->secret, data, question->bytes);
	if (bus_end())
		question->error = -EIO;
	munmap(data, question->bytes);
}

static void tag_done(struct content *content, struct job *job)
{
	struct content_question *question = container(job, struct content_question, job);

	/* Kept open and hot while the worker read it. */
	question->unit->body->maps--;
	settle(content, question);
}

static void candidate_ready(struct content *content, struct waiter *waiter, int error)
{
	struct content_question *question = container(waiter, struct content_question, waiter);

	if (error != 0 || question->is_forgotten) {
		question->error = error;
		settle(content, question);
		return;
	}
	question->fd = question->unit->body->fd;
	question->bytes = question->unit->bytes;
	question->unit->body->maps++;
	question->job = (struct job){ .class = JOB_URGENT, .work = tag_work, .done = tag_done };
	workers_start(content->workers, &question->job);
}

struct content_question *content_ask(struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint, const uint8_t secret[256])
{
	struct content_question *question = mem_alloc(content, sizeof(*question));
	struct body *body = body_print_find(content, domain, bytes, fingerprint);

	if (question == NULL)
		return NULL;
	question->content = content;
	if (body == NULL || bytes < PROOF_LEAST_BYTES) {
		question->is_ready = true;
		return question;
	}
	memcpy(question->secret, secret, sizeof(question->secret));
	question->unit = body->unit;
	unit_pin(question->unit);
	question->waiter.ready = candidate_ready;
	fill_want(content, question->unit, &question->waiter);
	return question;
}

void content_claim(struct content *content, struct content_question *question, uint64_t agent, enum am_kind kind, const struct am_digest *digest, uint64_t tag_low, uint64_t tag_high, content_done done, void *context)
{
	question->agent = agent;
	question->digest = *digest;
	question->tag_low = tag_low;
	question->tag_high = tag_high;
	question->done = done;
	question->context = context;
	question->is_claimed = true;
	/* A conversation is nobody else's: it is never another unit. */
	if (kind == AM_KIND_CONVERSATION)
		question->is_refused = true;
	if (question->is_ready)
		decide(content, question);
}

void content_forget(struct content *content, struct content_question *question)
{
	if (question == NULL)
		return;
	question->is_forgotten = true;
	if (question->is_ready)
		question_free(content, question);
}
