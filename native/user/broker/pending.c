/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that the content answers, perhaps later, when who asked may be gone. */
#include "broker/pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/limits.h"

struct pending {
	struct pending *next, *previous;	/* of the connection */
	struct client *client;			/* NULL: it has gone */
	uint64_t agent, life;
	struct broker_head head;
	uint64_t pending_bytes;
	bool holds;				/* answered well, the agent has one hold more */
	struct broker_unit_stat stat;
};

struct later {
	uint64_t agent, life, unit;
	bool mapped;	/* a mapping is given back, not a hold */
};

static struct later *laters;
static unsigned later_count, later_room;
static unsigned outstanding;

unsigned pending_total(void)
{
	return outstanding;
}

static void later(uint64_t agent, uint64_t life, uint64_t unit, bool mapped)
{
	if (later_count == later_room) {
		unsigned room = later_room == 0 ? 64 : later_room * 2;
		struct later *more = realloc(laters, room * sizeof(*more));

		/* It stays the agent's until that goes. */
		if (more == NULL)
			return;
		laters = more;
		later_room = room;
	}
	laters[later_count++] = (struct later){ .agent = agent, .life = life, .unit = unit, .mapped = mapped };
}

void pending_later_free(uint64_t agent, uint64_t life, uint64_t unit)
{
	/* Of one that has gone everything was given back with it. */
	if (agent_of_life(agent, life) != NULL)
		later(agent, life, unit, false);
}

void pending_settle(void)
{
	for (unsigned i = 0; i < later_count; i++) {
		struct agent *agent = agent_of_life(laters[i].agent, laters[i].life);

		if (laters[i].mapped)
			(void)content_unmap(front.content, laters[i].agent, laters[i].unit);
		else if (content_free(front.content, laters[i].agent, laters[i].unit) == 0 && agent != NULL && agent->holds > 0)
			agent->holds--;
	}
	later_count = 0;
}

static struct pending *pending_add(struct client *client, const struct request *request)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (pending == NULL)
		return NULL;
	pending->client = client;
	pending->agent = client->agent->number;
	pending->life = client->agent->life;
	pending->head = request->head;
	pending->next = client->pendings;
	if (pending->next != NULL)
		pending->next->previous = pending;
	client->pendings = pending;
	client->outstanding++;
	client->agent->outstanding++;
	outstanding++;
	return pending;
}

static void pending_end(struct pending *pending)
{
	struct agent *agent = agent_of_life(pending->agent, pending->life);
	struct client *client = pending->client;

	outstanding--;
	if (agent != NULL) {
		agent->pending_bytes -= pending->pending_bytes;
		agent->outstanding--;
	}
	if (client == NULL) {
		free(pending);
		return;
	}
	client->outstanding--;
	if (pending->previous != NULL)
		pending->previous->next = pending->next;
	else
		client->pendings = pending->next;
	if (pending->next != NULL)
		pending->next->previous = pending->previous;
	free(pending);
	client_refresh(client);
	/* It was the agent's limit that kept its other connections waiting. */
	if (agent != NULL && agent->outstanding + 1 == AGENT_OUTSTANDING_MOST)
		clients_refresh(agent);
}

void reply_unit(const struct content_result *result, struct broker_unit *unit)
{
	*unit = (struct broker_unit){ .unit = result->unit, .bytes = result->bytes, .kind = result->kind, .known = result->known, .has_digest = result->has_digest };
	if (result->has_digest)
		memcpy(unit->digest, result->digest.bytes, sizeof(unit->digest));
}

/* Holds and mappings of the result are counted, or are nobody's and given back. */
static int settle(const struct pending *pending, const struct content_result *result)
{
	/* One of the same token that came after it had gone is another. */
	struct agent *agent = agent_of_life(pending->agent, pending->life);

	/* Its descriptors, not the asking program's. */
	if (result->error != 0)
		return result->error == -EMFILE ? -ENFILE : result->error;
	if (pending->holds && agent != NULL)
		agent->holds++;
	if (agent == NULL || pending->client == NULL) {
		if (pending->holds || pending->head.type == BROKER_MAP)
			later(pending->agent, pending->life, result->unit, !pending->holds);
		return -ENOENT;
	}
	/* What a fork holds was known to the content alone. */
	if (pending->head.type == BROKER_FORK && agent_allows(agent, 0) != 0) {
		later(pending->agent, pending->life, result->unit, false);
		return -EDQUOT;
	}
	if (pending->head.type == BROKER_MAP && !process_map(pending->client->process, result->unit)) {
		later(pending->agent, pending->life, result->unit, true);
		return -ENOSPC;
	}
	return 0;
}

