/* SPDX-License-Identifier: Apache-2.0 */
/* The private backend: units of one agent in the memory of its process, nothing shared with anybody. */
#ifndef LIB_PRIVATE_H
#define LIB_PRIVATE_H

#include <pthread.h>

#include "common/host.h"
#include "core/table.h"
#include "lib.h"
#include "maps.h"
#include "private-text.h"

#define PRIVATE_AGENT 1u

/* A conversation has a text, all others a buffer. */
struct private_unit {
	struct am_entry entry;
	enum agentmem_kind kind;
	uint32_t holds;
	uint64_t used_ms;
	struct buffer *buffer;
	struct text text;
	struct mapping *mapping;
};

/* `lock` guards everything, and the counts of its mappings. */
struct private {
	pthread_mutex_t lock;
	struct wish wish;
	struct agentmem_settings settings;
	int how;
	uint64_t newest_number;
	uint64_t bytes;
	struct am_table *units;
};

uint64_t private_bytes(const struct private_unit *unit);
uint64_t private_stored_bytes(const struct private_unit *unit);

/* With the lock held. */
struct private_unit *private_unit_of(struct private *private, agentmem_unit_t number, int *error);
void private_drop(struct private_unit *unit);

/* private-add.c */
int private_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *number);
int private_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *number);
int private_edit(void *state, agentmem_unit_t number, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
int private_append(void *state, agentmem_unit_t number, const void *data, size_t bytes);
int private_fork(void *state, agentmem_unit_t number, uint64_t prefix_bytes, agentmem_unit_t *fork);

/* private-look.c */
int private_stat_unit(void *state, agentmem_unit_t number, struct agentmem_unit_stat *stat);
int private_stat(void *state, struct agentmem_stat *stat);
int private_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most);
int private_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most);
int private_settings(void *state, struct agentmem_settings *settings);

/* private-map.c */
int private_map(void *state, agentmem_unit_t number, const void **data, size_t *bytes);
int private_unmap(void *state, const void *data);

#endif
