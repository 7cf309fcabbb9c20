/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"
#include "common/digest.h"

#define LARGE (1000u * 1000u)

static void same(const struct raw *raw, size_t offset, const void *data, size_t bytes)
{
	EQUAL(raw->bytes, offset + bytes);
	CHECK(memcmp(raw->body + offset, data, bytes) == 0);
}

/* What was mapped: a memfd with all seals, or data behind the unit. */
static void mapped_same(const struct raw *raw, const void *data, size_t bytes)
{
	void *map;

	EQUAL(raw_unit(raw)->bytes, bytes);
	if (raw->fd < 0) {
		same(raw, sizeof(struct broker_unit), data, bytes);
		return;
	}
	EQUAL(fcntl(raw->fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
	CHECK(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, raw->fd, 0) == MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, raw->fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK(memcmp(map, data, bytes) == 0);
	munmap(map, bytes);
}

static void units(struct raw *raw)
{
	uint8_t *text = text_of(1, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct am_digest digest;
	uint64_t small, again, large;

	EQUAL(raw_alloc(raw, AGENTMEM_TOOL_RESULT, "hello", 5, &small), 0);
	EQUAL(raw_unit(raw)->known, 0);
	EQUAL(raw_unit(raw)->kind, AGENTMEM_TOOL_RESULT);
	digest_of("hello", 5, &digest);
	CHECK(raw_unit(raw)->has_digest && memcmp(raw_unit(raw)->digest, digest.bytes, 32) == 0);
	EQUAL(raw_find(raw, digest.bytes), 0);
	EQUAL(raw_unit(raw)->unit, small);
	EQUAL(raw_alloc(raw, AGENTMEM_TOOL_RESULT, "hello", 5, &again), 0);
	EQUAL(raw_unit(raw)->known, 1);
	EQUAL(again, small);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &large), 0);
	CHECK(large != small);
	EQUAL(raw_number(raw, BROKER_MAP, large, 0), 0);
	mapped_same(raw, text, LARGE);
	EQUAL(raw_number(raw, BROKER_MAP, small, 0), 0);
	mapped_same(raw, "hello", 5);
	EQUAL(raw_number(raw, BROKER_UNMAP, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_UNMAP, small, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_UNMAP, large, 0), 0);
	EQUAL(raw_number(raw, BROKER_MARK_HOT, large, 0), 0);
	EQUAL(raw->bytes, 0);
	EQUAL(raw_read(raw, large, 999990, 100), 0);
	EQUAL(((struct broker_bytes *)raw->body)->bytes, 10);
	EQUAL(((struct broker_bytes *)raw->body)->total_bytes, LARGE);
	same(raw, sizeof(struct broker_bytes), text + 999990, 10);
	EQUAL(raw_read(raw, large, LARGE, 1), 0);
	EQUAL(((struct broker_bytes *)raw->body)->bytes, 0);
	EQUAL(raw_read(raw, large, 1, UINT64_MAX), 0);
	CHECK(((struct broker_bytes *)raw->body)->bytes > 0);
	EQUAL(raw_number(raw, BROKER_STAT_UNIT, large, 0), 0);
	EQUAL(((struct broker_unit_stat *)raw->body)->bytes, LARGE);
	EQUAL(((struct broker_unit_stat *)raw->body)->sharers, 1);
	EQUAL(raw_stat(raw)->units, 2);
	EQUAL(raw_stat(raw)->bytes, LARGE + 5);
	CHECK(memcmp(raw_stat(raw)->token, raw->welcome.token, 16) == 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_FREE, large, 0), 0);
	EQUAL(raw_stat(raw)->units, 0);
	EQUAL(raw_find(raw, digest.bytes), -ENOENT);
	close(memfd);
	free(text);
}

