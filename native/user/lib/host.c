/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <sys/random.h>
#include <time.h>

#include "common/host.h"
#include "host.h"

struct am_table *lib_table(void)
{
	struct am_seed seed;

	/* Fails in the first moments of a machine only, where the clock is as good as it gets. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (struct am_seed){ .words = { (am_u64)time(NULL), (am_u64)(uintptr_t)&seed } };
	return am_table_open(&plain_host, &seed, NULL, NULL);
}
