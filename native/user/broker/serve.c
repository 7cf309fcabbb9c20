/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker/limits.h"
#include "broker/look.h"

/* A request that the content answers, perhaps later. */
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
static uint64_t question_count;

unsigned serve_outstanding(void)
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

void serve_later_free(uint64_t agent, uint64_t life, uint64_t unit)
{
	/* Of one that has gone everything was given back with it. */
	if (agent_of_life(agent, life) != NULL)
		later(agent, life, unit, false);
}

void serve_settle(void)
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

static void unit_body(const struct content_result *result, struct broker_unit *unit)
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

	unit_body(result, &unit);
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

void serve_agent_left(struct client *client)
{
	if (client->question == NULL)
		return;
	content_forget(front.content, client->question);
	client->question = NULL;
	client->agent->questions--;
}

void serve_client_gone(struct client *client)
{
	for (struct pending *pending = client->pendings; pending != NULL; pending = pending->next)
		pending->client = NULL;
	client->pendings = NULL;
	client->outstanding = 0;
}

static void ask(struct client *client, const struct request *request)
{
	struct broker_secret secret = { .question = ++question_count };
	struct client *oldest = client;

	if (look_random(secret.secret, sizeof(secret.secret)) != 0) {
		client_error(client, &request->head, -EIO);
		return;
	}
	if (client->question == NULL && client->agent->questions >= AGENT_QUESTIONS_MOST)
		oldest = clients_oldest_question(client->agent);
	if (oldest->question != NULL) {
		content_forget(front.content, oldest->question);
		oldest->question = NULL;
		client->agent->questions--;
	}
	client->question = content_ask(front.content, client->agent->domain->number, request->ask.bytes, request->ask.fingerprint, secret.secret);
	if (client->question == NULL) {
		client_error(client, &request->head, -ENOMEM);
		return;
	}
	client->agent->questions++;
	client->question_number = secret.question;
	client->question_bytes = request->ask.bytes;
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &secret, .body_bytes = sizeof(secret), .fd = -1 });
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

static void start_or_refuse(struct client *client, const struct request *request, int fd)
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

static int unmap(struct client *client, uint64_t unit)
{
	if (client->process == NULL || !process_unmap(client->process, unit))
		return -ENOENT;
	return content_unmap(front.content, client->agent->number, unit);
}

/* ENOENT for whoever is not there, is of another domain, or is to get what the agent does not hold. */
static int share(const struct agent *agent, uint64_t unit, uint64_t number)
{
	struct agent *other = agent_of_number(number);
	int error;

	if (other == NULL || other->domain != agent->domain)
		return -ENOENT;
	error = content_share(front.content, agent->number, unit, other->number, other->domain->number);
	if (error != 0)
		return error;
	other->holds++;
	if (other->holds <= AGENT_HOLDS_MOST && agent_allows(other, 0) == 0)
		return 0;
	later(other->number, other->life, unit, false);
	return -EDQUOT;
}

static int free_unit(struct agent *agent, uint64_t unit)
{
	int error = content_free(front.content, agent->number, unit);

	if (error == 0 && agent->holds > 0)
		agent->holds--;
	return error;
}

static int set_state(struct agent *agent, enum am_state state)
{
	if (state == AM_STATE_GONE) {
		clients_leave(agent);
		agent_remove(agent);
		return 0;
	}
	agent->state = state;
	agent_changed(agent);
	content_agent_state(front.content, agent->number, state);
	front_step_soon();
	return 0;
}

static void find(struct client *client, const struct request *request)
{
	struct content_result result = { .fd = -1 };
	struct am_digest digest;
	struct broker_unit unit;
	int error;

	memcpy(digest.bytes, request->find.digest, sizeof(digest.bytes));
	error = content_find(front.content, client->agent->number, client->agent->domain->number, &digest, &result);
	unit_body(&result, &unit);
	(void)client_answer(client, &(struct answer){ .request = &request->head, .error = error, .body = &unit, .body_bytes = sizeof(unit), .fd = -1 });
}

static void serve_agent(struct client *client, const struct request *request, int fd)
{
	struct agent *agent = client->agent;
	int error;

	agent->used_ms = front.now_ms;
	switch (request->head.type) {
	case BROKER_STATE:
		error = set_state(agent, (enum am_state)request->number.value);
		break;
	case BROKER_IMPORTANCE:
		agent->importance = request->number.value == 0 ? 50 : (uint32_t)request->number.value;
		agent_changed(agent);
		front_step_soon();
		error = 0;
		break;
	case BROKER_ASK:
		ask(client, request);
		return;
	case BROKER_SHARE:
		error = share(agent, request->number.unit, request->number.value);
		break;
	case BROKER_FIND:
		find(client, request);
		return;
	case BROKER_UNMAP:
		error = unmap(client, request->number.unit);
		break;
	case BROKER_FREE:
		error = free_unit(agent, request->number.unit);
		break;
	default:
		start_or_refuse(client, request, fd);
		return;
	}
	client_error(client, &request->head, error);
}

void serve_request(struct client *client, const struct request *request, int fd)
{
	int error = 0;

	if (!client->greeted && request->head.type != BROKER_HELLO)
		error = -ENOTCONN;
	else if (request->head.type == BROKER_HELLO)
		look_hello(client, request);
	else if (request->head.type == BROKER_STAT)
		look_stat(client, request);
	else if (request->head.type == BROKER_LIST)
		look_list(client, request);
	else if (request->head.type == BROKER_SETTINGS)
		look_settings(client, request);
	else if (client->agent == NULL)
		error = -ENOENT;
	else {
		serve_agent(client, request, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (error != 0)
		client_error(client, &request->head, error);
}

void serve_end(void)
{
	serve_settle();
	free(laters);
	laters = NULL;
	later_room = 0;
}
