/* SPDX-License-Identifier: Apache-2.0 */
/* Agents that name their own token: they were somebody before, or say so. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"

#define IS_AGAIN 2u
#define LARGE_BYTES (64u << 20)

static void new_token(uint8_t token[16])
{
	CHECK(getrandom(token, 16, 0) == 16);
}

static struct raw *again(const uint8_t token[16], const char *domain, uint64_t quota_bytes)
{
	struct raw *raw = raw_connect();
	struct timeval most = { .tv_sec = 30 };

	CHECK(setsockopt(raw->socket, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) == 0);
	EQUAL(raw_hello(raw, "again", domain, token, quota_bytes, IS_AGAIN), 0);
	CHECK(memcmp(raw->welcome.token, token, 16) == 0);
	return raw;
}

static const char *domain_of(struct raw *raw)
{
	const struct broker_listed *listed = (const struct broker_listed *)raw->body;
	const struct broker_agent_line *line = (const struct broker_agent_line *)(listed + 1);

	EQUAL(raw_list(raw, 0, 0, raw->welcome.agent - 1), 0);
	CHECK(listed->count > 0 && line->agent == raw->welcome.agent);
	return line->domain;
}

void play_again(void)
{
	struct raw *first, *second, *third, *late = raw_connect();
	uint8_t token[16];
	uint64_t unit, agent;

	new_token(token);
	EQUAL(raw_hello(late, "unknown", "", token, 0, 0), -EACCES);
	first = again(token, "apart", 0);
	agent = first->welcome.agent;
	EQUAL(first->welcome.is_new, 1);
	EQUAL(raw_alloc(first, AGENTMEM_OTHER, "of the agent", 12, &unit), 0);
	/* Who is known joins: what else he says changes nothing. */
	second = again(token, "elsewhere", 0);
	EQUAL(second->welcome.agent, agent);
	EQUAL(second->welcome.is_new, 0);
	CHECK(strcmp(domain_of(second), "apart") == 0);
	EQUAL(raw_read(second, unit, 0, 100), 0);
	/* Behind its end it has the same number, and nothing else of before: told, so that nobody takes it for the old one. */
	EQUAL(raw_number(second, BROKER_STATE, 0, AGENTMEM_GONE), 0);
	third = again(token, "elsewhere", 0);
	EQUAL(third->welcome.agent, agent);
	EQUAL(third->welcome.is_new, 1);
	CHECK(strcmp(domain_of(third), "elsewhere") == 0);
	EQUAL(raw_read(third, unit, 0, 100), -ENOENT);
	EQUAL(raw_read(first, unit, 0, 100), -ENOENT);
	EQUAL(raw_stat(third)->units, 0);
	raw_close(first);
	raw_close(second);
	raw_close(third);
	raw_close(late);
}

/* What is under way as an agent ends is not the account of who comes with its token after it. */
void play_afterlife(void)
{
	uint8_t *text = text_of(4711, LARGE_BYTES);
	struct broker_alloc body = { .kind = AGENTMEM_OTHER, .bytes = LARGE_BYTES };
	struct broker_head head = { .magic = BROKER_MAGIC, .type = BROKER_ALLOC, .sequence = 99, .bytes = sizeof(body) };
	uint8_t message[sizeof(head) + sizeof(body)];
	struct raw *old, *other, *young;
	uint8_t token[16];
	uint64_t unit;
	int fd = memfd_of(text, LARGE_BYTES, ALL_SEALS);

	new_token(token);
	old = again(token, "", LARGE_BYTES + LARGE_BYTES / 2);
	other = again(token, "", 0);
	memcpy(message, &head, sizeof(head));
	memcpy(message + sizeof(head), &body, sizeof(body));
	EQUAL(raw_send(old, message, sizeof(message), &fd, 1), 0);
	EQUAL(raw_number(other, BROKER_STATE, 0, AGENTMEM_GONE), 0);
	young = again(token, "", LARGE_BYTES + LARGE_BYTES / 2);
	CHECK(raw_receive(old));
	EQUAL(old->head.sequence, 99);
	/* Answered before the end, or told that it came too late. */
	CHECK(old->head.error == 0 || old->head.error == -ENOENT);
	EQUAL(raw_stat(young)->units, 0);
	EQUAL(raw_alloc_fd(young, AGENTMEM_OTHER, fd, LARGE_BYTES, &unit), 0);
	text[0]++;
	close(fd);
	fd = memfd_of(text, LARGE_BYTES, ALL_SEALS);
	EQUAL(raw_alloc_fd(young, AGENTMEM_OTHER, fd, LARGE_BYTES, &unit), -EDQUOT);
	close(fd);
	free(text);
	raw_close(old);
	raw_close(other);
	raw_close(young);
}

/* Behind play_remember() and a broker that forgot: the same token, the same number, a new agent. */
void play_anew(void)
{
	struct raw *raw, *stranger = raw_connect();
	struct broker_welcome before;
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s.token", socket_path);
	file = fopen(path, "rb");
	CHECK(file != NULL && fread(&before, sizeof(before), 1, file) == 1 && fclose(file) == 0);
	EQUAL(raw_hello(stranger, "back", "", before.token, 0, 0), -EACCES);
	raw = again(before.token, "apart", 0);
	CHECK(raw->welcome.broker != before.broker);
	EQUAL(raw->welcome.agent, before.agent);
	EQUAL(raw->welcome.is_new, 1);
	EQUAL(raw_stat(raw)->units, 0);
	raw_close(raw);
	raw_close(stranger);
}
