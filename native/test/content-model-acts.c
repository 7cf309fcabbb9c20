/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent does: one of all operations, on a unit that is drawn. */
#include "content-model.h"

static struct content_source source_of(const char *data, size_t bytes)
{
	if (bytes <= BROKER_INLINE_MOST && test_below(model_test, 4) != 0)
		return (struct content_source){ .data = data, .fd = -1, .bytes = bytes };
	return (struct content_source){ .fd = test_memfd(data, bytes), .bytes = bytes };
}

static void do_add(uint64_t agent)
{
	enum am_kind kind = (enum am_kind)(1 + test_below(model_test, 5));
	struct model *like = test_below(model_test, 3) == 0 ? &models[test_below(model_test, UNITS)] : NULL;
	struct flight *flight;

	if (model_total > TOTAL_MOST || model_places() < 2 * FLIGHTS)
		return;
	flight = flight_begin(ADD, agent, NULL);
	/* Known content, of this domain or another. */
	if (like != NULL && like->number != 0 && like->bytes > 0) {
		flight->bytes = like->bytes;
		flight->data = malloc(like->bytes);
		memcpy(flight->data, like->data, like->bytes);
	} else {
		flight->bytes = model_some_bytes();
		flight->data = malloc(flight->bytes);
		model_data(flight->data, flight->bytes);
	}
	content_add(model_test->content, agent, model_domain(agent), kind, source_of(flight->data, flight->bytes), flight_done, flight);
}

static void do_change(uint64_t agent, bool append)
{
	struct model *model = model_some(agent, true);
	size_t bytes = test_below(model_test, 6) == 0 ? model_some_bytes() : 1 + test_below(model_test, 3000);
	size_t offset, old_bytes;
	struct flight *flight;
	char *data, *now;

	if (model == NULL || model_total > TOTAL_MOST)
		return;
	flight = flight_begin(append ? APPEND : EDIT, agent, model);
	offset = append || model->bytes == 0 ? model->bytes : test_below(model_test, (uint32_t)model->bytes);
	old_bytes = append ? 0 : test_below(model_test, 5000);
	if (old_bytes > model->bytes - offset)
		old_bytes = model->bytes - offset;
	if (!append && test_below(model_test, 4) == 0)
		bytes = 0;
	data = malloc(bytes + 1);
	model_data(data, bytes);
	now = malloc(model->bytes - old_bytes + bytes + 1);
	memcpy(now, model->data, offset);
	memcpy(now + offset, data, bytes);
	memcpy(now + offset + bytes, model->data + offset + old_bytes, model->bytes - offset - old_bytes);
	free(model->data);
	model->data = now;
	model_total += bytes - old_bytes;
	model->bytes += bytes - old_bytes;
	flight->total = model->bytes;
	if (append)
		content_append(model_test->content, agent, model->number, source_of(data, bytes), flight_done, flight);
	else
		content_edit(model_test->content, agent, model->number, offset, old_bytes, source_of(data, bytes), flight_done, flight);
	free(data);
}

static void do_fork(uint64_t agent)
{
	struct model *model = model_some(agent, true);
	struct flight *flight;
	size_t bytes;

	if (model == NULL || model_total > TOTAL_MOST || model_places() < 2 * FLIGHTS)
		return;
	flight = flight_begin(FORK, agent, model);
	bytes = test_below(model_test, 2) == 0 ? model->bytes : test_below(model_test, (uint32_t)model->bytes + 1);
	flight_expect(flight, model, 0, bytes);
	content_fork(model_test->content, agent, model->number, bytes == model->bytes && test_below(model_test, 2) == 0 ? UINT64_MAX : bytes, flight_done, flight);
}

static void do_look(uint64_t agent)
{
	struct model *model = model_some(agent, false);
	struct flight *flight;
	size_t offset, bytes;

	if (model == NULL)
		return;
	switch (test_below(model_test, 8)) {
	case 0:
		flight = flight_begin(MAP, agent, model);
		flight_expect(flight, model, 0, model->bytes);
		content_map(model_test->content, agent, model->number, flight_done, flight);
		break;
	case 1:
		flight = flight_begin(STAT, agent, model);
		flight->data = malloc(sizeof(struct am_digest));
		digest_of(model->data, model->bytes, (struct am_digest *)(void *)flight->data);
		content_stat(model_test->content, agent, model->number, flight_done, flight, &flight->stat);
		break;
	case 2:
		if (test_below(model_test, 8) == 0)
			content_mark_hot(model_test->content, agent, model->number, flight_done, flight_begin(MARK, agent, model));
		break;
	default:
		offset = test_below(model_test, (uint32_t)model->bytes + 10);
		bytes = test_below(model_test, 4) == 0 ? test_below(model_test, 2 * BROKER_INLINE_MOST) : test_below(model_test, 5000);
		flight = flight_begin(READ, agent, model);
		if (offset > model->bytes)
			offset = model->bytes;
		flight_expect(flight, model, offset, bytes > BROKER_INLINE_MOST ? (model->bytes - offset < BROKER_INLINE_MOST ? model->bytes - offset : BROKER_INLINE_MOST) : bytes > model->bytes - offset ? model->bytes - offset : bytes);
		content_read(model_test->content, agent, model->number, offset, bytes, flight_done, flight);
	}
}

