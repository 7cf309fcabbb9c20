/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel module's backend: one descriptor of /dev/agentmem, which acts for
 * the agent in whatever process has it. Nothing of the agent's is kept here but
 * what is mapped: the module is asked each time, so that threads, children and
 * other processes of the agent see the same.
 *
 * A child of fork() has the descriptor too, and is one more process of the
 * agent until it ends or becomes another program: the agent outlives a parent
 * that goes first, as one that goes to the background does.
 */
#ifndef LIB_MODULE_H
#define LIB_MODULE_H

#include <pthread.h>

#include "core/table.h"
#include "lib.h"
#include "maps.h"
#include "uapi/agentmem.h"

struct module {
	int fd;
	bool is_observer;
	pthread_mutex_t lock;		/* `mapped`, and the counts of mappings */
	struct am_table *mapped;	/* struct module_mapping of what cannot change, by the unit's number */
};

struct module_mapping {
	struct mapping mapping;
	struct am_entry by_unit;	/* its number is 0 where it is not in `mapped` */
};

/* With its size set, as each struct of the ABI begins. */
#define ABI(type, ...) ((struct agentmem_abi_##type){ .size = sizeof(struct agentmem_abi_##type), __VA_ARGS__ })

/* 0, or the negative errno that the public functions give for what the module says. */
int module_ask(const struct module *module, unsigned long request, void *args);

/* module-units.c */
int module_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *unit);
int module_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *unit);
int module_append(void *state, agentmem_unit_t unit, const void *data, size_t bytes);
int module_edit(void *state, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
int module_fork(void *state, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork);
int module_share(void *state, agentmem_unit_t unit, uint64_t agent);
int module_find(void *state, const uint8_t *digest, agentmem_unit_t *unit);
int module_mark_hot(void *state, agentmem_unit_t unit);
ssize_t module_read(void *state, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes);
int module_free(void *state, agentmem_unit_t unit);

/* module-map.c */
int module_map(void *state, agentmem_unit_t unit, const void **data, size_t *bytes);
int module_unmap(void *state, const void *data);

/* module-look.c */
int module_stat_unit(void *state, agentmem_unit_t unit, struct agentmem_unit_stat *stat);
int module_stat(void *state, struct agentmem_stat *stat);
int module_settings(void *state, struct agentmem_settings *settings);
/* module-list.c */
int module_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most);
int module_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most);

#endif
