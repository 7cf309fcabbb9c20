/* SPDX-License-Identifier: Apache-2.0 */
/* The warm tier under many threads at once, one of which rests all the time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "warm-kit.h"

#define THREADS 4
#define SHARED 64
#define STEPS 150

struct kept {
	struct warm_piece *piece;
	uint64_t seed;
	size_t bytes;
};

static struct warm *shared_pool;
static struct kept shared[SHARED];
static atomic_int working;

static void log_of(const struct kept *one, uint8_t *data)
{
	make_log(data, one->bytes, one->seed, one->seed + 1);
}

static bool one_step(uint64_t *state, uint8_t *data, uint8_t *out)
{
	struct kept *read = &shared[below(state, SHARED)];
	struct kept own = { .seed = below(state, 1000), .bytes = 200 + below(state, below(state, 10) == 0 ? 200000 : 20000) };
	enum am_kind kind = (enum am_kind)(1 + below(state, 2));
	struct warm_piece *back = NULL;
	size_t length;
	uint8_t *bytes;
	bool right;

	log_of(read, data);
	right = warm_unpack(shared_pool, read->piece, NULL, 0, out) == 0 && memcmp(out, data, read->bytes) == 0;
	log_of(&own, data);
	warm_learn(shared_pool, kind, data, own.bytes);
	own.piece = packed(shared_pool, (enum am_effort)below(state, 4), kind, data, own.bytes, NULL, 0);
	bytes = saved(own.piece, &length);
	right = right && warm_piece_load(shared_pool, bytes, length, &back) == 0;
	warm_drop(shared_pool, own.piece);
	right = right && comes_back(shared_pool, back, data, own.bytes, NULL, 0);
	warm_drop(shared_pool, back);
	free(bytes);
	return right;
}

static void *work(void *argument)
{
	uint64_t state = (uint64_t)(uintptr_t)argument;
	uint8_t *data = room_of(256 * 1024);
	uint8_t *out = room_of(256 * 1024);
	unsigned wrong = 0;

	for (unsigned i = 0; i < STEPS; i++)
		wrong += !one_step(&state, data, out);
	free(data);
	free(out);
	working--;
	return (void *)(uintptr_t)wrong;
}

static void threads(void)
{
	pthread_t thread[THREADS];
	struct warm_stats stats;
	uint8_t *data = room_of(256 * 1024);
	uint64_t state = 5;

	shared_pool = pool();
	for (size_t i = 0; i < SHARED; i++) {
		shared[i].seed = i;
		shared[i].bytes = 100 + below(&state, i % 8 == 0 ? 200000 : 6000);
		log_of(&shared[i], data);
		shared[i].piece = packed(shared_pool, AM_EFFORT_NORMAL, AM_KIND_CONVERSATION, data, shared[i].bytes, NULL, 0);
	}
	working = THREADS;
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)(i + 10)) != 0)
			exit(2);
	while (working > 0) {
		warm_rest(shared_pool);
		warm_stats(shared_pool, &stats);
		EXPECT(stats.pool_bytes >= stats.stored_bytes / 2);
		usleep(2000);
	}
	for (size_t i = 0; i < THREADS; i++) {
		void *wrong;

		pthread_join(thread[i], &wrong);
		EXPECT(wrong == NULL);
	}
	for (size_t i = 0; i < SHARED; i++)
		warm_drop(shared_pool, shared[i].piece);
	warm_stats(shared_pool, &stats);
	EXPECT(stats.pieces == 0 && stats.plain_bytes == 0 && stats.stored_bytes == 0 && stats.pool_bytes == 0);
	/* Enough was seen to learn from. */
	EXPECT(warm_dictionary(shared_pool, 1, &(const void *){ NULL }) > 0);
	warm_close(shared_pool);
	free(data);
}

int main(void)
{
	threads();
	return failures > 0;
}
