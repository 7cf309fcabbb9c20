/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of content.h share. */
#ifndef TEST_CONTENT_TEST_H
#define TEST_CONTENT_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/content.h"
#include "common/digest.h"

#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

struct test {
	struct content *content;
	const char *folder;		/* of the store; NULL: none */
	uint64_t random;
	uint64_t store_most_bytes;
	struct am_policy policy;
	unsigned kept;
	uint64_t packed;		/* before restarts */
};

uint64_t test_draw(struct test *test);
uint32_t test_below(struct test *test, uint32_t most);
void test_open(struct test *test, bool (*view)(void *context, uint64_t agent, enum am_state *state, uint32_t *importance));
/* Waits up to wait_ms for something to do, and does it. */
void test_turn(struct test *test, int wait_ms);
/* Until nothing is kept any more. */
void test_settle(struct test *test);
/* Sealed. */
int test_memfd(const void *data, size_t bytes);
void test_ignore(void *context, const struct content_result *result);

int model_main(struct test *test, unsigned operations);
int crash_main(struct test *test);
int after_main(struct test *test);
/* Of functions_main(). */
void held_pages(void);
int functions_main(struct test *test);

#endif
