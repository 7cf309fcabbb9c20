/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on what the broker keeps, beside a model that keeps plain
 * copies. Every byte read is compared. Ages are tiny and change all the time,
 * so that everything moves between the tiers while it is used.
 */
#include "content-model.h"

struct test *model_test;
enum am_state model_states[AGENTS + 1];

static bool view(void *context, uint64_t agent, enum am_state *state, uint32_t *importance)
{
	(void)context;
	if (agent == 0 || agent > AGENTS)
		return false;
	*state = model_states[agent];
	*importance = (uint32_t)agent * 10;
	return true;
}

void model_gone(uint64_t agent)
{
	flights_drain();
	content_agent_gone(model_test->content, agent);
	for (int i = 0; i < UNITS; i++) {
		if (models[i].number == 0)
			continue;
		models[i].holds[agent] = 0;
		models[i].maps[agent] = 0;
		if (model_holders(&models[i]) == 0)
			model_free(&models[i]);
	}
	CHECK(content_agent_bytes(model_test->content, agent) == 0);
}

static void note_cold(void)
{
	static struct broker_unit_line lines[UNITS];
	bool more;
	unsigned count = content_unit_lines(model_test->content, 0, 0, lines, UNITS, &more);

	for (int i = 0; i < UNITS; i++)
		models[i].cold = false;
	/* The farthest part is cold: all is, where there is no tail. */
	for (unsigned i = 0; i < count; i++) {
		struct model *model = model_of(lines[i].unit);
		struct broker_unit_stat stat;

		if (model->bytes == 0 || lines[i].tier != AM_TIER_COLD || model->kind == AM_KIND_CONVERSATION)
			continue;
		content_stat(model_test->content, model_first_holder(model), model->number, test_ignore, NULL, &stat);
		model->cold = stat.cold_bytes == model->bytes;
	}
}

/* What was on disk is there again, as it was last; nothing is there as it was before. */
void model_restart(void)
{
	struct broker_stat stat;
	unsigned kept = 0;

	flights_drain();
	for (int i = 0; i < 10; i++)
		test_turn(model_test, 5);
	note_cold();
	memset(&stat, 0, sizeof(stat));
	content_stat_all(model_test->content, &stat);
	model_test->packed += stat.packed_bytes;
	content_close(model_test->content);
	test_open(model_test, view);
	for (int i = 0; i < UNITS; i++) {
		struct model *model = &models[i];

		if (model->number == 0)
			continue;
		memset(model->maps, 0, sizeof(model->maps));
		if (content_unit_bytes(model_test->content, model->number) == 0 && model->bytes > 0) {
			CHECK(!model->cold);
			model_free(model);
			continue;
		}
		if (model->bytes == 0) {
			model_free(model);
			continue;
		}
		kept++;
		CHECK(content_unit_bytes(model_test->content, model->number) == model->bytes);
	}
	model_test->kept += kept;
	model_check_all();
	model_read_all();
}

int model_main(struct test *with, unsigned operations)
{
	struct broker_stat before, after;

	model_test = with;
	for (int i = 1; i <= AGENTS; i++)
		model_states[i] = AM_STATE_ACTIVE;
	model_pool_open();
	test_open(model_test, view);
	memset(&before, 0, sizeof(before));
	content_stat_all(model_test->content, &before);
	for (unsigned i = 0; i < operations; i++) {
		while (flight_free() == NULL || (test_below(model_test, 4) == 0 && i % 3 == 0)) {
			test_turn(model_test, 2);
			if (flight_free() != NULL)
				break;
		}
		model_act(1 + test_below(model_test, AGENTS), model_test->folder != NULL);
		if (i % 16 == 0)
			test_turn(model_test, 0);
	}
	if (model_test->folder != NULL) {
		const struct am_policy far = { .has_cold = true };

		flights_drain();
		content_set_policy(model_test->content, &far);
		for (int i = 0; i < 100; i++)
			test_turn(model_test, 20);
		model_restart();
	}
	model_check_all();
	model_read_all();
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		model_gone(agent);
	test_settle(model_test);
	memset(&after, 0, sizeof(after));
	content_stat_all(model_test->content, &after);
	CHECK(after.user_units == 0 && after.user_bytes == 0);
	CHECK(after.user_hot_bytes == 0 && after.user_warm_bytes == 0 && after.user_cold_bytes == 0);
	printf("%u operations, packed %llu bytes, %llu blocks restored, %llu cold reads, %u units kept over restarts, %llu errors, own %llu to %llu\n", operations,
		(unsigned long long)(model_test->packed + after.packed_bytes), (unsigned long long)after.restored_blocks, (unsigned long long)after.cold_reads,
		model_test->kept, (unsigned long long)after.errors, (unsigned long long)before.user_own_bytes, (unsigned long long)after.user_own_bytes);
	CHECK(after.errors == 0);
	content_close(model_test->content);
	model_pool_close();
	return 0;
}