static void conversation(struct raw *raw)
{
	uint64_t unit, fork;
	uint8_t *text = text_of(2, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct broker_edit edit = { .bytes = LARGE };

	EQUAL(raw_alloc(raw, AGENTMEM_CONVERSATION, NULL, 0, &unit), 0);
	EQUAL(raw_edit(raw, BROKER_APPEND, unit, 0, 0, "one two three", 13), 0);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 4, 3, "2", 1), 0);
	EQUAL(raw_read(raw, unit, 0, 100), 0);
	same(raw, sizeof(struct broker_bytes), "one 2 three", 11);
	EQUAL(raw_number(raw, BROKER_FORK, unit, 5), 0);
	fork = raw_unit(raw)->unit;
	EQUAL(raw_edit(raw, BROKER_APPEND, fork, 0, 0, "!", 1), 0);
	EQUAL(raw_number(raw, BROKER_MAP, fork, 0), 0);
	mapped_same(raw, "one 2!", 6);
	EQUAL(raw_number(raw, BROKER_FORK, unit, UINT64_MAX), 0);
	EQUAL(raw_unit(raw)->bytes, 11);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 12, 0, "x", 1), -EINVAL);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 0, 12, "x", 1), -EINVAL);
	edit.unit = unit;
	EQUAL(raw_call(raw, BROKER_APPEND, &edit, sizeof(edit), NULL, 0, memfd), 0);
	EQUAL(raw_unit(raw)->bytes, LARGE + 11);
	EQUAL(raw_read(raw, unit, 11, 100), 0);
	same(raw, sizeof(struct broker_bytes), text, 100);
	close(memfd);
	free(text);
}

void play_requests(void)
{
	struct raw *raw = raw_open("right", ""), *other = raw_open("other", "");
	uint64_t unit;

	CHECK(raw->welcome.agent != 0 && raw->welcome.broker != 0 && raw->welcome.broker == other->welcome.broker);
	CHECK(memcmp(raw->welcome.token, other->welcome.token, 16) != 0);
	units(raw);
	conversation(raw);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "shared", 6, &unit), 0);
	EQUAL(raw_number(other, BROKER_FREE, unit, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_SHARE, unit, other->welcome.agent), 0);
	EQUAL(raw_number(other, BROKER_STAT_UNIT, unit, 0), 0);
	EQUAL(((struct broker_unit_stat *)other->body)->sharers, 2);
	EQUAL(raw_number(raw, BROKER_SHARE, unit, other->welcome.agent + 1), -ENOENT);
	EQUAL(raw_number(raw, BROKER_SHARE, unit + 1000000, other->welcome.agent), -ENOENT);
	EQUAL(raw_number(other, BROKER_FREE, unit, 0), 0);
	EQUAL(raw_number(raw, BROKER_STATE, 0, AGENTMEM_SUSPENDED), 0);
	EQUAL(raw_stat(raw)->state, AGENTMEM_SUSPENDED);
	EQUAL(raw_number(raw, BROKER_STATE, 0, AGENTMEM_ACTIVE), 0);
	EQUAL(raw_number(raw, BROKER_IMPORTANCE, 0, 90), 0);
	raw_close(raw);
	raw_close(other);
}

/* The head says one thing, the body another. */
static int send_odd(struct raw *raw, struct broker_head head, const void *body, size_t bytes)
{
	uint8_t message[4096];

	memcpy(message, &head, sizeof(head));
	if (bytes > 0)
		memcpy(message + sizeof(head), body, bytes);
	EQUAL(raw_send(raw, message, sizeof(head) + bytes, NULL, 0), 0);
	return raw_receive(raw) ? raw->head.error : -ECONNRESET;
}

