/* SPDX-License-Identifier: Apache-2.0 */
/* Each function of content.h, and what it says to wrong input. */
#include "content-test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MANY 10000
#define LINES 60000

static struct test *test;
static struct content_result last;
static char got[BROKER_INLINE_MOST];
static bool is_done;
static enum am_state states[8];

static bool view(void *context, uint64_t agent, enum am_state *state, uint32_t *importance)
{
	(void)context;
	*state = agent < 8 ? states[agent] : AM_STATE_ACTIVE;
	*importance = 50;
	return true;
}

static void done(void *context, const struct content_result *result)
{
	(void)context;
	CHECK(!is_done);
	is_done = true;
	last = *result;
	if (result->data != NULL)
		memcpy(got, result->data, result->data_bytes);
}

static int finish(void)
{
	while (!is_done)
		test_turn(test, 50);
	is_done = false;
	return last.error;
}

static struct content_source inline_data(const void *data, size_t bytes)
{
	return (struct content_source){ .data = data, .fd = -1, .bytes = bytes };
}

static int add(uint64_t agent, uint64_t domain, enum am_kind kind, struct content_source source)
{
	content_add(test->content, agent, domain, kind, source, done, NULL);
	return finish();
}

static int append(uint64_t agent, uint64_t unit, struct content_source source)
{
	content_append(test->content, agent, unit, source, done, NULL);
	return finish();
}

static int read_at(uint64_t agent, uint64_t unit, uint64_t offset, uint64_t bytes)
{
	content_read(test->content, agent, unit, offset, bytes, done, NULL);
	return finish();
}

static struct broker_unit_stat stat_of(uint64_t agent, uint64_t unit)
{
	struct broker_unit_stat stat;

	content_stat(test->content, agent, unit, done, NULL, &stat);
	CHECK(finish() == 0);
	return stat;
}

static char *text_of(size_t bytes, uint64_t seed)
{
	char *text = malloc(bytes + 1);

	test->random = seed;
	for (size_t i = 0; i < bytes; i++)
		text[i] = "0123456789 abcdefghijklmnopqrstuvwxyz\n{}"[test_below(test, 7) * (i / 512 % 5 + 1)];
	return text;
}

static void sharing(void)
{
	char *big = text_of(900000, 1);
	struct content_result result;
	struct am_digest digest;
	uint64_t small, unit;

	CHECK(add(1, 1, AM_KIND_OTHER, inline_data("hello", 5)) == 0 && !last.known && last.fd < 0 && last.has_digest);
	small = last.unit;
	CHECK(add(2, 1, AM_KIND_OTHER, inline_data("hello", 5)) == 0 && last.known && last.unit == small);
	CHECK(add(3, 2, AM_KIND_OTHER, inline_data("hello", 5)) == 0 && !last.known && last.unit != small);
	CHECK(stat_of(1, small).sharers == 2);
	CHECK(add(1, 1, AM_KIND_SYSTEM_PROMPT, (struct content_source){ .fd = test_memfd(big, 900000), .bytes = 900000 }) == 0 && last.fd >= 0);
	unit = last.unit;
	digest_of(big, 900000, &digest);
	CHECK(memcmp(&digest, &last.digest, sizeof(digest)) == 0);
	CHECK(add(2, 1, AM_KIND_TOOL_RESULT, (struct content_source){ .fd = test_memfd(big, 900000), .bytes = 900000 }) == 0 && last.known && last.unit == unit);
	CHECK(content_agent_bytes(test->content, 2) == 900005);
	/* Who does not hold it finds nothing, here or in another domain. */
	CHECK(content_find(test->content, 1, 1, &digest, &result) == 0 && result.unit == unit && result.bytes == 900000);
	CHECK(content_find(test->content, 4, 1, &digest, &result) == -ENOENT && result.unit == 0 && result.fd == -1);
	CHECK(content_find(test->content, 3, 2, &digest, &result) == -ENOENT);
	CHECK(content_share(test->content, 1, unit, 4, 1) == 0);
	CHECK(content_share(test->content, 1, unit, 5, 2) == -ENOENT);
	CHECK(content_share(test->content, 3, unit, 4, 1) == -ENOENT);
	CHECK(stat_of(4, unit).sharers == 3);
	/* Held twice by 1: it was added twice. */
	CHECK(add(1, 1, AM_KIND_OTHER, inline_data("hello", 5)) == 0 && last.known);
	CHECK(content_free(test->content, 1, small) == 0 && content_free(test->content, 1, small) == 0 && content_free(test->content, 1, small) == -ENOENT);
	CHECK(read_at(1, small, 0, 5) == -ENOENT && read_at(2, small, 1, 100) == 0 && last.data_bytes == 4 && memcmp(got, "ello", 4) == 0);
	free(big);
}

