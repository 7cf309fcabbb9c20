/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/serve.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker/limits.h"
#include "broker/look.h"
#include "broker/pending.h"

static uint64_t question_count;

void serve_agent_left(struct client *client)
{
	if (client->question == NULL)
		return;
	content_forget(front.content, client->question);
	client->question = NULL;
	client->agent->questions--;
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
	pending_later_free(other->number, other->life, unit);
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
	reply_unit(&result, &unit);
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
		pending_start(client, request, fd);
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