static void wrong_heads(void)
{
	struct raw *raw = raw_open("wrong", "");
	static uint8_t huge[BROKER_MESSAGE_MOST + 1000];
	struct broker_head head = { .magic = BROKER_MAGIC, .type = BROKER_STAT, .sequence = 77 };

	EQUAL(send_odd(raw, head, NULL, 0), 0);
	head.bytes = 5;
	EQUAL(send_odd(raw, head, NULL, 0), -EBADMSG);
	EQUAL(raw->head.sequence, 77);
	head.bytes = UINT32_MAX;
	EQUAL(send_odd(raw, head, "x", 1), -EMSGSIZE);
	head.bytes = 0;
	EQUAL(send_odd(raw, head, "x", 1), -EBADMSG);
	head.flags = 1;
	EQUAL(send_odd(raw, head, NULL, 0), -EINVAL);
	head.flags = 0;
	head.error = -1;
	EQUAL(send_odd(raw, head, NULL, 0), -EINVAL);
	head.error = 0;
	head.type = BROKER_TYPE_END;
	EQUAL(send_odd(raw, head, NULL, 0), -EOPNOTSUPP);
	head.type = 0;
	EQUAL(send_odd(raw, head, NULL, 0), -EOPNOTSUPP);
	/* Longer than any message. */
	head.type = BROKER_ALLOC;
	head.bytes = sizeof(huge) - sizeof(head);
	memcpy(huge, &head, sizeof(head));
	EQUAL(raw_send(raw, huge, sizeof(huge), NULL, 0), 0);
	CHECK(raw_receive(raw));
	EQUAL(raw->head.error, -EMSGSIZE);
	EQUAL(raw->head.sequence, 77);
	/* The connection is as good as before. */
	EQUAL(raw_stat(raw)->units, 0);
	/* Another language ends it, after a word. */
	head.magic++;
	EQUAL(send_odd(raw, head, NULL, 0), -EPROTO);
	CHECK(!raw_receive(raw));
	raw_close(raw);
	raw = raw_open("half", "");
	EQUAL(raw_send(raw, &head, 10, NULL, 0), 0);
	CHECK(raw_receive(raw));
	EQUAL(raw->head.error, -EPROTO);
	CHECK(!raw_receive(raw));
	raw_close(raw);
}

static void wrong_greetings(void)
{
	struct raw *raw = raw_connect();
	struct broker_hello hello = { .version = 1 };

	EQUAL(raw_call(raw, BROKER_STAT, NULL, 0, NULL, 0, -1), -ENOTCONN);
	EQUAL(raw_number(raw, BROKER_FREE, 1, 0), -ENOTCONN);
	hello.version = 2;
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1), -EPROTO);
	hello.version = 1;
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello) - 1, NULL, 0, -1), -EBADMSG);
	hello.importance = 101;
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1), -EINVAL);
	hello.importance = 0;
	hello.flags = 4;
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1), -EINVAL);
	hello.flags = 0;
	memset(hello.name, 'n', sizeof(hello.name));
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1), -EINVAL);
	memset(hello.name, 0, sizeof(hello.name));
	strcpy(hello.domain, "a\nb");
	EQUAL(raw_call(raw, BROKER_HELLO, &hello, sizeof(hello), NULL, 0, -1), -EINVAL);
	EQUAL(raw_hello(raw, "at last", "", NULL, 0, 0), 0);
	EQUAL(raw_hello(raw, "twice", "", NULL, 0, 0), -EISCONN);
	raw_close(raw);
}

