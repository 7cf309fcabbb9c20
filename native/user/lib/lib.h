/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of libagentmem. calls.c checks arguments and asks one of the
 * backends, each a table of operations; nothing else tells them apart.
 */
#ifndef LIB_LIB_H
#define LIB_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "agentmem.h"
#include "fork.h"

#define PUBLIC __attribute__((visibility("default")))
#define UNIT_BYTES_MOST (UINT64_C(4) << 30)
#define IMPORTANCE_USUAL 50u
#define IMPORTANCE_MOST 100u

/* struct agentmem_options, checked and filled in. */
struct wish {
	char name[AGENTMEM_NAME_BYTES];
	char domain[AGENTMEM_NAME_BYTES];
	uint8_t token[AGENTMEM_TOKEN_BYTES];
	bool has_token;
	uint32_t importance, flags;
	uint64_t quota_bytes;
	/* Empty where this user has no place for it. */
	char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/*
 * Arguments have been checked: pointers are there, sizes within their limits,
 * kinds and states known. Structs to fill in are whole and zero. `state` is
 * the backend's own, from its open().
 */
struct operations {
	enum agentmem_backend backend;
	int (*open)(const struct wish *wish, void **state);
	void (*close)(void *state);
	int (*set_state)(void *state, int how);
	int (*set_importance)(void *state, uint32_t importance);
	int (*alloc)(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *unit);
	/* A memfd whose seals have been seen. */
	int (*alloc_fd)(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *unit);
	int (*append)(void *state, agentmem_unit_t unit, const void *data, size_t bytes);
	int (*fork)(void *state, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork);
	int (*edit)(void *state, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
	int (*share)(void *state, agentmem_unit_t unit, uint64_t agent);
	int (*find)(void *state, const uint8_t *digest, agentmem_unit_t *unit);
	int (*mark_hot)(void *state, agentmem_unit_t unit);
	int (*map)(void *state, agentmem_unit_t unit, const void **data, size_t *bytes);
	int (*unmap)(void *state, const void *data);
	ssize_t (*read)(void *state, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes);
	int (*stat_unit)(void *state, agentmem_unit_t unit, struct agentmem_unit_stat *stat);
	int (*stat)(void *state, struct agentmem_stat *stat);
	int (*free)(void *state, agentmem_unit_t unit);
	int (*agents)(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most);
	int (*units)(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most);
	int (*settings)(void *state, struct agentmem_settings *settings);
	/* Around fork(): no lock of the backend is held by a thread that the child has not. */
	void (*before_fork)(void *state);
	void (*after_fork)(void *state, enum fork_side side);
};

extern const struct operations module_operations, broker_operations, private_operations;

struct agentmem {
	const struct operations *operations;
	void *state;
	bool is_observer;
	struct agentmem *next;		/* of all that are open (fork.c) */
};

/* wish.c: -EINVAL for options that make no sense. */
int wish_of(const struct agentmem_options *options, struct wish *wish, int *backend);

/* First in each public function: a thread that is cancelled inside of one would leave locks and others who wait for its reply behind. */
#define WHOLE_CALL __attribute__((cleanup(call_ends), unused)) int cancel_before = call_begins()
int call_begins(void);
void call_ends(const int *cancel_before);

/* fork.c: every open one is told of forks. `fork_check` first in each call: a child of clone(2) has run no handler. */
int fork_watch(struct agentmem *am);
void fork_forget(struct agentmem *am);
void fork_check(void);

#endif
