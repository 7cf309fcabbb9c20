/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes drawn for the model, and the models that hold them. */
#include "content-model.h"

#define POOL_BYTES (4u << 20)

struct model models[UNITS];
size_t model_total;
static char *pool;

uint64_t model_domain(uint64_t agent)
{
	return agent % 2 + 1;
}

/* Text of few words in many orders: alike, and mostly compressible. */
void model_pool_open(void)
{
	pool = malloc(POOL_BYTES);
	for (size_t at = 0; at < POOL_BYTES;) {
		static const char *const words[] = { "memory ", "agent ", "{\"role\":\"user\",", "block ", "return ", "unit;\n", "0123456789", "compress " };
		const char *word = words[test_below(model_test, 8)];
		size_t bytes = strlen(word);

		if (test_below(model_test, 9) == 0) {
			char number[24];

			bytes = (size_t)snprintf(number, sizeof(number), "%llx ", (unsigned long long)test_draw(model_test));
			word = number;
			memcpy(pool + at, word, bytes < POOL_BYTES - at ? bytes : POOL_BYTES - at);
		} else {
			memcpy(pool + at, word, bytes < POOL_BYTES - at ? bytes : POOL_BYTES - at);
		}
		at += bytes;
	}
}

void model_pool_close(void)
{
	free(pool);
}

void model_data(char *out, size_t bytes)
{
	size_t from = test_below(model_test, 4) == 0 ? 0 : test_below(model_test, POOL_BYTES);
	bool noise = test_below(model_test, 12) == 0;

	for (size_t i = 0; i < bytes; i++)
		out[i] = noise ? (char)test_draw(model_test) : pool[(from + i) % POOL_BYTES];
	/* As ids are rewritten on each line of a fork. */
	if (test_below(model_test, 3) == 0)
		for (size_t i = 50; i + 8 < bytes; i += 300)
			for (size_t j = 0; j < 8; j++)
				out[i + j] = (char)('a' + test_below(model_test, 26));
}

size_t model_some_bytes(void)
{
	switch (test_below(model_test, 8)) {
	case 0:
		return 1 + test_below(model_test, 64);
	case 1:
	case 2:
	case 3:
		return 1 + test_below(model_test, 20000);
	case 4:
	case 5:
		return 1 + test_below(model_test, 200000);
	default:
		return 1 + test_below(model_test, 1500000);
	}
}

struct model *model_of(uint64_t number)
{
	for (int i = 0; i < UNITS; i++)
		if (models[i].number == number)
			return &models[i];
	return NULL;
}

unsigned model_holders(const struct model *model)
{
	unsigned count = 0;

	for (int i = 1; i <= AGENTS; i++)
		count += model->holds[i] > 0;
	return count;
}

uint64_t model_first_holder(const struct model *model)
{
	uint64_t agent = 1;

	while (model->holds[agent] == 0)
		agent++;
	return agent;
}

unsigned model_places(void)
{
	unsigned count = 0;

	for (int i = 0; i < UNITS; i++)
		count += models[i].number == 0;
	return count;
}

struct model *model_some(uint64_t agent, bool conversation)
{
	for (int tries = 0; tries < 40; tries++) {
		struct model *model = &models[test_below(model_test, UNITS)];

		if (model->number != 0 && model->holds[agent] > 0 && (!conversation || model->kind == AM_KIND_CONVERSATION))
			return model;
	}
	return NULL;
}

void model_free(struct model *model)
{
	model_total -= model->bytes;
	free(model->data);
	memset(model, 0, sizeof(*model));
}