static void wrong_bodies(struct raw *raw)
{
	static const unsigned numbered[] = { BROKER_FORK, BROKER_MARK_HOT, BROKER_MAP, BROKER_UNMAP, BROKER_STAT_UNIT, BROKER_FREE };
	struct broker_alloc alloc = { .kind = AGENTMEM_OTHER, .bytes = 10 };
	struct broker_edit edit = { .bytes = 3, .offset = 1 };
	struct broker_claim claim = { .kind = AGENTMEM_OTHER, .question = 12345 };
	struct broker_ask ask = { 0 };
	uint64_t unit, prompt;

	for (size_t i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		EQUAL(raw_number(raw, numbered[i], 0, 0), -ENOENT);
		EQUAL(raw_number(raw, numbered[i], UINT64_MAX, UINT64_MAX), -ENOENT);
		EQUAL(raw_call(raw, numbered[i], "short", 5, NULL, 0, -1), -EBADMSG);
	}
	EQUAL(raw_read(raw, 99, 0, 1), -ENOENT);
	EQUAL(raw_edit(raw, BROKER_APPEND, 99, 0, 0, "x", 1), -ENOENT);
	EQUAL(raw_edit(raw, BROKER_EDIT, 99, 0, 0, "x", 1), -ENOENT);
	/* Data that is less, more, or nothing. */
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), "short", 5, -1), -EBADMSG);
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), "more than ten", 13, -1), -EBADMSG);
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, 8, NULL, 0, -1), -EBADMSG);
	alloc.bytes = UINT64_MAX;
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), "x", 1, -1), -E2BIG);
	alloc.bytes = BROKER_UNIT_MOST + 1;
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), NULL, 0, -1), -E2BIG);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "", 0, &unit), -EINVAL);
	EQUAL(raw_alloc(raw, 0, "x", 1, &unit), -EINVAL);
	EQUAL(raw_alloc(raw, 6, "x", 1, &unit), -EINVAL);
	alloc = (struct broker_alloc){ .kind = AGENTMEM_OTHER, .reserved = 1, .bytes = 1 };
	EQUAL(raw_call(raw, BROKER_ALLOC, &alloc, sizeof(alloc), "x", 1, -1), -EINVAL);
	{
		static uint8_t big[BROKER_INLINE_MOST + 1];

		EQUAL(raw_alloc(raw, AGENTMEM_OTHER, big, sizeof(big), &unit), -EMSGSIZE);
		EQUAL(raw_alloc(raw, AGENTMEM_OTHER, big, sizeof(big) - 1, &unit), 0);
		EQUAL(raw_number(raw, BROKER_FREE, unit, 0), 0);
	}
	EQUAL(raw_alloc(raw, AGENTMEM_SYSTEM_PROMPT, "prompt", 6, &prompt), 0);
	EQUAL(raw_edit(raw, BROKER_APPEND, prompt, 0, 0, "x", 1), -EINVAL);
	EQUAL(raw_edit(raw, BROKER_EDIT, prompt, 0, 1, "x", 1), -EINVAL);
	EQUAL(raw_number(raw, BROKER_FORK, prompt, 1), -EINVAL);
	EQUAL(raw_number(raw, BROKER_FREE, prompt, 0), 0);
	EQUAL(raw_call(raw, BROKER_APPEND, &edit, sizeof(edit), "abc", 3, -1), -EINVAL);
	edit.offset = UINT64_MAX;
	EQUAL(raw_call(raw, BROKER_EDIT, &edit, sizeof(edit), "abc", 3, -1), -EINVAL);
	edit = (struct broker_edit){ .bytes = 3, .old_bytes = UINT64_MAX };
	EQUAL(raw_call(raw, BROKER_EDIT, &edit, sizeof(edit), "abc", 3, -1), -EINVAL);
	EQUAL(raw_number(raw, BROKER_STATE, 0, 0), -EINVAL);
	EQUAL(raw_number(raw, BROKER_STATE, 0, 5), -EINVAL);
	EQUAL(raw_number(raw, BROKER_STATE, 1, AGENTMEM_IDLE), -EINVAL);
	EQUAL(raw_number(raw, BROKER_IMPORTANCE, 0, 101), -EINVAL);
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), -EINVAL);
	ask.bytes = BROKER_UNIT_MOST + 1;
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), -E2BIG);
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -ENOENT);
	claim.kind = 0;
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -EINVAL);
	EQUAL(raw_list(raw, 2, 0, 0), -EINVAL);
	EQUAL(raw_list(raw, 1, 12345, 0), -ENOENT);
	EQUAL(raw_stat(raw)->units, 0);
}

void play_wrong(void)
{
	struct raw *raw = raw_open("wrong", "");

	wrong_bodies(raw);
	wrong_heads();
	wrong_greetings();
	EQUAL(raw_stat(raw)->units, 0);
	raw_close(raw);
}

