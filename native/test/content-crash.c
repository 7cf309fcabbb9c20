/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is cold survives. `crash` works until it is killed and says on stdout
 * what it is about to do and what has been acknowledged; `after` opens the
 * store that is left, reads that on stdin, and looks.
 */
#include "content-test.h"

#include <inttypes.h>
#include <string.h>

#define UNITS 40
#define AGENTS 3
#define BYTES_MOST 600000
#define STATES 64

struct kept {
	uint64_t number;
	uint64_t agent;
	enum am_kind kind;
	char *data;
	size_t bytes;
	bool is_cold;			/* said so */
};

static struct test *test;
static struct kept kept[UNITS];
static struct content_result last;
static bool is_done;

static bool view(void *context, uint64_t agent, enum am_state *state, uint32_t *importance)
{
	(void)context;
	*state = agent == 3 ? AM_STATE_SUSPENDED : AM_STATE_IDLE;
	*importance = 50;
	return true;
}

static void done(void *context, const struct content_result *result)
{
	(void)context;
	is_done = true;
	last = *result;
}

static int finish(void)
{
	while (!is_done)
		test_turn(test, 50);
	is_done = false;
	return last.error;
}

static void say(const char *what, const struct kept *unit)
{
	struct am_digest digest;

	digest_of(unit->data, unit->bytes, &digest);
	printf("%s %" PRIu64 " %" PRIu64 " %d %zu ", what, unit->number, unit->agent, unit->kind, unit->bytes);
	for (int i = 0; i < 8; i++)
		printf("%02x", digest.bytes[i]);
	printf("\n");
	fflush(stdout);
}

static void fill(char *out, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = "the quick brown fox jumps over the lazy dog, and so on "[(i * 7 + i / 91) % 55];
	for (size_t i = 0; i + 4 < bytes; i += 61)
		out[i] = (char)('a' + test_below(test, 26));
}

static void add(struct kept *unit)
{
	unit->agent = 1 + test_below(test, AGENTS);
	unit->kind = (enum am_kind)(1 + test_below(test, 5));
	unit->bytes = 1 + test_below(test, test_below(test, 3) == 0 ? BYTES_MOST : 30000);
	unit->data = malloc(unit->bytes);
	unit->is_cold = false;
	fill(unit->data, unit->bytes);
	content_add(test->content, unit->agent, 1, unit->kind, unit->bytes <= BROKER_INLINE_MOST ? (struct content_source){ .data = unit->data, .fd = -1, .bytes = unit->bytes } : (struct content_source){ .fd = test_memfd(unit->data, unit->bytes), .bytes = unit->bytes }, done, NULL);
	CHECK(finish() == 0 && !last.known);
	unit->number = last.unit;
	say("is", unit);
}

static void change(struct kept *unit)
{
	size_t bytes = 1 + test_below(test, 4000);
	size_t before = unit->bytes;

	if (unit->kind != AM_KIND_CONVERSATION)
		return;
	unit->data = realloc(unit->data, before + bytes);
	CHECK(unit->data != NULL);
	fill(unit->data + before, bytes);
	unit->bytes += bytes;
	unit->is_cold = false;
	say("may", unit);
	content_append(test->content, unit->agent, unit->number, (struct content_source){ .data = unit->data + before, .fd = -1, .bytes = bytes }, done, NULL);
	CHECK(finish() == 0);
	say("is", unit);
}

static void look(struct kept *unit)
{
	struct broker_unit_stat stat;
	size_t at = test_below(test, (uint32_t)unit->bytes);
	size_t bytes = unit->bytes - at < 5000 ? unit->bytes - at : 5000;

	if (test_below(test, 3) == 0) {
		content_read(test->content, unit->agent, unit->number, at, bytes, done, NULL);
		CHECK(finish() == 0 && last.data_bytes == bytes);
	}
	content_stat(test->content, unit->agent, unit->number, done, NULL, &stat);
	CHECK(finish() == 0);
	if (stat.cold_bytes == unit->bytes && !unit->is_cold) {
		unit->is_cold = true;
		say("cold", unit);
	}
}

static void drop(struct kept *unit)
{
	say("gone", unit);
	CHECK(content_free(test->content, unit->agent, unit->number) == 0);
	free(unit->data);
	memset(unit, 0, sizeof(*unit));
}

int crash_main(struct test *with)
{
	test = with;
	test->policy.warm_after_ms = 0;
	test->policy.cold_after_ms = 0;
	test->policy.warm_most_bytes = 100000;
	test_open(test, view);
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		CHECK(content_save_agent(test->content, agent, "agent", 5) == 0);
	printf("begin\n");
	fflush(stdout);
	while (true) {
		struct kept *unit = &kept[test_below(test, UNITS)];

		if (unit->number == 0)
			add(unit);
		else if (test_below(test, 40) == 0)
			drop(unit);
		else if (test_below(test, 8) == 0)
			change(unit);
		else
			look(unit);
		if (test_below(test, 4) == 0) {
			content_set_policy(test->content, &test->policy);
			test_turn(test, (int)test_below(test, 12));
		}
	}
}

