/* SPDX-License-Identifier: GPL-2.0 */
/* Backing files of the tests, and units that go there. */
#ifndef SELFTEST_COLD_H
#define SELFTEST_COLD_H

#include "kit.h"

#define UNIT_BYTES 500000u

typedef struct agentmem_abi_backing backing_args;

/* Three units of an agent's: text, noise, a conversation. */
struct three {
	int agent;
	uint64_t text, noise, talk;
	char *data, *random, *back;
};

int backing(int device, uint32_t flags, int fd, uint64_t most_bytes);
backing_args ask(int device);
int nameless(const char *folder, int flags);
void give(int device, int fd, uint64_t most_bytes);
void take(int device);
void cold_after(int device, uint64_t ms);
bool soon_cold(int agent, uint64_t unit);
struct three three_new(uint64_t seed);
void three_same(const struct three *three);
/* On the backing file, and stays there. */
void all_cold(const struct three *three, int device);
/* Its text cannot be read: EIO. */
bool text_lost(const struct three *three);
/* Nothing of the file is there any more, whatever was on it; takes it away. */
void three_cut_off(const struct three *three, int device, int file);
void three_free(struct three *three);
int touch(const volatile char *byte);
void spoil(int fd);

#endif
