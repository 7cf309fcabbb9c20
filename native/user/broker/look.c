/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/look.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "broker/limits.h"
#include "broker/process.h"
#include "common/digest.h"

#define LINES_MOST 256u

int look_random(void *room, size_t bytes)
{
	uint8_t *at = room;

	while (bytes > 0) {
		ssize_t got = getrandom(at, bytes, 0);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0) {
			at += got;
			bytes -= (size_t)got;
		}
	}
	return 0;
}

static struct process *join(struct client *client, struct agent *agent)
{
	/* Where its number means nothing to us, each connection is a process of its own. */
	static uint64_t unseen;
	uint64_t start = client->pid > 0 ? process_start(client->pid) : 0;
	int pidfd = process_of_peer(client->watch.fd);

	if (pidfd < 0 && client->pid > 0)
		pidfd = process_open(client->pid);
	return process_join(agent, client->pid, start != 0 ? start : UINT64_MAX - ++unseen, pidfd);
}

static int greet_agent(struct client *client, const struct broker_hello *hello, uint32_t *was_added)
{
	static const uint8_t no_token[TOKEN_BYTES];
	bool is_new = memcmp(hello->token, no_token, TOKEN_BYTES) == 0;
	struct agent *agent;

	if (!front_is_enabled())
		return -ENODEV;
	agent = is_new ? NULL : agent_of_token(hello->token);
	/* Who names a token first is its agent: it is a secret of 128 bits that gives nothing but what is handed in under it. */
	if (agent == NULL && (is_new || (hello->flags & 2u) != 0)) {
		is_new = true;
		agent = agent_add(hello);
	}
	if (agent == NULL)
		return is_new ? -errno : -EACCES;
	if (agent->connections >= AGENT_CLIENTS_MOST)
		return -EBUSY;
	client->process = join(client, agent);
	if (client->process == NULL) {
		int error = -errno;

		if (is_new)
			agent_remove(agent);
		return error;
	}
	*was_added = is_new;
	client->agent = agent;
	agent->connections++;
	agent->used_ms = front.now_ms;
	return 0;
}

void look_hello(struct client *client, const struct request *request)
{
	struct broker_welcome welcome = { .version = 1, .broker = front.number };
	int error = client->greeted ? -EISCONN : 0;

	if (error == 0 && (request->hello.flags & 1u) == 0)
		error = greet_agent(client, &request->hello, &welcome.is_new);
	if (error != 0) {
		client_error(client, &request->head, error);
		return;
	}
	client->greeted = true;
	if (client->agent != NULL) {
		welcome.agent = client->agent->number;
		memcpy(welcome.token, client->agent->token, sizeof(welcome.token));
	}
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &welcome, .body_bytes = sizeof(welcome), .fd = -1 });
}

void look_stat(struct client *client, const struct request *request)
{
	struct broker_stat stat = { 0 };
	struct agent *agent = client->agent;

	content_stat_all(front.content, &stat);
	if (agent != NULL) {
		content_agent_stat(front.content, agent->number, &stat);
		stat.agent = agent->number;
		memcpy(stat.token, agent->token, sizeof(stat.token));
		stat.state = agent_state(agent);
		stat.quota_bytes = agent_quota(agent);
	}
	stat.user_agents = agents_count();
	stat.user_own_bytes += agents_bytes() + domains_bytes() + clients_count() * sizeof(struct client);
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &stat, .body_bytes = sizeof(stat), .fd = -1 });
}

/* One that only looks sees all of the user's; an agent sees its own domain. */
static bool may_see(const struct client *client, const struct agent *agent)
{
	return client->agent == NULL || client->agent->domain == agent->domain;
}

static void list_agents(struct client *client, const struct request *request)
{
	static struct broker_agent_line lines[LINES_MOST];
	struct broker_listed listed = { .line_bytes = sizeof(lines[0]) };
	struct agent *agent = agents_next(request->list.after);

	for (; agent != NULL; agent = agents_next(agent->number)) {
		if (!may_see(client, agent))
			continue;
		if (listed.count == LINES_MOST) {
			listed.more = 1;
			break;
		}
		agent_line(agent, &lines[listed.count++]);
	}
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &listed, .body_bytes = sizeof(listed), .data = lines, .data_bytes = listed.count * sizeof(lines[0]), .fd = -1 });
}

/*
 * To tell units apart needs no digest of theirs: with one, who only looks could
 * find out by guessing whether content is somewhere in the broker.
 */
static void hide_digest(uint8_t digest[8])
{
	struct {
		uint8_t secret[sizeof(front.secret)];
		uint8_t digest[8];
	} text;
	struct am_digest hidden;

	memcpy(text.secret, front.secret, sizeof(text.secret));
	memcpy(text.digest, digest, sizeof(text.digest));
	digest_of(&text, sizeof(text), &hidden);
	memcpy(digest, hidden.bytes, sizeof(text.digest));
}

static void list_units(struct client *client, const struct request *request)
{
	static struct broker_unit_line lines[LINES_MOST];
	struct broker_listed listed = { .line_bytes = sizeof(lines[0]) };
	uint64_t number = request->list.agent;
	const struct agent *agent;
	bool more = false;

	if (number == 0 && client->agent != NULL)
		number = client->agent->number;
	agent = number == 0 ? NULL : agent_of_number(number);
	if (number != 0 && (agent == NULL || !may_see(client, agent))) {
		client_error(client, &request->head, -ENOENT);
		return;
	}
	listed.count = content_unit_lines(front.content, number, request->list.after, lines, LINES_MOST, &more);
	listed.more = more;
	if (client->agent == NULL)
		for (unsigned i = 0; i < listed.count; i++)
			hide_digest(lines[i].digest);
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &listed, .body_bytes = sizeof(listed), .data = lines, .data_bytes = listed.count * sizeof(lines[0]), .fd = -1 });
}

void look_list(struct client *client, const struct request *request)
{
	if (request->list.what == 0)
		list_agents(client, request);
	else
		list_units(client, request);
}

static bool take_setting(uint64_t *value, uint64_t wanted)
{
	bool is_new = wanted != 0 && wanted != *value;

	if (is_new)
		*value = wanted;
	return is_new;
}

void look_settings(struct client *client, const struct request *request)
{
	const struct broker_settings *wanted = &request->settings;
	struct broker_settings fresh;
	bool changes;

	/* A control center has just written it. */
	if (client->agent == NULL)
		front_look_at_file();
	fresh = front.settings;
	changes = take_setting(&fresh.warm_after_ms, wanted->warm_after_ms);

	changes |= take_setting(&fresh.cold_after_ms, wanted->cold_after_ms);
	changes |= take_setting(&fresh.thorough_after_ms, wanted->thorough_after_ms);
	changes |= take_setting(&fresh.hot_most_bytes, wanted->hot_most_bytes);
	changes |= take_setting(&fresh.warm_most_bytes, wanted->warm_most_bytes);
	changes |= take_setting(&fresh.cold_most_bytes, wanted->cold_most_bytes);
	changes |= take_setting(&fresh.quota_bytes, wanted->quota_bytes);
	/* An agent that was put into a domain of its own decides nothing for others. */
	if (changes && client->agent != NULL && client->agent->domain->name[0] != '\0') {
		client_error(client, &request->head, -EPERM);
		return;
	}
	if (changes) {
		front.settings = fresh;
		front_apply_settings();
	}
	(void)client_answer(client, &(struct answer){ .request = &request->head, .body = &front.settings, .body_bytes = sizeof(front.settings), .fd = -1 });
}
