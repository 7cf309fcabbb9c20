/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the bench units: what its files share. */
#ifndef BENCH_UNITS_H
#define BENCH_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "agentmem.h"

#define MIB ((size_t)1 << 20)
#define PROMPT_BYTES (50 * MIB)
#define TOOLS_BYTES (100 * MIB)
#define ROUNDS 15

/* Keeps the compiler from leaving a read out. */
extern volatile unsigned char units_sink;

/* Of the broker. */
agentmem_t *units_agent(const char *name);
struct agentmem_stat units_stat(agentmem_t *am);
char *units_prompt(uint64_t seed, size_t bytes);

/* units-processes.c: measured from one process to another, and what those that it starts do. */
void units_map(void);
void units_spawn(void);
void units_child_map(const char *token_hex, const char *unit_text);
void units_child_read(const char *path, const char *bytes_text);
void units_child_spawn(const char *prompt, const char *tools);

#endif
