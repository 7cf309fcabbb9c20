/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that refuses one change: each in its turn. */
#include <errno.h>

#include "store-kit.h"
#include "store/tap.h"

enum { APPARENT_BYTES = 320 * 1024 * 1024 };

struct failing {
	size_t at, next;
	int error;
};

static int fail_once(void *context, enum tap_change what, enum tap_file file, uint64_t at, const void *data, size_t bytes)
{
	struct failing *failing = context;

	(void)what, (void)file, (void)at, (void)data, (void)bytes;
	return failing->next++ == failing->at ? failing->error : 0;
}

static void save_snapshot(void *context, const struct model *model)
{
	*(struct model *)context = *model;
}

/* Every single change fails once: what is refused has not happened, what is not has. False when there was none left to fail. */
static bool fail_at(const char *folder, size_t at, int error)
{
	struct failing failing = { .at = at, .error = error };
	struct store_tap failure = { .before = fail_once, .context = &failing };
	static struct model model, acknowledged;
	struct hooks hooks = { .after_commit = save_snapshot, .context = &acknowledged };
	struct store *store;

	remove_folder(folder);
	store = open_in(folder, APPARENT_BYTES, false);
	model = (struct model){ 0 };
	model.next_id = 1;
	model.random = 9;
	model.lenient = true;
	acknowledged = model;
	store_tap = &failure;
	for (int step = 0; step < 200; step++)
		model_step(&model, store, &hooks);
	store_tap = NULL;
	CHECK(model_matches(&model, store));
	if (store_commit(store) == 0)
		acknowledged = model;
	store_close(store);
	/* Where nobody could know whether the last commit is there, nothing more was taken, and it may be. */
	store = open_in(folder, APPARENT_BYTES, false);
	CHECK(model_matches(&acknowledged, store) || model_matches(&model, store));
	store_close(store);
	return failing.next > at;
}

int test_errors(const char *folder, unsigned step)
{
	size_t at = 0;

	while (fail_at(folder, at, at % (2 * step) < step ? -ENOSPC : -EIO))
		at += step;
	printf("%zu places\n", at);
	CHECK(at > 100);
	return 0;
}
