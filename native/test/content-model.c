/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on what the broker keeps, beside a model that keeps plain
 * copies. Every byte read is compared. Ages are tiny and change all the time,
 * so that everything moves between the tiers while it is used.
 */
#include "content-test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AGENTS 6
#define UNITS 160
#define FLIGHTS 12
#define TOTAL_MOST (48u << 20)

struct model {
	uint64_t number;		/* 0: free place */
	uint64_t domain;
	enum am_kind kind;
	char *data;
	size_t bytes;
	unsigned holds[AGENTS + 1];
	unsigned maps[AGENTS + 1];
	unsigned flights;
	bool cold;			/* was wholly on disk when last asked */
};

enum what { ADD, APPEND, EDIT, FORK, MAP, READ, MARK, STAT, CLAIM };

struct flight {
	bool busy;
	enum what what;
	struct model *model;
	uint64_t agent, domain;
	enum am_kind kind;
	char *data;			/* expected, or handed in */
	size_t bytes, total;
	bool may_fail;			/* the unit was freed meanwhile */
	bool is_known;			/* a claim of something that is there */
	struct broker_unit_stat stat;
};

static struct test *test;
static struct model models[UNITS];
static struct flight flights[FLIGHTS];
static enum am_state states[AGENTS + 1];
static size_t total;
static char *pool;

#define POOL_BYTES (4u << 20)

static uint64_t domain_of(uint64_t agent)
{
	return agent % 2 + 1;
}

static bool view(void *context, uint64_t agent, enum am_state *state, uint32_t *importance)
{
	(void)context;
	if (agent == 0 || agent > AGENTS)
		return false;
	*state = states[agent];
	*importance = (uint32_t)agent * 10;
	return true;
}

/* Text of few words in many orders: alike, and mostly compressible. */
static void make_pool(void)
{
	pool = malloc(POOL_BYTES);
	for (size_t at = 0; at < POOL_BYTES;) {
		static const char *const words[] = { "memory ", "agent ", "{\"role\":\"user\",", "block ", "return ", "unit;\n", "0123456789", "compress " };
		const char *word = words[test_below(test, 8)];
		size_t bytes = strlen(word);

		if (test_below(test, 9) == 0) {
			char number[24];

			bytes = (size_t)snprintf(number, sizeof(number), "%llx ", (unsigned long long)test_draw(test));
			word = number;
			memcpy(pool + at, word, bytes < POOL_BYTES - at ? bytes : POOL_BYTES - at);
		} else {
			memcpy(pool + at, word, bytes < POOL_BYTES - at ? bytes : POOL_BYTES - at);
		}
		at += bytes;
	}
}

static void make_data(char *out, size_t bytes)
{
	size_t from = test_below(test, 4) == 0 ? 0 : test_below(test, POOL_BYTES);
	bool noise = test_below(test, 12) == 0;

	for (size_t i = 0; i < bytes; i++)
		out[i] = noise ? (char)test_draw(test) : pool[(from + i) % POOL_BYTES];
	/* As ids are rewritten on each line of a fork. */
	if (test_below(test, 3) == 0)
		for (size_t i = 50; i + 8 < bytes; i += 300)
			for (size_t j = 0; j < 8; j++)
				out[i + j] = (char)('a' + test_below(test, 26));
}

static size_t some_bytes(void)
{
	switch (test_below(test, 8)) {
	case 0:
		return 1 + test_below(test, 64);
	case 1:
	case 2:
	case 3:
		return 1 + test_below(test, 20000);
	case 4:
	case 5:
		return 1 + test_below(test, 200000);
	default:
		return 1 + test_below(test, 1500000);
	}
}

static struct flight *free_flight(void)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (!flights[i].busy)
			return &flights[i];
	return NULL;
}

static struct model *model_of(uint64_t number)
{
	for (int i = 0; i < UNITS; i++)
		if (models[i].number == number)
			return &models[i];
	return NULL;
}

static unsigned holders(const struct model *model)
{
	unsigned count = 0;

	for (int i = 1; i <= AGENTS; i++)
		count += model->holds[i] > 0;
	return count;
}

static void model_free(struct model *model)
{
	total -= model->bytes;
	free(model->data);
	memset(model, 0, sizeof(*model));
}

