/* SPDX-License-Identifier: Apache-2.0 */
/* Operations under way: begun, and compared with the model when they end. */
#include "content-model.h"

#include <sys/mman.h>

struct flight flights[FLIGHTS];

struct flight *flight_free(void)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (!flights[i].busy)
			return &flights[i];
	return NULL;
}

struct flight *flight_begin(enum what what, uint64_t agent, struct model *model)
{
	struct flight *flight = flight_free();

	*flight = (struct flight){ .busy = true, .what = what, .model = model, .agent = agent, .domain = model_domain(agent) };
	if (model != NULL) {
		model->flights++;
		flight->total = model->bytes;
	}
	return flight;
}

void flight_expect(struct flight *flight, const struct model *model, size_t offset, size_t bytes)
{
	flight->bytes = bytes;
	flight->data = malloc(bytes + 1);
	memcpy(flight->data, model->data + offset, bytes);
}

static void add_to_model(struct flight *flight, const struct content_result *result)
{
	struct model *model = model_of(result->unit);

	if (model == NULL) {
		model = model_of(0);
		CHECK(model != NULL);
		CHECK(!result->known);
		*model = (struct model){ .number = result->unit, .domain = flight->domain, .kind = (enum am_kind)result->kind, .data = flight->data, .bytes = flight->bytes };
		model_total += flight->bytes;
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

void flight_done(void *context, const struct content_result *result)
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

void flights_forget(const struct model *model, uint64_t agent)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].model == model && flights[i].agent == agent)
			flights[i].may_fail = true;
}

bool flights_change(const struct model *model)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (flights[i].busy && flights[i].model == model && (flights[i].what == APPEND || flights[i].what == EDIT))
			return true;
	return false;
}

void flights_drain(void)
{
	for (int i = 0; i < FLIGHTS; i++)
		while (flights[i].busy)
			test_turn(model_test, 100);
}
