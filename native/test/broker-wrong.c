/* SPDX-License-Identifier: Apache-2.0 */
/* Every request wrong: its head, its body, its place. */
#include <errno.h>
#include <string.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"

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
