/* SPDX-License-Identifier: Apache-2.0 */
/* What the killer and those that it kills have in common: memory that outlives each of them. */
#ifndef TEST_UNITS_CHAOS_H
#define TEST_UNITS_CHAOS_H

#include <stdbool.h>
#include <stdint.h>

#include "agentmem.h"

#define CLIENTS 4
#define UNITS 40
#define TEXT_BYTES (8u << 20)

enum doing { NOTHING, APPENDING };

/* Lives in memory shared by all, so that it outlives the process that writes it. */
struct held {
	agentmem_unit_t unit;	/* 0: none */
	uint32_t from;		/* its content is the text from here on */
	uint32_t bytes;
	uint32_t may_be_bytes;	/* while APPENDING: either of the two */
	enum doing doing;
	bool grows;
	bool on_disk;		/* seen cold: it must outlive the broker */
	bool renumbered;	/* may have been handed in again by the process that had it mapped: only that one knows its number now */
};

struct client {
	uint8_t token[AGENTMEM_TOKEN_BYTES];
	bool has_token;
	struct held units[UNITS];
	/* Raised by one process at a time. */
	uint64_t operations, stale, reset, attached_anew, checked, seen_cold;
	uint64_t wrong, lost, failed;
	char problem[200];
};

struct shared {
	volatile bool stop;
	volatile unsigned broker_kills;	/* raised before each */
	struct client clients[CLIENTS];
};

extern struct shared *chaos;
/* What all units are parts of. */
extern unsigned char *chaos_text;

uint64_t chaos_next(uint64_t *state);
void chaos_pause_ms(unsigned ms);

/* units-chaos-client.c: until it is killed or all are to stop. */
_Noreturn void chaos_client(unsigned number, uint64_t seed);
/* In a process of its own: an agent lives as long as one that was it. */
_Noreturn void chaos_check_all(void);

#endif
