/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's backend: a client of broker/protocol.h that outlives brokers.
 *
 * Each connection belongs to a generation; a new one begins when another
 * broker answers than before, or the same one as another agent. What a unit
 * was called in an earlier generation is looked up again when it is next used.
 *
 * Order of locks: asking, connecting, lock, units_lock, a connection's own,
 * then those of maps.h and held.h. The first two are held across messages, and
 * guard nothing but the order of these: fork() does not wait for them, and the
 * child makes them anew.
 */
#ifndef LIB_BROKER_H
#define LIB_BROKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "connection.h"
#include "core/table.h"
#include "lib.h"
#include "maps.h"

/* What this process knows of a unit that it holds or has mapped. */
struct known {
	struct am_entry entry;		/* by the number the application has */
	uint64_t remote;		/* the broker's number, in `generation` */
	uint64_t generation;
	uint64_t bytes;			/* of a conversation at least */
	enum agentmem_kind kind;
	uint32_t holds;			/* by calls of this process */
	uint32_t missing;		/* of these, what the present broker was not told of */
	bool is_lost;
	bool has_extra;			/* a hold of our own, by handing in what only others of this agent held */
	struct mapping *mapping;	/* of what cannot change */
	/* A conversation that nobody else can have changed is as it was when it was mapped, while no change has begun since. */
	bool is_own;
	uint32_t changes, changing;
};

/* One that is handed in again if the broker is lost. */
struct broker_mapping {
	struct mapping mapping;
	uint64_t generation;		/* in which the broker counts it */
	enum agentmem_kind kind;
	bool is_current;		/* of a conversation: no change was under way */
	uint32_t changes;
};

struct broker {
	pthread_mutex_t asking, connecting;

	pthread_mutex_t lock;
	struct wish wish;		/* its token is the agent's, once there is one */
	uint64_t timeout_ms;
	struct connection *connection;
	uint64_t number, agent;		/* the broker's, and ours there */
	int how;
	int failed_error;
	uint64_t failed_until_ms;

	_Atomic(uint64_t) generation;
	/* Another process may be this agent: it was told the token, or came by fork(). */
	atomic_bool has_company;

	pthread_mutex_t units_lock;
	struct am_table *units;
	uint64_t aliases;
	unsigned kept_fds, kept_fds_most;
};

/* A call and its way: what it asks of which unit. */
struct request {
	struct call *call;
	agentmem_unit_t unit;		/* the application's; 0: none */
	uint64_t *remote;		/* in call->body: where the broker's number goes */
	bool can_repeat;		/* done twice it is as done once */
	uint64_t generation;		/* in which it was answered */
	bool was_repeated;
};

/* broker-connect.c: a connection that is used and put back, made anew where there is none. */
int broker_connection(struct broker *broker, struct connection **connection, uint64_t *generation);
/* The one that is there; NULL rather than making one. */
struct connection *broker_present(struct broker *broker, uint64_t *generation);
void broker_unlink(struct broker *broker, struct connection *connection);

/* broker-call.c: the error of the broker, or ECONNRESET, ESTALE, ETIMEDOUT, ENODEV. End call->... with call_end(). */
int broker_call(struct broker *broker, struct request *request);
/* A call about a unit or the agent that answers with nothing but an error. */
int broker_tell(struct broker *broker, uint16_t type, agentmem_unit_t unit, uint64_t value, bool can_repeat);

/* broker-known.c */
int known_open(struct broker *broker);
void known_close(struct broker *broker);
/* The broker's number in this generation; asks `connection` where it is not known. -ESTALE: lost with a broker. */
int known_resolve(struct broker *broker, struct connection *connection, uint64_t generation, agentmem_unit_t unit, uint64_t *remote);
/* A unit of which the broker gave one hold more. */
int known_hold(struct broker *broker, uint64_t generation, const struct broker_unit *unit, const struct am_digest *digest, bool is_own, agentmem_unit_t *number);
/* The number by which the application knows what the broker calls by that. */
agentmem_unit_t known_number(struct broker *broker, uint64_t generation, const struct broker_unit *unit);
int known_free(struct broker *broker, agentmem_unit_t unit);
/* Around a change of a conversation. `bytes` as answered. */
void known_change_begins(struct broker *broker, agentmem_unit_t unit);
void known_change_ends(struct broker *broker, agentmem_unit_t unit, int error, uint64_t generation, uint64_t bytes, bool is_append);
void known_not_own(struct broker *broker, agentmem_unit_t unit);
/* With the lock held. */
struct known *known_find(const struct broker *broker, agentmem_unit_t unit);
struct known *known_add(struct broker *broker, agentmem_unit_t number, uint64_t generation, const struct broker_unit *unit);
void known_drop_unused(struct broker *broker, struct known *known);

/* broker-map.c */
int broker_map(void *state, agentmem_unit_t unit, const void **data, size_t *bytes);
int broker_unmap(void *state, const void *data);
/* With the lock held: it stays until as many broker_unmap(). NULL where it is not mapped, or can change. */
struct mapping *broker_use_mapping(struct broker *broker, agentmem_unit_t unit);
/* broker-read.c */
ssize_t broker_read(void *state, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes);
/* broker-restore.c */
/* Before anybody else may use a new generation: what is mapped is handed in again. */
void broker_restore(struct broker *broker, struct connection *connection, uint64_t generation);
void broker_orphan_maps(struct broker *broker);

/* broker-alloc.c */
int broker_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *unit);
int broker_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *unit);
int broker_append(void *state, agentmem_unit_t unit, const void *data, size_t bytes);
int broker_edit(void *state, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
int broker_fork(void *state, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork);
/* A sealed memfd with a copy of it. */
int memfd_of(const void *data, size_t bytes, struct held *memfd);

/* broker-look.c */
int broker_find(void *state, const uint8_t *digest, agentmem_unit_t *unit);
int broker_stat_unit(void *state, agentmem_unit_t unit, struct agentmem_unit_stat *stat);
int broker_stat(void *state, struct agentmem_stat *stat);
int broker_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most);
int broker_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most);
int broker_settings(void *state, struct agentmem_settings *settings);

#endif