static void add_to_model(struct flight *flight, const struct content_result *result)
{
	struct model *model = model_of(result->unit);

	if (model == NULL) {
		model = model_of(0);
		CHECK(model != NULL);
		CHECK(!result->known);
		*model = (struct model){ .number = result->unit, .domain = flight->domain, .kind = (enum am_kind)result->kind, .data = flight->data, .bytes = flight->bytes };
		total += flight->bytes;
		flight->data = NULL;
	} else {
		CHECK(result->known);
		CHECK(model->bytes == flight->bytes && memcmp(model->data, flight->data, flight->bytes) == 0);
	}
	CHECK(result->bytes == model->bytes);
	model->holds[flight->agent]++;
}

static void check_map(struct flight *flight, const struct content_result *result)
{
	const char *data = result->data;

	CHECK(result->bytes == flight->bytes);
	if (result->fd >= 0) {
		data = flight->bytes == 0 ? "" : mmap(NULL, flight->bytes, PROT_READ, MAP_SHARED, result->fd, 0);
		CHECK(data != MAP_FAILED);
	} else {
		CHECK(result->data_bytes == flight->bytes);
	}
	CHECK(memcmp(data, flight->data, flight->bytes) == 0);
	if (result->fd >= 0 && flight->bytes > 0)
		munmap((void *)(uintptr_t)data, flight->bytes);
}

static void done(void *context, const struct content_result *result)
{
	struct flight *flight = context;
	struct model *model = flight->model;

	CHECK(flight->busy);
	flight->busy = false;
	if (model != NULL)
		model->flights--;
	if (result->error != 0) {
		if (flight->what == CLAIM && result->error == -ENOENT) {
			CHECK(!flight->is_known || flight->may_fail);
		} else if (!flight->may_fail || result->error != -ENOENT) {
			fprintf(stderr, "content-model: operation %d failed: %s\n", flight->what, strerror(-result->error));
			abort();
		}
		free(flight->data);
		flight->data = NULL;
		return;
	}
	switch (flight->what) {
	case ADD:
	case FORK:
	case CLAIM:
		add_to_model(flight, result);
		break;
	case APPEND:
	case EDIT:
		CHECK(result->bytes == flight->total);
		break;
	case MAP:
		if (!flight->may_fail)
			check_map(flight, result);
		/* One that was freed meanwhile is held no more. */
		if (!flight->may_fail)
			model->maps[flight->agent]++;
		break;
	case READ:
		CHECK(result->data_bytes == flight->bytes);
		CHECK(result->total_bytes == flight->total);
		CHECK(memcmp(result->data, flight->data, flight->bytes) == 0);
		break;
	case STAT:
		CHECK(flight->stat.hot_bytes + flight->stat.warm_bytes + flight->stat.cold_bytes == flight->stat.bytes);
		if (flight->may_fail)
			break;
		CHECK(flight->stat.sharers >= 1);
		/* What was appended while it was looked at counts too. */
		if (model->bytes == flight->total)
			CHECK(flight->stat.bytes == flight->total);
		if (flight->stat.has_digest && flight->stat.bytes == flight->total)
			CHECK(memcmp(flight->stat.digest, flight->data, 32) == 0);
		break;
	case MARK:
		break;
	}
	free(flight->data);
	flight->data = NULL;
}

static struct content_source source_of(const char *data, size_t bytes)
{
	if (bytes <= BROKER_INLINE_MOST && test_below(test, 4) != 0)
		return (struct content_source){ .data = data, .fd = -1, .bytes = bytes };
	return (struct content_source){ .fd = test_memfd(data, bytes), .bytes = bytes };
}

static struct model *some_unit(uint64_t agent, bool conversation)
{
	for (int tries = 0; tries < 40; tries++) {
		struct model *model = &models[test_below(test, UNITS)];

		if (model->number != 0 && model->holds[agent] > 0 && (!conversation || model->kind == AM_KIND_CONVERSATION))
			return model;
	}
	return NULL;
}

static struct flight *begin(enum what what, uint64_t agent, struct model *model)
{
	struct flight *flight = free_flight();

	*flight = (struct flight){ .busy = true, .what = what, .model = model, .agent = agent, .domain = domain_of(agent) };
	if (model != NULL) {
		model->flights++;
		flight->total = model->bytes;
	}
	return flight;
}

static unsigned places(void)
{
	unsigned count = 0;

	for (int i = 0; i < UNITS; i++)
		count += models[i].number == 0;
	return count;
}