/* ---- after ---- */

struct told {
	uint64_t number, agent;
	int kind;
	bool must, gone;
	unsigned count;
	/* What it may be: what was acknowledged last, and what was begun since. */
	struct { size_t bytes; char digest[17]; } states[STATES];
};

static struct told told[4096];
static unsigned told_count;
static unsigned agents;

static struct told *told_of(uint64_t number)
{
	for (unsigned i = 0; i < told_count; i++)
		if (told[i].number == number)
			return &told[i];
	CHECK(told_count < sizeof(told) / sizeof(told[0]));
	told[told_count].number = number;
	return &told[told_count++];
}

static void hear(void)
{
	char line[200], what[8], digest[17];
	uint64_t number, agent;
	size_t bytes;
	int kind;

	while (fgets(line, sizeof(line), stdin) != NULL) {
		struct told *unit;

		/* The last line may be cut off. */
		if (strchr(line, '\n') == NULL || sscanf(line, "%7s %" SCNu64 " %" SCNu64 " %d %zu %16s", what, &number, &agent, &kind, &bytes, digest) != 6)
			continue;
		unit = told_of(number);
		unit->agent = agent;
		unit->kind = kind;
		if (strcmp(what, "gone") == 0) {
			unit->must = false;
			unit->gone = true;
			continue;
		}
		if (strcmp(what, "may") != 0)
			unit->count = 0;
		unit->must = strcmp(what, "cold") == 0;
		CHECK(unit->count < STATES);
		unit->states[unit->count].bytes = bytes;
		memcpy(unit->states[unit->count].digest, digest, 17);
		unit->count++;
	}
}

struct gather {
	char *data;
	uint64_t bytes;
	bool is_done;
	int error;
};

static void gathered(void *context, const struct content_result *result)
{
	struct gather *gather = context;

	gather->error = result->error;
	gather->is_done = true;
	if (result->error != 0)
		return;
	memcpy(gather->data + gather->bytes, result->data, result->data_bytes);
	gather->bytes += result->data_bytes;
}

static void compare(const struct told *unit, uint64_t bytes)
{
	struct gather gather = { .data = malloc(bytes + 1) };
	struct am_digest digest;
	char text[17];
	bool is_one = false;

	while (gather.bytes < bytes) {
		gather.is_done = false;
		content_read(test->content, unit->agent, unit->number, gather.bytes, BROKER_INLINE_MOST, gathered, &gather);
		while (!gather.is_done)
			test_turn(test, 50);
		CHECK(gather.error == 0);
	}
	digest_of(gather.data, gather.bytes, &digest);
	for (int i = 0; i < 8; i++)
		snprintf(text + 2 * i, 3, "%02x", digest.bytes[i]);
	for (unsigned i = 0; i < unit->count; i++)
		is_one |= unit->states[i].bytes == bytes && strcmp(unit->states[i].digest, text) == 0;
	CHECK(is_one);
	free(gather.data);
}

static int count_agent(void *context, uint64_t agent, const void *data, size_t bytes)
{
	(void)context;
	CHECK(agent >= 1 && agent <= AGENTS && bytes == 5 && memcmp(data, "agent", 5) == 0);
	agents++;
	return 0;
}

int after_main(struct test *with)
{
	static struct broker_unit_line lines[4096];
	unsigned must = 0, there = 0, count;
	bool more;

	test = with;
	hear();
	test_open(test, view);
	CHECK(content_each_agent(test->content, count_agent, NULL) == 0);
	for (unsigned i = 0; i < told_count; i++) {
		uint64_t bytes = content_unit_bytes(test->content, told[i].number);

		must += told[i].must;
		there += bytes > 0;
		if (bytes == 0 && told[i].must)
			fprintf(stderr, "content-crash: unit %" PRIu64 " of kind %d was cold and is lost\n", told[i].number, told[i].kind);
		CHECK(bytes > 0 || !told[i].must);
		if (bytes > 0)
			compare(&told[i], bytes);
	}
	count = content_unit_lines(test->content, 0, 0, lines, 4096, &more);
	CHECK(!more && count == there);
	/* Whoever has a unit is known. */
	CHECK(count == 0 || agents == AGENTS);
	printf("%u units told, %u had to be there, %u are\n", told_count, must, there);
	/* All goes: nothing is left behind of what nobody holds. */
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		content_agent_gone(test->content, agent);
	content_close(test->content);
	test_open(test, view);
	CHECK(content_unit_lines(test->content, 0, 0, lines, 4096, &more) == 0);
	struct broker_stat stat = { 0 };
	content_stat_all(test->content, &stat);
	CHECK(stat.user_cold_bytes == 0 && stat.user_units == 0 && stat.errors == 0);
	content_close(test->content);
	return 0;
}
