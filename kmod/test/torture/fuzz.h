/* SPDX-License-Identifier: GPL-2.0 */
/* One process of the fuzzer, and what it can do. */
#ifndef FUZZ_H
#define FUZZ_H

#include "torture.h"

#define FDS 24
#define MAPS 6
#define DATA_BYTES (256u << 10)
#define NUMBERS 24u
#define UNITS 24

struct fuzzer {
	uint64_t seed;
	int fds[FDS];
	int file;		/* with no name */
	struct {
		char *at;
		size_t bytes;
	} maps[MAPS];
	char *data;		/* ends where nothing is mapped */
	char *shut;		/* read only */
	uint64_t units[UNITS];	/* seen in answers */
	uint8_t token[AGENTMEM_ABI_TOKEN_BYTES];
};

/* In memory that all share: calls made and taken, by number, and one more for everything else. */
struct fuzz_counts {
	uint64_t made[NUMBERS + 1], taken[NUMBERS + 1];
};
extern struct fuzz_counts *fuzz_counts;
/* Requests have numbers below this. */
extern const unsigned fuzz_known;

/* fuzz-draw.c */
uint32_t draw(struct fuzzer *f, uint32_t below);
int any_fd(struct fuzzer *f);
/* In the place of another one. */
void keep_fd(struct fuzzer *f, int fd);
uint64_t any_address(struct fuzzer *f, uint64_t bytes);
uint64_t any_number(struct fuzzer *f);
uint64_t any_bytes(struct fuzzer *f);
uint64_t any_unit(struct fuzzer *f);

/* fuzz-calls.c */
void call_device(struct fuzzer *f);

/* fuzz-other.c */
void map_something(struct fuzzer *f);
void use_map(struct fuzzer *f);
void call_other(struct fuzzer *f);
/* A signal from what was touched: use_map() goes on; elsewhere the process ends. */
void caught(int signal);

#endif