static void do_add(uint64_t agent)
{
	enum am_kind kind = (enum am_kind)(1 + test_below(test, 5));
	struct model *like = test_below(test, 3) == 0 ? &models[test_below(test, UNITS)] : NULL;
	struct flight *flight;

	if (total > TOTAL_MOST || places() < 2 * FLIGHTS)
		return;
	flight = begin(ADD, agent, NULL);
	/* Known content, of this domain or another. */
	if (like != NULL && like->number != 0 && like->bytes > 0) {
		flight->bytes = like->bytes;
		flight->data = malloc(like->bytes);
		memcpy(flight->data, like->data, like->bytes);
	} else {
		flight->bytes = some_bytes();
		flight->data = malloc(flight->bytes);
		make_data(flight->data, flight->bytes);
	}
	content_add(test->content, agent, domain_of(agent), kind, source_of(flight->data, flight->bytes), done, flight);
}

static void do_change(uint64_t agent, bool append)
{
	struct model *model = some_unit(agent, true);
	size_t bytes = test_below(test, 6) == 0 ? some_bytes() : 1 + test_below(test, 3000);
	size_t offset, old_bytes;
	struct flight *flight;
	char *data, *now;

	if (model == NULL || total > TOTAL_MOST)
		return;
	flight = begin(append ? APPEND : EDIT, agent, model);
	offset = append || model->bytes == 0 ? model->bytes : test_below(test, (uint32_t)model->bytes);
	old_bytes = append ? 0 : test_below(test, 5000);
	if (old_bytes > model->bytes - offset)
		old_bytes = model->bytes - offset;
	if (!append && test_below(test, 4) == 0)
		bytes = 0;
	data = malloc(bytes + 1);
	make_data(data, bytes);
	now = malloc(model->bytes - old_bytes + bytes + 1);
	memcpy(now, model->data, offset);
	memcpy(now + offset, data, bytes);
	memcpy(now + offset + bytes, model->data + offset + old_bytes, model->bytes - offset - old_bytes);
	free(model->data);
	model->data = now;
	total += bytes - old_bytes;
	model->bytes += bytes - old_bytes;
	flight->total = model->bytes;
	if (append)
		content_append(test->content, agent, model->number, source_of(data, bytes), done, flight);
	else
		content_edit(test->content, agent, model->number, offset, old_bytes, source_of(data, bytes), done, flight);
	free(data);
}

static void expect(struct flight *flight, const struct model *model, size_t offset, size_t bytes)
{
	flight->bytes = bytes;
	flight->data = malloc(bytes + 1);
	memcpy(flight->data, model->data + offset, bytes);
}

static void do_fork(uint64_t agent)
{
	struct model *model = some_unit(agent, true);
	struct flight *flight;
	size_t bytes;

	if (model == NULL || total > TOTAL_MOST || places() < 2 * FLIGHTS)
		return;
	flight = begin(FORK, agent, model);
	bytes = test_below(test, 2) == 0 ? model->bytes : test_below(test, (uint32_t)model->bytes + 1);
	expect(flight, model, 0, bytes);
	content_fork(test->content, agent, model->number, bytes == model->bytes && test_below(test, 2) == 0 ? UINT64_MAX : bytes, done, flight);
}

static void do_look(uint64_t agent)
{
	struct model *model = some_unit(agent, false);
	struct flight *flight;
	size_t offset, bytes;

	if (model == NULL)
		return;
	switch (test_below(test, 8)) {
	case 0:
		flight = begin(MAP, agent, model);
		expect(flight, model, 0, model->bytes);
		content_map(test->content, agent, model->number, done, flight);
		break;
	case 1:
		flight = begin(STAT, agent, model);
		flight->data = malloc(sizeof(struct am_digest));
		digest_of(model->data, model->bytes, (struct am_digest *)(void *)flight->data);
		content_stat(test->content, agent, model->number, done, flight, &flight->stat);
		break;
	case 2:
		if (test_below(test, 8) == 0)
			content_mark_hot(test->content, agent, model->number, done, begin(MARK, agent, model));
		break;
	default:
		offset = test_below(test, (uint32_t)model->bytes + 10);
		bytes = test_below(test, 4) == 0 ? test_below(test, 2 * BROKER_INLINE_MOST) : test_below(test, 5000);
		flight = begin(READ, agent, model);
		if (offset > model->bytes)
			offset = model->bytes;
		expect(flight, model, offset, bytes > BROKER_INLINE_MOST ? (model->bytes - offset < BROKER_INLINE_MOST ? model->bytes - offset : BROKER_INLINE_MOST) : bytes > model->bytes - offset ? model->bytes - offset : bytes);
		content_read(test->content, agent, model->number, offset, bytes, done, flight);
	}
}

