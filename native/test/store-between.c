/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in the middle of a commit, and of a read: put there, not waited for. */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "store-kit.h"
#include "store/tap.h"

#define APPARENT_BYTES (UINT64_C(4) << 30)

enum { BLOB_BYTES = 80 * 1024 };

static struct model model;
static struct store *store;
static bool inside;
static unsigned rewrites, failures;
static uint64_t chance = 99;

/* Changes while a commit has the batch before them and no lock; some of the commits fail afterwards. */
static int change_meanwhile(void *context, enum tap_change what, enum tap_file file, uint64_t at, const void *data, size_t bytes)
{
	(void)context, (void)at, (void)data, (void)bytes;
	if (inside || (what != TAP_SYNC && what != TAP_RENAME && what != TAP_PUNCH))
		return 0;
	rewrites += what == TAP_RENAME;
	inside = model.uncommitted = true;
	for (uint64_t steps = draw(&chance) % 8; steps > 0; steps--)
		model_step(&model, store, NULL);
	CHECK(model_matches(&model, store));
	inside = model.uncommitted = false;
	if (what != TAP_SYNC || file == TAP_DATA || draw(&chance) % 5 != 0)
		return 0;
	failures++;
	return -EIO;
}

static void check_commits(const char *folder, unsigned steps)
{
	struct store_tap meanwhile = { .before = change_meanwhile };

	model = (struct model){ .next_id = 1, .random = 31 };
	store = open_in(folder, APPARENT_BYTES, false);
	store_tap = &meanwhile;
	for (unsigned step = 0; step < steps; step++) {
		/* Commits alone may fail: the batch is there for the next. */
		unsigned before = failures;
		enum step what;

		model.lenient = true;
		model.refused = 0;
		what = model_step(&model, store, NULL);
		EQUAL(model.refused, failures > before && what == STEP_COMMIT && model.commit_error < 0);
		CHECK(model_matches(&model, store));
	}
	store_tap = NULL;
	EQUAL(store_commit(store), 0);
	CHECK(model_matches(&model, store));
	store_close(store);
	store = open_in(folder, APPARENT_BYTES, false);
	CHECK(model_matches(&model, store));
	store_close(store);
	CHECK(rewrites > 0 && failures > 0);
}

static uint64_t victim;
static _Atomic bool replaced;
static pthread_t replacing;

/* Its place must not be given again while it is read. */
static void *replace(void *context)
{
	static uint8_t data[BLOB_BYTES];
	uint64_t id;

	(void)context;
	EQUAL(store_free(store, victim), 0);
	EQUAL(store_commit(store), 0);
	fill(data, sizeof(data), 2);
	EQUAL(store_put(store, 3, data, sizeof(data), &id), 0);
	replaced = true;
	return NULL;
}

static int replace_meanwhile(void *context, enum tap_change what, enum tap_file file, uint64_t at, const void *data, size_t bytes)
{
	struct timespec pause = { .tv_nsec = 1000000 };

	(void)context, (void)file, (void)at, (void)data, (void)bytes;
	if (what != TAP_READ || inside)
		return 0;
	inside = true;
	EQUAL(pthread_create(&replacing, NULL, replace, NULL), 0);
	/* It has to wait for us: there is nothing to wait for but that it does not. */
	for (int i = 0; i < 50 && !replaced; i++)
		nanosleep(&pause, NULL);
	return 0;
}

static void check_read(const char *folder)
{
	struct store_tap meanwhile = { .before = replace_meanwhile };
	static uint8_t data[BLOB_BYTES];

	store = open_in(folder, APPARENT_BYTES, false);
	fill(data, sizeof(data), 1);
	EQUAL(store_put(store, 3, data, sizeof(data), &victim), 0);
	EQUAL(store_commit(store), 0);
	store_tap = &meanwhile;
	EQUAL(store_read(store, victim, 0, data, sizeof(data)), sizeof(data));
	CHECK(!differs(data, sizeof(data), 1));
	EQUAL(pthread_join(replacing, NULL), 0);
	store_tap = NULL;
	CHECK(replaced);
	EQUAL(store_get(store, victim, data, sizeof(data)), -ENOENT);
	store_close(store);
}

int test_between(const char *folder, unsigned steps)
{
	check_commits(folder, steps);
	remove_folder(folder);
	check_read(folder);
	return 0;
}
