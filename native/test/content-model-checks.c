/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of it beside the model: sums, and every byte. */
#include "content-model.h"

void model_check_all(void)
{
	static struct broker_unit_line lines[UNITS + 10];
	struct broker_stat stat;
	uint64_t stored = 0, sum = 0, bytes = 0, held[AGENTS + 1] = { 0 };
	unsigned count = 0, units = 0;
	bool more = false;

	flights_drain();
	/* What is on its way from one tier to another belongs to none for a moment. */
	for (int tries = 0; tries < 500; tries++) {
		memset(&stat, 0, sizeof(stat));
		content_stat_all(model_test->content, &stat);
		count = content_unit_lines(model_test->content, 0, 0, lines, UNITS + 10, &more);
		stored = 0;
		for (unsigned i = 0; i < count; i++)
			stored += lines[i].stored_bytes;
		sum = stat.user_hot_bytes + stat.user_warm_bytes + stat.user_cold_bytes;
		if (stored <= sum + sum / 100 + 4096 && stored + sum / 100 + 4096 >= sum)
			break;
		test_turn(model_test, 5);
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
	CHECK(bytes == model_total && stat.user_bytes == model_total);
	for (uint64_t agent = 1; agent <= AGENTS; agent++)
		CHECK(content_agent_bytes(model_test->content, agent) == held[agent]);
	/* Each unit's part of what is stored makes up the whole, but for rounding. */
	if (stored > sum + sum / 100 + 4096 || stored + sum / 100 + 4096 < sum) {
		fprintf(stderr, "content-model: units' parts sum up to %llu, stored are %llu + %llu + %llu\n", (unsigned long long)stored, (unsigned long long)stat.user_hot_bytes, (unsigned long long)stat.user_warm_bytes, (unsigned long long)stat.user_cold_bytes);
		abort();
	}
}

void model_read_all(void)
{
	for (int i = 0; i < UNITS; i++) {
		struct model *model = &models[i];

		if (model->number == 0)
			continue;
		for (size_t at = 0; at < model->bytes; at += BROKER_INLINE_MOST) {
			struct flight *flight;

			while (flight_free() == NULL)
				test_turn(model_test, 100);
			flight = flight_begin(READ, model_first_holder(model), model);
			flight_expect(flight, model, at, model->bytes - at < BROKER_INLINE_MOST ? model->bytes - at : BROKER_INLINE_MOST);
			content_read(model_test->content, flight->agent, model->number, at, BROKER_INLINE_MOST, flight_done, flight);
		}
	}
	flights_drain();
}