static void do_claim(uint64_t agent)
{
	struct model *model = &models[test_below(test, UNITS)];
	uint8_t secret[256];
	struct content_question *question;
	struct flight *flight;
	struct proof_tag tag;
	struct am_digest digest;
	bool lie = test_below(test, 3) == 0;

	if (model->number == 0 || model->bytes < 300000 || places() < 2 * FLIGHTS)
		return;
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)test_draw(test);
	question = content_ask(test->content, domain_of(agent), model->bytes, fingerprint_of(model->data, model->bytes), secret);
	CHECK(question != NULL);
	tag = digest_and_proof_of(secret, model->data, model->bytes, &digest);
	if (test_below(test, 6) == 0) {
		content_forget(test->content, question);
		return;
	}
	flight = begin(CLAIM, agent, NULL);
	flight->bytes = model->bytes;
	flight->data = malloc(model->bytes);
	memcpy(flight->data, model->data, model->bytes);
	flight->is_known = !lie && model->domain == domain_of(agent) && model->kind != AM_KIND_CONVERSATION;
	/* Candidates are the newest with that fingerprint; others with the same look are not proven. */
	flight->may_fail = true;
	content_claim(test->content, question, agent, AM_KIND_OTHER, &digest, tag.low ^ lie, tag.high, done, flight);
}

static void forget_flights(const struct model *model, uint64_t agent)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].model == model && flights[i].agent == agent)
			flights[i].may_fail = true;
}

static void do_free(uint64_t agent)
{
	struct model *model = some_unit(agent, false);

	/* A flight looks at its model. */
	if (model == NULL || (model->flights > 0 && holders(model) == 1 && model->holds[agent] == 1))
		return;
	CHECK(content_free(test->content, agent, model->number) == 0);
	if (--model->holds[agent] == 0) {
		model->maps[agent] = 0;
		forget_flights(model, agent);
	}
	if (holders(model) == 0)
		model_free(model);
}

/* With operations on it still under way: they must end, one way or the other. */
static void do_free_in_flight(uint64_t agent)
{
	struct model *model = some_unit(agent, true);

	if (model == NULL || holders(model) != 1 || model->holds[agent] != 1)
		return;
	for (int i = 0; i < 3 && free_flight() != NULL; i++) {
		struct flight *flight = begin(READ, agent, model);
		size_t bytes = model->bytes < 1000 ? model->bytes : 1000;

		expect(flight, model, model->bytes - bytes, bytes);
		content_read(test->content, agent, model->number, model->bytes - bytes, 1000, done, flight);
	}
	CHECK(content_free(test->content, agent, model->number) == 0);
	for (int i = 0; i < FLIGHTS; i++) {
		if (!flights[i].busy || flights[i].model != model)
			continue;
		flights[i].may_fail = true;
		flights[i].model = NULL;
	}
	model_free(model);
}

static void do_share(uint64_t agent)
{
	struct model *model = some_unit(agent, false);
	uint64_t other = 1 + test_below(test, AGENTS);
	int error;

	if (model == NULL)
		return;
	error = content_share(test->content, agent, model->number, other, domain_of(other));
	CHECK(error == (domain_of(other) == model->domain ? 0 : -ENOENT));
	if (error == 0)
		model->holds[other]++;
}

static void do_unmap(uint64_t agent)
{
	struct model *model = some_unit(agent, false);

	if (model == NULL)
		return;
	if (model->maps[agent] == 0) {
		CHECK(content_unmap(test->content, agent, model->number) == -EINVAL || model->flights > 0);
		return;
	}
	model->maps[agent]--;
	CHECK(content_unmap(test->content, agent, model->number) == 0);
}

static void do_find(uint64_t agent)
{
	struct model *model = &models[test_below(test, UNITS)];
	struct content_result result;
	struct am_digest digest;
	int error;

	if (model->number == 0 || model->kind == AM_KIND_CONVERSATION)
		return;
	digest_of(model->data, model->bytes, &digest);
	error = content_find(test->content, agent, domain_of(agent), &digest, &result);
	if (model->domain == domain_of(agent) && model->holds[agent] > 0)
		CHECK(error == 0 && result.unit == model->number);
	/* Another unit with the same bytes may be a conversation of its own. */
	if (error == 0)
		CHECK(model_of(result.unit) != NULL && model_of(result.unit)->bytes == model->bytes && memcmp(model_of(result.unit)->data, model->data, model->bytes) == 0);
}