void play_domains(void)
{
	struct raw *mine = raw_open("mine", "blue"), *foreign = raw_open("foreign", "red"), *second = raw_open("second", "red");
	uint8_t *text = text_of(3, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct am_digest digest;
	uint64_t unit, theirs, again;

	digest_of(text, LARGE, &digest);
	EQUAL(raw_alloc_fd(foreign, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &theirs), 0);
	/* The other domain has it: no answer here may tell so. */
	EQUAL(raw_find(mine, digest.bytes), -ENOENT);
	EQUAL(raw_claim(mine, AGENTMEM_SYSTEM_PROMPT, text, LARGE), -ENOENT);
	EQUAL(raw_number(mine, BROKER_MAP, theirs, 0), -ENOENT);
	EQUAL(raw_read(mine, theirs, 0, 10), -ENOENT);
	EQUAL(raw_number(mine, BROKER_STAT_UNIT, theirs, 0), -ENOENT);
	EQUAL(raw_number(mine, BROKER_FORK, theirs, 1), -ENOENT);
	EQUAL(raw_number(mine, BROKER_FREE, theirs, 0), -ENOENT);
	EQUAL(raw_alloc_fd(mine, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &unit), 0);
	EQUAL(raw_unit(mine)->known, 0);
	CHECK(unit != theirs);
	EQUAL(raw_number(mine, BROKER_STAT_UNIT, unit, 0), 0);
	EQUAL(((struct broker_unit_stat *)mine->body)->sharers, 1);
	EQUAL(raw_stat(mine)->shared_bytes, 0);
	EQUAL(raw_number(mine, BROKER_SHARE, unit, foreign->welcome.agent), -ENOENT);
	/* Neither is an agent of it seen. */
	EQUAL(raw_list(mine, 1, foreign->welcome.agent, 0), -ENOENT);
	EQUAL(raw_list(mine, 0, 0, 0), 0);
	EQUAL(((struct broker_listed *)mine->body)->count, 1);
	/* Inside of the domain it is one. A digest alone gives nothing to who holds none. */
	EQUAL(raw_find(second, digest.bytes), -ENOENT);
	EQUAL(raw_claim(second, AGENTMEM_SYSTEM_PROMPT, text, LARGE), 0);
	EQUAL(raw_unit(second)->unit, theirs);
	EQUAL(raw_unit(second)->known, 1);
	EQUAL(raw_alloc_fd(second, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &again), 0);
	EQUAL(again, theirs);
	EQUAL(raw_number(second, BROKER_STAT_UNIT, theirs, 0), 0);
	EQUAL(((struct broker_unit_stat *)second->body)->sharers, 2);
	raw_close(mine);
	raw_close(foreign);
	raw_close(second);
	close(memfd);
	free(text);
}

void play_claims(void)
{
	struct raw *raw = raw_open("claims", ""), *many[12];
	uint8_t *text = text_of(4, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct broker_ask ask = { .bytes = LARGE, .fingerprint = fingerprint_of(text, LARGE) };
	struct broker_claim claim = { .kind = AGENTMEM_OTHER };
	struct broker_secret secrets[12];
	struct am_digest digest;
	uint64_t unit;

	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), -ENOENT);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, memfd, LARGE, &unit), 0);
	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), 0);
	EQUAL(raw_unit(raw)->unit, unit);
	/* The digest is right, but nobody who has no bytes has the tag. */
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
	memcpy(&secrets[0], raw->body, sizeof(secrets[0]));
	digest_of(text, LARGE, &digest);
	claim.question = secrets[0].question;
	memcpy(claim.digest, digest.bytes, 32);
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -ENOENT);
	/* Each secret is good for one claim, and never the same. */
	EQUAL(raw_call(raw, BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), -ENOENT);
	EQUAL(raw_call(raw, BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
	CHECK(memcmp(secrets[0].secret, ((struct broker_secret *)raw->body)->secret, 256) != 0);
	/* Questions beyond what an agent may have open: the oldest are forgotten, nothing breaks. */
	for (unsigned i = 0; i < 12; i++) {
		many[i] = raw_connect();
		EQUAL(raw_hello(many[i], "many", "", raw->welcome.token, 0, 0), 0);
		EQUAL(raw_call(many[i], BROKER_ASK, &ask, sizeof(ask), NULL, 0, -1), 0);
		memcpy(&secrets[i], many[i]->body, sizeof(secrets[i]));
	}
	for (unsigned i = 0; i < 12; i++) {
		struct proof_tag tag = proof_of(secrets[i].secret, text, LARGE);

		claim.question = secrets[i].question;
		claim.tag_low = tag.low;
		claim.tag_high = tag.high;
		EQUAL(raw_call(many[i], BROKER_CLAIM, &claim, sizeof(claim), NULL, 0, -1), i < 4 ? -ENOENT : 0);
		raw_close(many[i]);
	}
	raw_close(raw);
	close(memfd);
	free(text);
}

void play_quotas(void)
{
	struct raw *raw = raw_connect(), *other = raw_open("rich", ""), *poor = raw_connect();
	uint64_t unit, small;
	uint8_t *text = text_of(5, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);

	EQUAL(raw_hello(raw, "limited", "", NULL, 100000, 0), 0);
	EQUAL(raw_stat(raw)->quota_bytes, 100000);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_OTHER, memfd, LARGE, &unit), -EDQUOT);
	EQUAL(raw_alloc(raw, AGENTMEM_CONVERSATION, text, 60000, &unit), 0);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 60000, &small), -EDQUOT);
	EQUAL(raw_edit(raw, BROKER_APPEND, unit, 0, 0, text, 60000), -EDQUOT);
	EQUAL(raw_number(raw, BROKER_FORK, unit, UINT64_MAX), -EDQUOT);
	EQUAL(raw_number(raw, BROKER_FORK, unit, 30000), 0);
	EQUAL(raw_stat(raw)->bytes, 90000);
	/* Known content is held, too; and nobody is burdened by others. */
	EQUAL(raw_alloc_fd(other, AGENTMEM_OTHER, memfd, LARGE, &unit), 0);
	EQUAL(raw_claim(raw, AGENTMEM_OTHER, text, LARGE), -EDQUOT);
	EQUAL(raw_number(other, BROKER_SHARE, unit, raw->welcome.agent), -EDQUOT);
	EQUAL(raw_stat(raw)->bytes, 90000);
	EQUAL(raw_stat(raw)->units, 2);
	EQUAL(raw_hello(poor, "poor", "", NULL, 1, 0), 0);
	EQUAL(raw_alloc(poor, AGENTMEM_OTHER, "1", 1, &small), 0);
	EQUAL(raw_alloc(poor, AGENTMEM_OTHER, "2", 1, &small), -EDQUOT);
	raw_close(raw);
	raw_close(other);
	raw_close(poor);
	close(memfd);
	free(text);
}

