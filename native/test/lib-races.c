/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations beside a model of them; many threads; fork() while they run. */
#include "lib-kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "common/digest.h"

#define MODEL_MOST 400000

struct model {
	agentmem_unit_t unit;
	uint8_t *bytes;
	size_t count;
};

static void is_as(agentmem_t *am, const struct model *model, uint8_t *buffer)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };

	GIVES(model->count, agentmem_read(am, model->unit, 0, buffer, MODEL_MOST));
	CHECK(memcmp(buffer, model->bytes, model->count) == 0);
	GIVES(0, agentmem_stat_unit(am, model->unit, &stat));
	CHECK(stat.bytes == model->count && stat.hot_bytes + stat.warm_bytes + stat.cold_bytes == stat.bytes);
}

static void step(agentmem_t *am, struct model *models, unsigned count, uint64_t *seed, uint8_t *buffer)
{
	struct model *model = &models[kit_random(seed) % count], *other = &models[kit_random(seed) % count];
	/* Mostly lines, now and then a file. */
	size_t bytes = kit_random(seed) % (kit_random(seed) % 20 == 0 ? 150000 : 300), at, old;
	uint8_t *data = kit_bytes(kit_random(seed), bytes);

	switch (kit_random(seed) % 8) {
	case 0:
		if (model == other)
			break;
		at = kit_random(seed) % (model->count + 1);
		GIVES(0, agentmem_free(am, other->unit));
		GIVES(0, agentmem_fork(am, model->unit, at, &other->unit));
		memcpy(other->bytes, model->bytes, at);
		other->count = at;
		break;
	case 1:
		at = kit_random(seed) % (model->count + 1);
		old = kit_random(seed) % (model->count - at + 1);
		if (model->count - old + bytes > MODEL_MOST)
			break;
		GIVES(0, agentmem_edit(am, model->unit, at, old, data, bytes));
		memmove(model->bytes + at + bytes, model->bytes + at + old, model->count - at - old);
		memcpy(model->bytes + at, data, bytes);
		model->count += bytes - old;
		break;
	case 2:
		is_as(am, model, buffer);
		break;
	default:
		if (model->count + bytes > MODEL_MOST)
			break;
		GIVES(0, agentmem_append(am, model->unit, data, bytes));
		memcpy(model->bytes + model->count, data, bytes);
		model->count += bytes;
	}
	free(data);
}

void test_model(void)
{
	agentmem_t *am = kit_open();
	uint8_t *buffer = malloc(MODEL_MOST);
	struct model models[4];
	uint64_t seed = 4711;

	for (unsigned i = 0; i < 4; i++) {
		models[i] = (struct model){ .bytes = malloc(MODEL_MOST) };
		GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, NULL, 0, &models[i].unit));
	}
	for (unsigned i = 0; i < 600; i++)
		step(am, models, 4, &seed, buffer);
	for (unsigned i = 0; i < 4; i++) {
		is_as(am, &models[i], buffer);
		GIVES(0, agentmem_free(am, models[i].unit));
		free(models[i].bytes);
	}
	free(buffer);
	agentmem_close(am);
}

#define CONTENTS 5

static const size_t content_bytes[CONTENTS] = { 10, 5000, 140000, 270000, 700000 };

struct crowd {
	agentmem_t *am;
	uint8_t *contents[CONTENTS];
	agentmem_unit_t units[CONTENTS];
	struct am_digest digests[CONTENTS];
	atomic_bool stop;
	atomic_uint rounds;
};

static void crowd_begin(struct crowd *crowd)
{
	*crowd = (struct crowd){ .am = kit_open() };
	for (unsigned i = 0; i < CONTENTS; i++) {
		crowd->contents[i] = kit_bytes(i + 1, content_bytes[i]);
		digest_of(crowd->contents[i], content_bytes[i], &crowd->digests[i]);
		GIVES(0, agentmem_alloc(crowd->am, AGENTMEM_OTHER, crowd->contents[i], content_bytes[i], &crowd->units[i]));
	}
}

static void crowd_end(struct crowd *crowd)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };

	for (unsigned i = 0; i < CONTENTS; i++) {
		GIVES(0, agentmem_free(crowd->am, crowd->units[i]));
		/* Each thread has given back what it took. */
		GIVES(-ENOENT, agentmem_free(crowd->am, crowd->units[i]));
		free(crowd->contents[i]);
	}
	GIVES(0, agentmem_stat(crowd->am, &stat));
	GIVES(0, stat.units);
	agentmem_close(crowd->am);
}