static void tell(const struct pending *pending, const struct content_result *result)
{
	struct client *client = pending->client;
	bool is_map = pending->head.type == BROKER_MAP, is_read = pending->head.type == BROKER_READ;
	struct answer answer = { .request = &pending->head, .fd = is_map || is_read || pending->head.type == BROKER_ALLOC ? result->fd : -1, .hold = pending->holds ? result->unit : 0 };
	struct broker_bytes bytes = { .bytes = result->data != NULL ? result->data_bytes : result->bytes, .total_bytes = result->total_bytes };
	struct broker_unit unit;

	reply_unit(result, &unit);
	answer.body = &unit;
	answer.body_bytes = sizeof(unit);
	if ((is_map || is_read) && result->data != NULL && result->fd < 0) {
		answer.data = result->data;
		answer.data_bytes = result->data_bytes < BROKER_INLINE_MOST ? result->data_bytes : BROKER_INLINE_MOST;
	}
	if (is_read) {
		if (result->fd < 0)
			bytes.bytes = answer.data_bytes;
		answer.body = &bytes;
		answer.body_bytes = sizeof(bytes);
	} else if (pending->head.type == BROKER_STAT_UNIT) {
		answer.body = &pending->stat;
		answer.body_bytes = sizeof(pending->stat);
	} else if (pending->head.type == BROKER_MARK_HOT) {
		answer.body_bytes = 0;
	}
	if (client_answer(client, &answer) == 0)
		return;
	/* No descriptor to send it with: what was handed in is there all the same. */
	answer.fd = -1;
	if (is_map || is_read) {
		if (is_map && process_unmap(client->process, result->unit))
			later(pending->agent, pending->life, result->unit, true);
		answer.error = -ENFILE;
	}
	(void)client_answer(client, &answer);
}

static void done(void *context, const struct content_result *result)
{
	struct pending *pending = context;
	int error = settle(pending, result);

	if (pending->client != NULL && error == 0)
		tell(pending, result);
	else if (pending->client != NULL)
		client_error(pending->client, &pending->head, error);
	pending_end(pending);
}

void pending_client_gone(struct client *client)
{
	for (struct pending *pending = client->pendings; pending != NULL; pending = pending->next)
		pending->client = NULL;
	client->pendings = NULL;
	client->outstanding = 0;
}

static void claim(struct client *client, struct pending *pending, const struct broker_claim *claim)
{
	struct content_question *question = client->question;
	struct am_digest digest;

	memcpy(digest.bytes, claim->digest, sizeof(digest.bytes));
	client->question = NULL;
	client->agent->questions--;
	pending->holds = true;
	content_claim(front.content, question, pending->agent, (enum am_kind)claim->kind, &digest, claim->tag_low, claim->tag_high, done, pending);
}

/* Before anything is begun: what a request would add to what the agent holds. */
static int check_limits(const struct client *client, const struct request *request, uint64_t *more_bytes)
{
	const struct agent *agent = client->agent;

	*more_bytes = 0;
	switch (request->head.type) {
	case BROKER_CLAIM:
		if (client->question == NULL || client->question_number != request->claim.question)
			return -ENOENT;
		*more_bytes = client->question_bytes;
		break;
	case BROKER_ALLOC:
	case BROKER_APPEND:
	case BROKER_EDIT:
		*more_bytes = request->data_bytes;
		break;
	case BROKER_FORK:
		break;
	default:
		return 0;
	}
	if (agent->holds + agent->outstanding >= AGENT_HOLDS_MOST)
		return -EDQUOT;
	return agent_allows(agent, *more_bytes);
}

/* What the content answers through done(), perhaps before it returns: `pending` and what it names may be gone then. */
static void start(struct client *client, const struct request *request, struct pending *pending, struct content_source source)
{
	uint64_t agent = pending->agent, unit = request->number.unit;

	switch (request->head.type) {
	case BROKER_CLAIM:
		claim(client, pending, &request->claim);
		break;
	case BROKER_ALLOC:
		pending->holds = true;
		content_add(front.content, agent, client->agent->domain->number, (enum am_kind)request->alloc.kind, source, done, pending);
		break;
	case BROKER_APPEND:
		content_append(front.content, agent, request->edit.unit, source, done, pending);
		break;
	case BROKER_EDIT:
		content_edit(front.content, agent, request->edit.unit, request->edit.offset, request->edit.old_bytes, source, done, pending);
		break;
	case BROKER_FORK:
		pending->holds = true;
		content_fork(front.content, agent, unit, request->number.value, done, pending);
		break;
	case BROKER_MARK_HOT:
		content_mark_hot(front.content, agent, unit, done, pending);
		break;
	case BROKER_MAP:
		content_map(front.content, agent, unit, done, pending);
		break;
	case BROKER_READ:
		content_read(front.content, agent, request->read.unit, request->read.offset, request->read.bytes, done, pending);
		break;
	default:
		content_stat(front.content, agent, unit, done, pending, &pending->stat);
	}
}

void pending_start(struct client *client, const struct request *request, int fd)
{
	uint64_t more_bytes;
	int error = check_limits(client, request, &more_bytes);
	struct pending *pending = error == 0 ? pending_add(client, request) : NULL;

	if (pending == NULL) {
		if (fd >= 0)
			close(fd);
		client_error(client, &request->head, error == 0 ? -ENOMEM : error);
		return;
	}
	pending->pending_bytes = more_bytes;
	client->agent->pending_bytes += more_bytes;
	start(client, request, pending, (struct content_source){ .data = request->in_memfd ? NULL : request->data, .fd = fd, .bytes = request->data_bytes });
}

void pending_finish(void)
{
	pending_settle();
	free(laters);
	laters = NULL;
	later_room = 0;
}