void play_lists(void)
{
	enum { AGENTS = 300, UNITS = 600 };
	struct raw *agents[AGENTS], *looker = raw_connect(), *holder = raw_open("holder", "");
	struct am_digest digest;
	uint64_t after = 0, first = 0, unit;
	unsigned seen = 0, pages = 0;

	EQUAL(raw_hello(looker, "window", "", NULL, 0, 1), 0);
	EQUAL(looker->welcome.agent, 0);
	for (unsigned i = 0; i < AGENTS; i++)
		agents[i] = raw_open("one of many", i % 2 == 0 ? "" : "other");
	for (unsigned i = 0; i < UNITS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "unit %u", i);
		EQUAL(raw_alloc(holder, AGENTMEM_OTHER, text, strlen(text), &unit), 0);
		first = i == 0 ? unit : first;
	}
	for (bool more = true; more; pages++) {
		const struct broker_listed *listed = (const struct broker_listed *)looker->body;
		const struct broker_agent_line *lines = (const struct broker_agent_line *)(listed + 1);

		EQUAL(raw_list(looker, 0, 0, after), 0);
		EQUAL(listed->line_bytes, sizeof(*lines));
		EQUAL(looker->bytes, sizeof(*listed) + listed->count * sizeof(*lines));
		for (unsigned i = 0; i < listed->count; i++) {
			CHECK(lines[i].agent > after);
			after = lines[i].agent;
			EQUAL(lines[i].pid, getpid());
			EQUAL(lines[i].processes, 1);
			if (lines[i].agent == holder->welcome.agent)
				EQUAL(lines[i].units, UNITS);
			else
				CHECK(strcmp(lines[i].name, "one of many") == 0 && lines[i].units == 0);
			seen++;
		}
		more = listed->more != 0;
	}
	EQUAL(seen, AGENTS + 1);
	CHECK(pages > 1);
	seen = 0;
	after = 0;
	for (bool more = true; more;) {
		const struct broker_listed *listed = (const struct broker_listed *)looker->body;
		const struct broker_unit_line *lines = (const struct broker_unit_line *)(listed + 1);

		EQUAL(raw_list(looker, 1, holder->welcome.agent, after), 0);
		for (unsigned i = 0; i < listed->count; i++) {
			CHECK(lines[i].unit > after);
			after = lines[i].unit;
			seen++;
		}
		more = listed->more != 0;
	}
	EQUAL(seen, UNITS);
	/* Who guesses content finds it by no list; its holder knows it anyway. */
	digest_of("unit 0", 6, &digest);
	EQUAL(raw_list(looker, 1, holder->welcome.agent, first - 1), 0);
	CHECK(memcmp(((struct broker_unit_line *)(looker->body + sizeof(struct broker_listed)))->digest, digest.bytes, 8) != 0);
	EQUAL(raw_list(holder, 1, 0, first - 1), 0);
	CHECK(memcmp(((struct broker_unit_line *)(holder->body + sizeof(struct broker_listed)))->digest, digest.bytes, 8) == 0);
	EQUAL(raw_list(agents[0], 1, 0, 0), 0);
	EQUAL(((struct broker_listed *)agents[0]->body)->count, 0);
	/* Who only looks is no agent. */
	EQUAL(raw_alloc(looker, AGENTMEM_OTHER, "x", 1, &unit), -ENOENT);
	EQUAL(raw_number(looker, BROKER_STATE, 0, AGENTMEM_IDLE), -ENOENT);
	EQUAL(raw_stat(looker)->agent, 0);
	EQUAL(raw_stat(looker)->user_agents, AGENTS + 1);
	for (unsigned i = 0; i < AGENTS; i++)
		raw_close(agents[i]);
	raw_close(holder);
	raw_close(looker);
}

void play_settings(void)
{
	struct raw *raw = raw_open("sets", ""), *apart = raw_open("apart", "alone");
	struct broker_settings settings = { .warm_after_ms = 12345, .quota_bytes = 1000 }, none = { 0 };
	uint64_t unit;
	uint8_t *text = text_of(6, 2000);

	EQUAL(raw_call(apart, BROKER_SETTINGS, &settings, sizeof(settings), NULL, 0, -1), -EPERM);
	EQUAL(raw_call(apart, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), 0);
	CHECK(((struct broker_settings *)apart->body)->warm_after_ms != 12345);
	EQUAL(raw_call(raw, BROKER_SETTINGS, &settings, sizeof(settings), NULL, 0, -1), 0);
	EQUAL(raw_call(raw, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), 0);
	EQUAL(((struct broker_settings *)raw->body)->warm_after_ms, 12345);
	CHECK(((struct broker_settings *)raw->body)->cold_after_ms > 0);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, text, 2000, &unit), -EDQUOT);
	none.reserved[4] = 1;
	EQUAL(raw_call(raw, BROKER_SETTINGS, &none, sizeof(none), NULL, 0, -1), -EINVAL);
	raw_close(raw);
	raw_close(apart);
	free(text);
}