static void do_policy(bool has_store)
{
	static const uint64_t ages[] = { 0, 1, 30, 1000000 };
	struct am_policy policy = {
		.warm_after_ms = ages[test_below(test, 4)], .cold_after_ms = ages[test_below(test, 4)], .thorough_after_ms = ages[1 + test_below(test, 3)],
		.hot_most_bytes = test_below(test, 3) == 0 ? 1u << 20 : 0, .warm_most_bytes = test_below(test, 3) == 0 ? 300000 : 0, .has_cold = has_store,
	};

	content_set_policy(test->content, &policy);
}

static void do_state(uint64_t agent)
{
	states[agent] = (enum am_state)(1 + test_below(test, 3));
	content_agent_state(test->content, agent, states[agent]);
}

static void drain(void)
{
	for (int i = 0; i < FLIGHTS; i++)
		while (flights[i].busy)
			test_turn(test, 100);
}

static void do_gone(uint64_t agent)
{
	drain();
	content_agent_gone(test->content, agent);
	for (int i = 0; i < UNITS; i++) {
		if (models[i].number == 0)
			continue;
		models[i].holds[agent] = 0;
		models[i].maps[agent] = 0;
		if (holders(&models[i]) == 0)
			model_free(&models[i]);
	}
	CHECK(content_agent_bytes(test->content, agent) == 0);
}

static void check_all(void)
{
	static struct broker_unit_line lines[UNITS + 10];
	struct broker_stat stat;
	uint64_t stored = 0, sum = 0, bytes = 0, held[AGENTS + 1] = { 0 };
	unsigned count = 0, units = 0;
	bool more = false;

	drain();
	/* What is on its way from one tier to another belongs to none for a moment. */
	for (int tries = 0; tries < 500; tries++) {
		memset(&stat, 0, sizeof(stat));
		content_stat_all(test->content, &stat);
		count = content_unit_lines(test->content, 0, 0, lines, UNITS + 10, &more);
		stored = 0;
		for (unsigned i = 0; i < count; i++)
			stored += lines[i].stored_bytes;
		sum = stat.user_hot_bytes + stat.user_warm_bytes + stat.user_cold_bytes;
		if (stored <= sum + sum / 100 + 4096 && stored + sum / 100 + 4096 >= sum)
			break;
		test_turn(test, 5);
	}
	CHECK(!more);
	for (unsigned i = 0; i < count; i++) {
		CHECK(i == 0 || lines[i].unit > lines[i - 1].unit);
		CHECK(model_of(lines[i].unit) != NULL);
		bytes += lines[i].bytes;
	}
	for (int i = 0; i < UNITS; i++) {
		if (models[i].number == 0)
			continue;
		units++;
		for (int agent = 1; agent <= AGENTS; agent++)
			held[agent] += models[i].holds[agent] > 0 ? models[i].bytes : 0;
	}
	CHECK(units == count && stat.user_units == count);
	CHECK(bytes == total && stat.user_bytes == total);
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		CHECK(content_agent_bytes(test->content, agent) == held[agent]);
	/* Each unit's part of what is stored makes up the whole, but for rounding. */
	if (stored > sum + sum / 100 + 4096 || stored + sum / 100 + 4096 < sum) {
		fprintf(stderr, "content-model: units' parts sum up to %llu, stored are %llu + %llu + %llu\n", (unsigned long long)stored, (unsigned long long)stat.user_hot_bytes, (unsigned long long)stat.user_warm_bytes, (unsigned long long)stat.user_cold_bytes);
		abort();
	}
}

static void read_all(void)
{
	for (int i = 0; i < UNITS; i++) {
		struct model *model = &models[i];
		uint64_t agent = 1;

		if (model->number == 0)
			continue;
		while (model->holds[agent] == 0)
			agent++;
		for (size_t at = 0; at < model->bytes; at += BROKER_INLINE_MOST) {
			struct flight *flight;

			while (free_flight() == NULL)
				test_turn(test, 100);
			flight = begin(READ, agent, model);
			expect(flight, model, at, model->bytes - at < BROKER_INLINE_MOST ? model->bytes - at : BROKER_INLINE_MOST);
			content_read(test->content, agent, model->number, at, BROKER_INLINE_MOST, done, flight);
		}
	}
	drain();
}