/* Everything that a thread may do with what others use at the same time. */
static void round_of(struct crowd *crowd, uint64_t *seed, uint8_t *buffer)
{
	unsigned i = (unsigned)(kit_random(seed) % CONTENTS);
	size_t bytes = content_bytes[i], from = kit_random(seed) % bytes, mapped_bytes;
	agentmem_unit_t unit, talk, fork;
	const void *mapped;

	GIVES(0, agentmem_find(crowd->am, crowd->digests[i].bytes, &unit));
	CHECK(unit == crowd->units[i]);
	GIVES(0, agentmem_map(crowd->am, unit, &mapped, &mapped_bytes));
	CHECK(mapped_bytes == bytes && memcmp((const uint8_t *)mapped + from, crowd->contents[i] + from, bytes - from) == 0);
	GIVES(bytes - from, agentmem_read(crowd->am, unit, from, buffer, bytes));
	CHECK(memcmp(buffer, crowd->contents[i] + from, bytes - from) == 0);
	GIVES(0, agentmem_unmap(crowd->am, mapped));
	GIVES(0, agentmem_alloc(crowd->am, AGENTMEM_OTHER, crowd->contents[i], bytes, &unit));
	CHECK(unit == crowd->units[i]);
	GIVES(0, agentmem_alloc(crowd->am, AGENTMEM_CONVERSATION, buffer, bytes - from, &talk));
	GIVES(0, agentmem_append(crowd->am, talk, "end", 3));
	GIVES(0, agentmem_fork(crowd->am, talk, SIZE_MAX, &fork));
	GIVES(0, agentmem_free(crowd->am, talk));
	GIVES(3, agentmem_read(crowd->am, fork, bytes - from, buffer, 10));
	CHECK(memcmp(buffer, "end", 3) == 0);
	GIVES(0, agentmem_free(crowd->am, fork));
	GIVES(0, agentmem_free(crowd->am, unit));
	atomic_fetch_add(&crowd->rounds, 1);
}

static void *take_part(void *context)
{
	struct crowd *crowd = context;
	uint64_t seed = 1 + (uint64_t)(uintptr_t)&seed;
	uint8_t *buffer = malloc(800000);

	while (!atomic_load(&crowd->stop))
		round_of(crowd, &seed, buffer);
	free(buffer);
	return NULL;
}

#define THREADS 6

void test_threads(void)
{
	pthread_t threads[THREADS];
	struct crowd crowd;

	crowd_begin(&crowd);
	for (unsigned i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, take_part, &crowd) == 0);
	while (atomic_load(&crowd.rounds) < 150)
		usleep(1000);
	atomic_store(&crowd.stop, true);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	crowd_end(&crowd);
}

/* The child has the units of its parent; of the parent's calls it has nothing. */
static void in_child(struct crowd *crowd, agentmem_unit_t talk, const void *mapped, unsigned descriptors)
{
	uint8_t *buffer = malloc(800000);
	uint64_t seed = 99;

	CHECK(kit_descriptors() <= descriptors);
	CHECK(memcmp(mapped, crowd->contents[4], content_bytes[4]) == 0);
	GIVES(5, agentmem_read(crowd->am, talk, 0, buffer, 10));
	round_of(crowd, &seed, buffer);
	if (kit_backend != AGENTMEM_PRIVATE)
		GIVES(0, agentmem_append(crowd->am, talk, "", 0));
	free(buffer);
	agentmem_close(crowd->am);
	_exit(0);
}

void test_forks(void)
{
	agentmem_unit_t talk;
	pthread_t threads[3];
	struct crowd crowd;
	const void *mapped;
	unsigned descriptors;
	size_t bytes;

	crowd_begin(&crowd);
	GIVES(0, agentmem_alloc(crowd.am, AGENTMEM_CONVERSATION, "12345", 5, &talk));
	GIVES(0, agentmem_map(crowd.am, crowd.units[4], &mapped, &bytes));
	/* Its connection is one that children must not have; then threads come with what they hold for moments. Each thread may have one mapped memfd. */
	descriptors = kit_descriptors() - (kit_backend == AGENTMEM_PRIVATE ? 0 : 1) + 3;
	for (unsigned i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, take_part, &crowd) == 0);
	for (unsigned i = 0; i < 15; i++) {
		pid_t child = fork();
		int status;

		CHECK(child >= 0);
		if (child == 0)
			in_child(&crowd, talk, mapped, descriptors);
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	atomic_store(&crowd.stop, true);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	GIVES(0, agentmem_unmap(crowd.am, mapped));
	GIVES(0, agentmem_free(crowd.am, talk));
	crowd_end(&crowd);
}

void test_descriptors(void)
{
	agentmem_t *am = kit_open();
	uint8_t *data = kit_bytes(1, 900000), *buffer = malloc(900000);
	unsigned before, at_first = kit_descriptors();
	agentmem_unit_t unit;
	const void *mapped[5];
	size_t bytes;

	agentmem_close(am);
	before = kit_descriptors();
	am = kit_open();
	CHECK(kit_descriptors() == at_first);
	for (unsigned i = 0; i < 20; i++) {
		GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data + i, 800000, &unit));
		for (unsigned j = 0; j < 5; j++)
			GIVES(0, agentmem_map(am, unit, &mapped[j], &bytes));
		for (unsigned j = 0; j < 5; j++)
			GIVES(0, agentmem_unmap(am, mapped[j]));
		GIVES(800000, agentmem_read(am, unit, 0, buffer, 900000));
		GIVES(0, agentmem_map(am, unit, &mapped[0], &bytes));
		GIVES(0, agentmem_free(am, unit));
		GIVES(0, agentmem_unmap(am, mapped[0]));
		CHECK(kit_descriptors() == at_first);
	}
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 800000, &unit));
	GIVES(0, agentmem_map(am, unit, &mapped[0], &bytes));
	agentmem_close(am);
	CHECK(kit_descriptors() == before);
	GIVES(0, agentmem_unmap(NULL, mapped[0]));
	free(buffer);
	free(data);
}