static void do_claim(uint64_t agent)
{
	struct model *model = &models[test_below(model_test, UNITS)];
	uint8_t secret[256];
	struct content_question *question;
	struct flight *flight;
	struct proof_tag tag;
	struct am_digest digest;
	bool lie = test_below(model_test, 3) == 0;

	if (model->number == 0 || model->bytes < 300000 || model_places() < 2 * FLIGHTS)
		return;
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)test_draw(model_test);
	question = content_ask(model_test->content, model_domain(agent), model->bytes, fingerprint_of(model->data, model->bytes), secret);
	CHECK(question != NULL);
	tag = digest_and_proof_of(secret, model->data, model->bytes, &digest);
	if (test_below(model_test, 6) == 0) {
		content_forget(model_test->content, question);
		return;
	}
	flight = flight_begin(CLAIM, agent, NULL);
	flight->bytes = model->bytes;
	flight->data = malloc(model->bytes);
	memcpy(flight->data, model->data, model->bytes);
	flight->is_known = !lie && model->domain == model_domain(agent) && model->kind != AM_KIND_CONVERSATION;
	/* Candidates are the newest with that fingerprint; others with the same look are not proven. */
	flight->may_fail = true;
	content_claim(model_test->content, question, agent, AM_KIND_OTHER, &digest, tag.low ^ lie, tag.high, flight_done, flight);
}

static void do_free(uint64_t agent)
{
	struct model *model = model_some(agent, false);

	/* A flight looks at its model. */
	if (model == NULL || (model->flights > 0 && model_holders(model) == 1 && model->holds[agent] == 1))
		return;
	CHECK(content_free(model_test->content, agent, model->number) == 0);
	if (--model->holds[agent] == 0) {
		model->maps[agent] = 0;
		flights_forget(model, agent);
	}
	if (model_holders(model) == 0)
		model_free(model);
}

/* With operations on it still under way: they must end, one way or the other. */
static void do_free_in_flight(uint64_t agent)
{
	struct model *model = model_some(agent, true);

	if (model == NULL || model_holders(model) != 1 || model->holds[agent] != 1)
		return;
	for (int i = 0; i < 3 && flight_free() != NULL; i++) {
		struct flight *flight = flight_begin(READ, agent, model);
		size_t bytes = model->bytes < 1000 ? model->bytes : 1000;

		flight_expect(flight, model, model->bytes - bytes, bytes);
		content_read(model_test->content, agent, model->number, model->bytes - bytes, 1000, flight_done, flight);
	}
	CHECK(content_free(model_test->content, agent, model->number) == 0);
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
	struct model *model = model_some(agent, false);
	uint64_t other = 1 + test_below(model_test, AGENTS);
	int error;

	if (model == NULL)
		return;
	error = content_share(model_test->content, agent, model->number, other, model_domain(other));
	CHECK(error == (model_domain(other) == model->domain ? 0 : -ENOENT));
	if (error == 0)
		model->holds[other]++;
}

static void do_unmap(uint64_t agent)
{
	struct model *model = model_some(agent, false);

	if (model == NULL)
		return;
	if (model->maps[agent] == 0) {
		CHECK(content_unmap(model_test->content, agent, model->number) == -EINVAL || model->flights > 0);
		return;
	}
	model->maps[agent]--;
	CHECK(content_unmap(model_test->content, agent, model->number) == 0);
}

static void do_find(uint64_t agent)
{
	struct model *model = &models[test_below(model_test, UNITS)];
	const struct model *found;
	struct content_result result;
	struct am_digest digest;
	int error;

	if (model->number == 0 || model->kind == AM_KIND_CONVERSATION)
		return;
	digest_of(model->data, model->bytes, &digest);
	error = content_find(model_test->content, agent, model_domain(agent), &digest, &result);
	if (model->domain == model_domain(agent) && model->holds[agent] > 0)
		CHECK(error == 0 && result.unit == model->number);
	if (error != 0)
		return;
	found = model_of(result.unit);
	CHECK(found != NULL);
	/* Another unit with the same bytes may be a conversation of its own; the model has a change of it as soon as it is asked for. */
	if (flights_change(found))
		return;
	CHECK(found->bytes == model->bytes && memcmp(found->data, model->data, model->bytes) == 0);
}

static void do_policy(bool has_store)
{
	static const uint64_t ages[] = { 0, 1, 30, 1000000 };
	struct am_policy policy = {
		.warm_after_ms = ages[test_below(model_test, 4)], .cold_after_ms = ages[test_below(model_test, 4)], .thorough_after_ms = ages[1 + test_below(model_test, 3)],
		.hot_most_bytes = test_below(model_test, 3) == 0 ? 1u << 20 : 0, .warm_most_bytes = test_below(model_test, 3) == 0 ? 300000 : 0, .has_cold = has_store,
	};

	content_set_policy(model_test->content, &policy);
}

static void do_state(uint64_t agent)
{
	model_states[agent] = (enum am_state)(1 + test_below(model_test, 3));
	content_agent_state(model_test->content, agent, model_states[agent]);
}

void model_act(uint64_t agent, bool has_store)
{
	uint32_t what = test_below(model_test, 1000);

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
		model_gone(agent);
	else if (what < 983)
		model_check_all();
	else if (what < 984 && has_store)
		model_restart();
	else
		test_turn(model_test, 1);
}