static void note_cold(void)
{
	static struct broker_unit_line lines[UNITS];
	bool more;
	unsigned count = content_unit_lines(test->content, 0, 0, lines, UNITS, &more);

	for (int i = 0; i < UNITS; i++)
		models[i].cold = false;
	/* The farthest part is cold: all is, where there is no tail. */
	for (unsigned i = 0; i < count; i++) {
		struct model *model = model_of(lines[i].unit);
		struct broker_unit_stat stat;
		uint64_t agent = 1;

		while (model->holds[agent] == 0)
			agent++;
		if (model->bytes == 0 || lines[i].tier != AM_TIER_COLD || model->kind == AM_KIND_CONVERSATION)
			continue;
		content_stat(test->content, agent, model->number, test_ignore, NULL, &stat);
		model->cold = stat.cold_bytes == model->bytes;
	}
}

/* What was on disk is there again, as it was last; nothing is there as it was before. */
static void do_restart(void)
{
	struct broker_stat stat;
	unsigned kept = 0;

	drain();
	for (int i = 0; i < 10; i++)
		test_turn(test, 5);
	note_cold();
	memset(&stat, 0, sizeof(stat));
	content_stat_all(test->content, &stat);
	test->packed += stat.packed_bytes;
	content_close(test->content);
	test_open(test, view);
	for (int i = 0; i < UNITS; i++) {
		struct model *model = &models[i];

		if (model->number == 0)
			continue;
		memset(model->maps, 0, sizeof(model->maps));
		if (content_unit_bytes(test->content, model->number) == 0 && model->bytes > 0) {
			CHECK(!model->cold);
			model_free(model);
			continue;
		}
		if (model->bytes == 0) {
			model_free(model);
			continue;
		}
		kept++;
		CHECK(content_unit_bytes(test->content, model->number) == model->bytes);
	}
	test->kept += kept;
	check_all();
	read_all();
}

static void one(uint64_t agent, bool has_store)
{
	uint32_t what = test_below(test, 1000);

	if (what < 130)
		do_add(agent);
	else if (what < 330)
		do_change(agent, true);
	else if (what < 400)
		do_change(agent, false);
	else if (what < 440)
		do_fork(agent);
	else if (what < 740)
		do_look(agent);
	else if (what < 770)
		do_claim(agent);
	else if (what < 840)
		do_free(agent);
	else if (what < 850)
		do_free_in_flight(agent);
	else if (what < 880)
		do_share(agent);
	else if (what < 920)
		do_unmap(agent);
	else if (what < 950)
		do_find(agent);
	else if (what < 970)
		do_policy(has_store);
	else if (what < 980)
		do_state(agent);
	else if (what < 981)
		do_gone(agent);
	else if (what < 983)
		check_all();
	else if (what < 984 && has_store)
		do_restart();
	else
		test_turn(test, 1);
}

int model_main(struct test *with, unsigned operations)
{
	struct broker_stat before, after;

	test = with;
	for (int i = 1; i <= AGENTS; i++)
		states[i] = AM_STATE_ACTIVE;
	make_pool();
	test_open(test, view);
	memset(&before, 0, sizeof(before));
	content_stat_all(test->content, &before);
	for (unsigned i = 0; i < operations; i++) {
		while (free_flight() == NULL || (test_below(test, 4) == 0 && i % 3 == 0)) {
			test_turn(test, 2);
			if (free_flight() != NULL)
				break;
		}
		one(1 + test_below(test, AGENTS), test->folder != NULL);
		if (i % 16 == 0)
			test_turn(test, 0);
	}
	if (test->folder != NULL) {
		const struct am_policy far = { .has_cold = true };

		drain();
		content_set_policy(test->content, &far);
		for (int i = 0; i < 100; i++)
			test_turn(test, 20);
		do_restart();
	}
	check_all();
	read_all();
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		do_gone(agent);
	test_settle(test);
	memset(&after, 0, sizeof(after));
	content_stat_all(test->content, &after);
	CHECK(after.user_units == 0 && after.user_bytes == 0);
	CHECK(after.user_hot_bytes == 0 && after.user_warm_bytes == 0 && after.user_cold_bytes == 0);
	printf("%u operations, packed %llu bytes, %llu blocks restored, %llu cold reads, %u units kept over restarts, %llu errors, own %llu to %llu\n", operations,
		(unsigned long long)(test->packed + after.packed_bytes), (unsigned long long)after.restored_blocks, (unsigned long long)after.cold_reads,
		test->kept, (unsigned long long)after.errors, (unsigned long long)before.user_own_bytes, (unsigned long long)after.user_own_bytes);
	CHECK(after.errors == 0);
	content_close(test->content);
	free(pool);
	return 0;
}