static void wrong_input(void)
{
	uint64_t prompt;

	CHECK(add(1, 1, (enum am_kind)0, inline_data("x", 1)) == -EINVAL);
	CHECK(add(1, 1, AM_KIND_END, inline_data("x", 1)) == -EINVAL);
	CHECK(add(1, 1, AM_KIND_OTHER, inline_data("", 0)) == -EINVAL);
	CHECK(add(1, 1, AM_KIND_OTHER, (struct content_source){ .data = "x", .fd = -1, .bytes = BROKER_UNIT_MOST + 1 }) == -E2BIG);
	/* A memfd of another size than was said. */
	CHECK(add(1, 1, AM_KIND_OTHER, (struct content_source){ .fd = test_memfd("abc", 3), .bytes = 300000 }) == -EINVAL);
	CHECK(add(1, 1, AM_KIND_CONVERSATION, (struct content_source){ .fd = test_memfd("abc", 3), .bytes = 300000 }) == -EINVAL);
	CHECK(last.unit == 0 && last.bytes == 0 && last.fd == -1);
	CHECK(add(1, 1, AM_KIND_SYSTEM_PROMPT, inline_data("prompt", 6)) == 0);
	prompt = last.unit;
	CHECK(append(1, prompt, inline_data("x", 1)) == -EINVAL);
	CHECK(append(1, 12345, inline_data("x", 1)) == -ENOENT);
	CHECK(append(2, prompt, inline_data("x", 1)) == -ENOENT);
	content_fork(test->content, 1, prompt, 1, done, NULL);
	CHECK(finish() == -EINVAL);
	content_map(test->content, 1, 999, done, NULL);
	CHECK(finish() == -ENOENT);
	content_mark_hot(test->content, 1, 999, done, NULL);
	CHECK(finish() == -ENOENT);
	CHECK(content_unmap(test->content, 1, prompt) == -EINVAL && content_unmap(test->content, 1, 999) == -ENOENT);
	CHECK(read_at(1, prompt, UINT64_MAX, UINT64_MAX) == 0 && last.data_bytes == 0);
	CHECK(read_at(1, prompt, 2, UINT64_MAX) == 0 && last.data_bytes == 4);
	CHECK(add(1, 1, AM_KIND_CONVERSATION, inline_data("talk", 4)) == 0);
	content_edit(test->content, 1, last.unit, 5, 0, inline_data("x", 1), done, NULL);
	CHECK(finish() == -EINVAL);
}

static bool prove(uint64_t agent, uint64_t domain, const char *data, size_t bytes, uint64_t flip, enum am_kind kind)
{
	struct content_question *question;
	uint8_t secret[256];
	struct am_digest digest;
	struct proof_tag tag;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)test_draw(test);
	question = content_ask(test->content, domain, bytes, fingerprint_of(data, bytes), secret);
	tag = digest_and_proof_of(secret, data, bytes, &digest);
	content_claim(test->content, question, agent, kind, &digest, tag.low ^ flip, tag.high, done, NULL);
	return finish() == 0;
}

static void proofs(void)
{
	char *data = text_of(2000000, 2);
	uint64_t unit;

	CHECK(!prove(1, 1, data, 2000000, 0, AM_KIND_OTHER) && last.error == -ENOENT);
	CHECK(add(1, 1, AM_KIND_OTHER, (struct content_source){ .fd = test_memfd(data, 2000000), .bytes = 2000000 }) == 0);
	unit = last.unit;
	CHECK(prove(2, 1, data, 2000000, 0, AM_KIND_OTHER) && last.unit == unit && last.known && last.fd >= 0);
	CHECK(!prove(2, 1, data, 2000000, 1, AM_KIND_OTHER));
	CHECK(!prove(3, 2, data, 2000000, 0, AM_KIND_OTHER));
	CHECK(!prove(2, 1, data, 2000000, 0, AM_KIND_CONVERSATION));
	/* The same look, other bytes in between. */
	data[100000] ^= 1;
	CHECK(!prove(2, 1, data, 2000000, 0, AM_KIND_OTHER));
	/* From the far tier too. */
	data[100000] ^= 1;
	states[1] = states[2] = AM_STATE_SUSPENDED;
	content_agent_state(test->content, 1, AM_STATE_SUSPENDED);
	content_agent_state(test->content, 2, AM_STATE_SUSPENDED);
	for (int i = 0; i < 400 && stat_of(1, unit).tier == AM_TIER_HOT; i++)
		test_turn(test, 10);
	CHECK(stat_of(1, unit).tier == AM_TIER_WARM && stat_of(1, unit).stored_bytes < 2000000);
	CHECK(prove(4, 1, data, 2000000, 0, AM_KIND_OTHER) && last.unit == unit);
	states[1] = states[2] = AM_STATE_ACTIVE;
	free(data);
}

