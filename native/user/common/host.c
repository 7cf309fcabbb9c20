/* SPDX-License-Identifier: Apache-2.0 */
#include "common/host.h"

#include <stdlib.h>
#include <time.h>

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

const struct am_host plain_host = { .allocate = allocate, .release = release };

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
