/* SPDX-License-Identifier: Apache-2.0 */
/* Random changes with reopening, and with a kill at any moment. */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store-kit.h"

enum { APPARENT_BYTES = 320 * 1024 * 1024, STEPS = 220 };

int test_model(const char *folder, unsigned rounds)
{
	static struct model model = { .next_id = 1, .random = 11 };

	for (unsigned round = 0; round < rounds; round++) {
		struct store *store = open_in(folder, APPARENT_BYTES, round % 3 != 0);
		struct store_stats stats;

		CHECK(model_matches(&model, store));
		for (unsigned step = 0; step < STEPS; step++)
			model_step(&model, store, NULL);
		CHECK(model_matches(&model, store));
		store_stats(store, &stats);
		EQUAL(stats.blobs, model.blob_count);
		EQUAL(stats.records, model.record_count);
		/* Commits too. */
		store_close(store);
	}
	return 0;
}

/* Told by the child in memory that outlives it. */
struct told {
	_Atomic unsigned begun, done;
};

static void tell_begun(void *context, const struct model *model)
{
	struct told *told = context;

	told->begun = model->commits;
}

static void tell_done(void *context, const struct model *model)
{
	struct told *told = context;

	told->done = model->commits;
}

static _Noreturn void change_for_ever(const char *folder, struct model *model, struct told *told)
{
	struct hooks hooks = { .before_commit = tell_begun, .after_commit = tell_done, .context = told };
	struct store *store = open_in(folder, APPARENT_BYTES, true);

	for (;;)
		model_step(model, store, &hooks);
}

/* The model as of its so many commits from here on. */
static struct model advanced(struct model model, unsigned commits)
{
	while (model.commits < commits)
		model_step(&model, NULL, NULL);
	return model;
}

static void kill_once(const char *folder, struct model *model, struct told *told, uint64_t *random)
{
	struct timespec pause = { .tv_nsec = (long)(draw(random) % 12000000) };
	struct model forgotten = *model, done;
	struct store *store;
	uint64_t id;
	int status;
	pid_t child;

	told->begun = told->done = model->commits;
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		change_for_ever(folder, model, told);
	nanosleep(&pause, NULL);
	kill(child, SIGKILL);
	EQUAL(waitpid(child, &status, 0), child);
	/* Else it found something wrong. */
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	store = open_in(folder, APPARENT_BYTES, true);
	done = advanced(forgotten, told->done);
	if (!model_matches(&done, store)) {
		/* A commit that had begun may be there, whole. */
		CHECK(told->begun == told->done + 1);
		done = advanced(forgotten, told->begun);
		CHECK(model_matches(&done, store));
	}
	/* Where a commit changed nothing that is left, the ids alone tell whether it is there. */
	EQUAL(store_put(store, 0, "", 0, &id), 0);
	CHECK(id == done.next_id || (told->begun > told->done && id == advanced(forgotten, told->begun).next_id));
	EQUAL(store_free(store, id), 0);
	store_close(store);
	*model = done;
	model->next_id = id + 1;
	/* Other changes than those that were lost. */
	model->random = draw(random);
}

int test_kill(const char *folder, unsigned rounds)
{
	static struct model model = { .next_id = 1, .random = 5 };
	struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t random = 77;
	unsigned commits;

	CHECK(told != MAP_FAILED);
	for (unsigned round = 0; round < rounds; round++)
		kill_once(folder, &model, told, &random);
	commits = model.commits;
	printf("%u kills, %u commits, %zu blobs at last\n", rounds, commits, model.blob_count);
	CHECK(rounds == 0 || commits > rounds / 4);
	return 0;
}