/* Tens of thousands of small appends cost what they bring, and end as a few blocks. */
static void growing(void)
{
	struct broker_unit_stat stat;
	uint64_t unit, fork;
	size_t bytes = 0;

	CHECK(add(1, 1, AM_KIND_CONVERSATION, inline_data("", 0)) == 0 && last.bytes == 0);
	unit = last.unit;
	for (int i = 0; i < LINES; i++) {
		char line[40];
		size_t length = (size_t)snprintf(line, sizeof(line), "line %d of many\n", i);

		CHECK(append(1, unit, inline_data(line, length)) == 0);
		bytes += length;
		CHECK(last.bytes == bytes);
	}
	stat = stat_of(1, unit);
	CHECK(stat.bytes == bytes && stat.has_digest);
	CHECK(read_at(1, unit, bytes - 14, 100) == 0 && memcmp(got, "59999 of many\n", 14) == 0);
	content_fork(test->content, 1, unit, UINT64_MAX, done, NULL);
	CHECK(finish() == 0 && last.bytes == bytes);
	fork = last.unit;
	/* Shares all but the tail. */
	CHECK(stat_of(1, fork).stored_bytes < bytes / 2 + 200000);
	content_edit(test->content, 1, fork, 7, 0, inline_data("!", 1), done, NULL);
	CHECK(finish() == 0 && last.bytes == bytes + 1);
	CHECK(read_at(1, fork, 0, 20) == 0 && memcmp(got, "line 0 !of many\nline", 20) == 0);
	CHECK(read_at(1, unit, 0, 20) == 0 && memcmp(got, "line 0 of many\nline ", 20) == 0);
	content_map(test->content, 1, fork, done, NULL);
	CHECK(finish() == 0 && last.fd >= 0 && last.bytes == bytes + 1);
	CHECK(content_unmap(test->content, 1, fork) == 0 && content_unmap(test->content, 1, fork) == -EINVAL);
	CHECK(content_free(test->content, 1, unit) == 0 && content_free(test->content, 1, fork) == 0);
}

static void paging(void)
{
	struct broker_unit_line lines[7];
	struct broker_stat before = { 0 }, after = { 0 };
	uint64_t last_unit = 0, sum = 0;
	unsigned count, seen = 0;
	bool more = true;

	content_stat_all(test->content, &before);
	for (int i = 0; i < MANY; i++) {
		char line[400];

		memset(line, ' ', sizeof(line));
		snprintf(line, sizeof(line), "small unit %d", i);
		CHECK(add(6, 1, AM_KIND_TOOL_RESULT, inline_data(line, sizeof(line))) == 0);
		sum += sizeof(line);
	}
	CHECK(content_agent_bytes(test->content, 6) == sum);
	content_stat_all(test->content, &after);
	/* What ten thousand cost beside their bytes. */
	CHECK(after.user_own_bytes - before.user_own_bytes < 2u * 1024 * 1024 + sum / 100);
	while (more) {
		count = content_unit_lines(test->content, 6, last_unit, lines, 7, &more);
		CHECK(count == 7 || !more);
		for (unsigned i = 0; i < count; i++) {
			CHECK(lines[i].unit > last_unit && lines[i].agent == 6 && lines[i].bytes == 400);
			last_unit = lines[i].unit;
		}
		seen += count;
	}
	CHECK(seen == MANY);
	content_agent_gone(test->content, 6);
	CHECK(content_agent_bytes(test->content, 6) == 0 && content_unit_lines(test->content, 6, 0, lines, 7, &more) == 0);
}

/* Of few long words, as a dictionary likes it. */
static char *words_of(size_t bytes)
{
	enum { WORDS = 200, LETTERS = 12 };
	char *words = text_of(WORDS * LETTERS, 8), *text = malloc(bytes);

	for (size_t i = 0; i < WORDS * LETTERS; i++)
		words[i] = (char)('a' + test_below(test, 26));
	for (size_t at = 0; at < bytes; at += LETTERS)
		memcpy(text + at, words + test_below(test, WORDS) * LETTERS, bytes - at < LETTERS ? bytes - at : LETTERS);
	free(words);
	return text;
}

