/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "host.h"

static void *allocate(void *context, am_size bytes)
{
	(void)context;
	return calloc(1, bytes);
}

static void release(void *context, void *memory, am_size bytes)
{
	(void)context;
	(void)bytes;
	free(memory);
}

struct am_table *lib_table(void)
{
	static const struct am_host host = { .allocate = allocate, .release = release };
	struct am_seed seed;

	/* Fails in the first moments of a machine only, where the clock is as good as it gets. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (struct am_seed){ .words = { (am_u64)time(NULL), (am_u64)(uintptr_t)&seed } };
	return am_table_open(&host, &seed, NULL, NULL);
}
