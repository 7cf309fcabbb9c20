/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of libagentmem share. The same tests run for each backend. */
#ifndef TEST_LIB_KIT_H
#define TEST_LIB_KIT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "agentmem.h"

#define CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
		kit_failed(); \
	} \
} while (0)
/* With what came instead. */
#define GIVES(expected, call) do { \
	long long came_ = (long long)(call), expected_ = (long long)(expected); \
	if (came_ != expected_) { \
		fprintf(stderr, "%s:%d: %s gave %lld (%s), not %lld\n", __FILE__, __LINE__, #call, came_, came_ < 0 ? agentmem_error_text((int)came_) : "", expected_); \
		kit_failed(); \
	} \
} while (0)

extern int kit_backend;

/* _exit(1) after ending the broker that was started. */
__attribute__((noreturn)) void kit_failed(void);
/* A new agent in the backend under test. */
agentmem_t *kit_open(void);
agentmem_t *kit_open_with(struct agentmem_options options);
/* Bytes of their own for each seed. End with free(). */
uint8_t *kit_bytes(uint64_t seed, size_t bytes);
bool kit_are(const void *data, size_t bytes, uint64_t seed);
/* May what is under test be told ages and limits? The module's are root's to say. */
bool kit_sets(void);
/* 0 where none runs. */
pid_t kit_broker(void);
void kit_kill_broker(void);
unsigned kit_descriptors(void);
uint64_t kit_random(uint64_t *state);
int kit_memfd(const void *data, size_t bytes, int seals);

void test_right(void);
void test_wrong(void);
void test_sizes(void);
void test_model(void);
void test_threads(void);
void test_forks(void);
void test_descriptors(void);
void test_tokens(void);
void test_choice(void);
void test_quota(void);
void test_close(void);
void test_lost(void);
void test_kills(void);
void test_cold(void);
void test_frozen(void);
void test_cancelled(void);
void test_child_ends(void);
void test_hostile(void);
void test_module(void);

#endif