/* As packed, with the agent asleep. */
static uint64_t packed_bytes(uint64_t agent, uint64_t domain, const char *text, size_t bytes)
{
	struct broker_unit_stat stat = { 0 };
	uint64_t unit;

	CHECK(add(agent, domain, AM_KIND_TOOL_DEFINITION, inline_data(text, bytes)) == 0 && !last.known);
	unit = last.unit;
	states[agent] = AM_STATE_SUSPENDED;
	content_agent_state(test->content, agent, AM_STATE_SUSPENDED);
	for (int i = 0; i < 2000 && stat.warm_bytes == 0; i++) {
		test_turn(test, 5);
		stat = stat_of(agent, unit);
	}
	CHECK(stat.warm_bytes == bytes);
	states[agent] = AM_STATE_ACTIVE;
	content_agent_gone(test->content, agent);
	return stat.stored_bytes;
}

/* A domain's packed sizes say nothing about what others have; numbers say nothing about how much. */
static void apart(void)
{
	enum { TEXTS = 140, BYTES = 2500 };
	char *texts = words_of(TEXTS * BYTES);
	uint64_t before = packed_bytes(4, 2, texts, BYTES), common = packed_bytes(5, 1, texts, BYTES);
	uint64_t number = 0;

	for (int i = 1; i < TEXTS; i++) {
		CHECK(add(1, 1, AM_KIND_TOOL_DEFINITION, inline_data(texts + i * BYTES, BYTES)) == 0);
		CHECK(last.unit < UINT64_C(1) << 53 && (last.unit > number ? last.unit - number : number - last.unit) > 1u << 20);
		number = last.unit;
	}
	/* Who packs first makes the dictionary. */
	(void)packed_bytes(6, 1, texts + 7, BYTES);
	CHECK(packed_bytes(6, 1, texts, BYTES) < common);
	CHECK(packed_bytes(7, 3, texts, BYTES) == before);
	free(texts);
	for (uint64_t agent = 1; agent < 8; agent++)
		content_agent_gone(test->content, agent);
}

/* Without memory there is an error, nothing else: all is as before. */
static void without_memory(void)
{
	const struct rlimit none = { 1u << 20, RLIM_INFINITY };
	char *data = text_of(1000000, 3);
	struct rlimit before;
	uint64_t unit;
	int failed = 0;

	CHECK(add(1, 1, AM_KIND_CONVERSATION, (struct content_source){ .fd = test_memfd(data, 1000000), .bytes = 1000000 }) == 0);
	unit = last.unit;
	CHECK(getrlimit(RLIMIT_AS, &before) == 0 && setrlimit(RLIMIT_AS, &(struct rlimit){ none.rlim_cur, before.rlim_max }) == 0);
	for (int i = 0; i < 20; i++)
		failed += append(1, unit, inline_data(data, BROKER_INLINE_MOST)) == -ENOMEM;
	content_map(test->content, 1, unit, done, NULL);
	failed += finish() == -ENOMEM;
	CHECK(setrlimit(RLIMIT_AS, &before) == 0);
	CHECK(failed > 0);
	CHECK(stat_of(1, unit).bytes % BROKER_INLINE_MOST == 1000000 % BROKER_INLINE_MOST);
	for (size_t at = 0; at < 1000000; at += BROKER_INLINE_MOST)
		CHECK(read_at(1, unit, at, BROKER_INLINE_MOST) == 0 && memcmp(got, data + at, at + BROKER_INLINE_MOST < 1000000 ? BROKER_INLINE_MOST : 1000000 - at) == 0);
	CHECK(append(1, unit, inline_data("x", 1)) == 0);
	free(data);
}

int functions_main(struct test *with)
{
	test = with;
	for (int i = 0; i < 8; i++)
		states[i] = AM_STATE_ACTIVE;
	test_open(test, view);
	sharing();
	wrong_input();
	proofs();
	growing();
	paging();
	apart();
	held_pages();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	without_memory();
#else
	(void)without_memory;
#endif
	for (uint64_t agent = 1; agent < 8; agent++)
		content_agent_gone(test->content, agent);
	test_settle(test);
	struct broker_stat stat = { 0 };

	content_stat_all(test->content, &stat);
	CHECK(stat.user_units == 0 && stat.user_bytes == 0 && stat.user_hot_bytes == 0 && stat.user_warm_bytes == 0);
	content_close(test->content);
	return 0;
}
