/* SPDX-License-Identifier: Apache-2.0 */
/* Brokers that are killed: what is lost, what is not, and that each call says which. */
#include "lib-kit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* What is mapped is not lost, and keeps its number; what is not, and was in memory alone, says so. */
void test_lost(void)
{
	agentmem_t *am = kit_open();
	uint8_t *data = kit_bytes(1, 500000), *buffer = malloc(500000);
	agentmem_unit_t mapped[3], gone, talk, open_talk, fresh;
	const void *at[3], *talk_at, *again;
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	size_t bytes;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 500000, &mapped[0]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 200000, &mapped[1]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100, &mapped[2]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100, &mapped[2]));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 300000, &gone));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 150000, &talk));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 1000, &open_talk));
	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_map(am, mapped[i], &at[i], &bytes));
	GIVES(0, agentmem_map(am, talk, &talk_at, &bytes));
	GIVES(0, agentmem_map(am, open_talk, &again, &bytes));
	GIVES(0, agentmem_append(am, open_talk, "x", 1));
	GIVES(0, agentmem_unmap(am, again));
	for (unsigned life = 0; life < 3; life++) {
		kit_kill_broker();
		GIVES(100, agentmem_read(am, mapped[2], 0, buffer, 500000));
		GIVES(0, agentmem_stat_unit(am, mapped[0], &stat));
		CHECK(stat.unit == mapped[0] && stat.bytes == 500000 && kit_broker() != 0);
		GIVES(0, agentmem_stat_unit(am, mapped[1], &stat));
		GIVES(0, agentmem_map(am, mapped[0], &again, &bytes));
		CHECK(again == at[0] && kit_are(again, 500000, 1));
		GIVES(0, agentmem_unmap(am, again));
		GIVES(150000, agentmem_read(am, talk, 0, buffer, 500000));
		CHECK(memcmp(buffer, data, 150000) == 0);
		GIVES(-ESTALE, agentmem_read(am, gone, 0, buffer, 1));
		GIVES(-ESTALE, agentmem_append(am, open_talk, "y", 1));
		GIVES(-ESTALE, agentmem_read(am, open_talk, 0, buffer, 1));
		GIVES(-ESTALE, agentmem_map(am, gone, &again, &bytes));
		/* A number of before is never another unit's. */
		GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data + life + 1, 300000, &fresh));
		CHECK(fresh != gone && fresh != mapped[0] && fresh != mapped[1] && fresh != mapped[2] && fresh != talk && fresh != open_talk);
		GIVES(-ESTALE, agentmem_read(am, gone, 0, buffer, 1));
	}
	/* Handed in again it is there again, under the number it had; the lost hold is one more. */
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 300000, &fresh));
	CHECK(fresh == gone);
	GIVES(300000, agentmem_read(am, gone, 0, buffer, 500000));
	CHECK(memcmp(buffer, data, 300000) == 0);
	GIVES(0, agentmem_free(am, gone));
	GIVES(1, agentmem_read(am, gone, 0, buffer, 1));
	GIVES(0, agentmem_free(am, gone));
	GIVES(-ENOENT, agentmem_read(am, gone, 0, buffer, 1));
	GIVES(0, agentmem_free(am, open_talk));
	GIVES(0, agentmem_free(am, mapped[2]));
	GIVES(0, agentmem_free(am, mapped[2]));
	GIVES(-ENOENT, agentmem_free(am, mapped[2]));
	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_unmap(am, at[i]));
	GIVES(0, agentmem_unmap(am, talk_at));
	free(buffer);
	free(data);
	agentmem_close(am);
}

struct lives {
	agentmem_t *am;
	const uint8_t *data;
	agentmem_unit_t mapped;
	atomic_bool stop;
	atomic_uint rounds, told;
};

static bool is_allowed(long error)
{
	return error == -ESTALE || error == -ECONNRESET;
}

/* A call gives what is right, or one of the errors that say that the broker ended. */
#define RIGHT_OR_LOST(call, expected) ({ \
	long gave_ = (long)(call); \
	if (gave_ != (long)(expected) && !is_allowed(gave_)) \
		GIVES(expected, gave_); \
	if (gave_ != (long)(expected)) \
		atomic_fetch_add(&lives->told, 1); \
	gave_ == (long)(expected); })

static void live(struct lives *lives, uint64_t *seed, uint8_t *buffer)
{
	size_t bytes = 1000 + kit_random(seed) % 400000, from = kit_random(seed) % 10000, mapped_bytes;
	agentmem_unit_t unit = 0, talk = 0;
	const void *mapped;

	memset(buffer, 0, 10000);
	if (RIGHT_OR_LOST(agentmem_alloc(lives->am, AGENTMEM_OTHER, lives->data + from, bytes, &unit), 0)) {
		if (RIGHT_OR_LOST(agentmem_read(lives->am, unit, 0, buffer, bytes), bytes))
			CHECK(memcmp(buffer, lives->data + from, bytes) == 0);
		if (RIGHT_OR_LOST(agentmem_map(lives->am, unit, &mapped, &mapped_bytes), 0)) {
			CHECK(mapped_bytes == bytes && memcmp(mapped, lives->data + from, bytes) == 0);
			GIVES(0, agentmem_unmap(lives->am, mapped));
		}
		(void)RIGHT_OR_LOST(agentmem_free(lives->am, unit), 0);
	}
	if (RIGHT_OR_LOST(agentmem_alloc(lives->am, AGENTMEM_CONVERSATION, NULL, 0, &talk), 0)) {
		size_t sure = 0;

		while (sure < 10 && RIGHT_OR_LOST(agentmem_append(lives->am, talk, lives->data + sure * 100, 100), 0))
			sure++;
		if (sure == 10 && RIGHT_OR_LOST(agentmem_read(lives->am, talk, 0, buffer, 2000), 1000))
			CHECK(memcmp(buffer, lives->data, 1000) == 0);
		(void)RIGHT_OR_LOST(agentmem_free(lives->am, talk), 0);
	}
	/* Mapped all the while: never an error. */
	GIVES(100, agentmem_read(lives->am, lives->mapped, 5, buffer, 100));
	CHECK(memcmp(buffer, lives->data + 5, 100) == 0);
	atomic_fetch_add(&lives->rounds, 1);
}

static void *live_on(void *context)
{
	struct lives *lives = context;
	uint64_t seed = 1 + (uint64_t)(uintptr_t)&seed;
	uint8_t *buffer = malloc(500000);

	while (!atomic_load(&lives->stop))
		live(lives, &seed, buffer);
	free(buffer);
	return NULL;
}

void test_kills(void)
{
	struct lives lives = { .am = kit_open() };
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	uint8_t *data = kit_bytes(1, 500000);
	pthread_t threads[4];
	uint64_t seed = (uint64_t)getpid();
	const void *mapped;
	pid_t broker;
	size_t bytes;

	lives.data = data;
	GIVES(0, agentmem_alloc(lives.am, AGENTMEM_OTHER, data, 450000, &lives.mapped));
	GIVES(0, agentmem_map(lives.am, lives.mapped, &mapped, &bytes));
	for (unsigned i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, live_on, &lives) == 0);
	for (unsigned i = 0; i < 12; i++) {
		unsigned before = atomic_load(&lives.rounds);

		while (atomic_load(&lives.rounds) < before + 6)
			usleep(500);
		usleep((useconds_t)(kit_random(&seed) % 3000));
		broker = kit_broker();
		if (broker != 0)
			kill(broker, SIGKILL);
	}
	atomic_store(&lives.stop, true);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	GIVES(0, agentmem_stat_unit(lives.am, lives.mapped, &stat));
	CHECK(stat.unit == lives.mapped && stat.bytes == 450000);
	CHECK(memcmp(mapped, data, 450000) == 0);
	GIVES(0, agentmem_unmap(lives.am, mapped));
	free(data);
	agentmem_close(lives.am);
}
