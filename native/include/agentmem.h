/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libagentmem: memory units that agents share.
 *
 * A unit is a run of plain bytes with a kind and an owner. The same content
 * handed in by a hundred agents of one user is in memory once; what nobody
 * reads is compressed, then put on disk; reading always gives plain bytes.
 *
 * Every function that returns int gives 0 or a negative errno;
 * agentmem_error_text() says it in words. All functions are safe to call from
 * many threads; after fork() the child is one more process of the same agent,
 * by a connection of its own from its first call on (broker), or at once and
 * until it becomes another program (module). Structs begin with their size: set it with sizeof, so
 * that a program built today runs with the library of tomorrow.
 */
#ifndef AGENTMEM_H
#define AGENTMEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AGENTMEM_VERSION_MAJOR 1
#define AGENTMEM_VERSION_MINOR 0

typedef struct agentmem agentmem_t;
/* Number of a unit, the same in every process of the agent; 0 is none. */
typedef uint64_t agentmem_unit_t;

#define AGENTMEM_DIGEST_BYTES 32
#define AGENTMEM_TOKEN_BYTES 16
#define AGENTMEM_NAME_BYTES 64

enum agentmem_backend {
	AGENTMEM_AUTO = 0,	/* the first of the following that is there */
	AGENTMEM_MODULE,	/* /dev/agentmem, where it answers a version that is known here */
	AGENTMEM_BROKER,	/* the user's broker */
	AGENTMEM_PRIVATE,	/* this process alone */
};

enum agentmem_kind {
	AGENTMEM_CONVERSATION = 1,	/* grows, is forked; the only kind that can be appended to */
	AGENTMEM_SYSTEM_PROMPT,
	AGENTMEM_TOOL_DEFINITION,
	AGENTMEM_TOOL_RESULT,
	AGENTMEM_OTHER,
};

enum agentmem_state { AGENTMEM_ACTIVE = 1, AGENTMEM_IDLE, AGENTMEM_SUSPENDED, AGENTMEM_GONE };

enum agentmem_tier { AGENTMEM_HOT = 1, AGENTMEM_WARM, AGENTMEM_COLD };

/* Flags: looks only and is no agent (ENOENT from every call about own units); does not start a broker where none runs (ENODEV). */
#define AGENTMEM_OBSERVER 1u
#define AGENTMEM_NO_START 2u

struct agentmem_options {
	size_t size;			/* sizeof(struct agentmem_options) */
	int backend;			/* enum agentmem_backend; AUTO unless forced */
	const char *name;		/* of the agent, up to 63 bytes; NULL: the program's name */
	const char *domain;		/* trust domain, up to 63 bytes; NULL: the user's common one. Content is shared inside a domain only */
	const uint8_t *token;		/* AGENTMEM_TOKEN_BYTES: be one more process of that agent; NULL: a new agent */
	uint32_t importance;		/* 0 to 100, higher stays; 0 means 50 */
	uint32_t flags;			/* AGENTMEM_OBSERVER, AGENTMEM_NO_START */
	uint64_t quota_bytes;		/* of plain bytes this agent may hold; 0: the backend's own limit */
	const char *socket_path;	/* NULL: $AGENTMEM_SOCKET, else $XDG_RUNTIME_DIR/agentmem/broker.sock */
};

struct agentmem_unit_stat {
	size_t size;
	agentmem_unit_t unit;
	uint64_t bytes;			/* plain */
	uint64_t stored_bytes;		/* this unit's share of what is stored: each shared block is counted by its part */
	uint8_t digest[AGENTMEM_DIGEST_BYTES];	/* SHA-256 of the plain bytes; zero while has_digest is 0 */
	uint32_t has_digest;		/* of a conversation only after agentmem_stat_unit asked for it once nothing was appended for a moment, and not of a large one */
	uint32_t kind;			/* enum agentmem_kind */
	uint32_t tier;			/* enum agentmem_tier: the farthest of its parts */
	uint32_t sharers;		/* agents of this domain that hold the same content, this one included */
	uint32_t importance;
	uint64_t idle_ms;		/* since it was last read, mapped or appended to */
	uint64_t hot_bytes, warm_bytes, cold_bytes;	/* plain bytes by tier; they add up to bytes */
};

/* Of this agent; `user_` figures are of all agents of this user (module: of all users where root asks). */
struct agentmem_stat {
	size_t size;
	uint64_t agent;			/* number that others name it by in agentmem_share() */
	uint8_t token[AGENTMEM_TOKEN_BYTES];	/* what lets another process be this agent; keep it as a secret */
	uint32_t backend;		/* enum agentmem_backend in use */
	uint32_t state;
	uint64_t units;
	uint64_t bytes;			/* plain bytes this agent holds */
	uint64_t shared_bytes;		/* of these, what other agents hold too */
	uint64_t quota_bytes;
	uint64_t user_agents, user_units;
	uint64_t user_bytes;		/* plain bytes of all units of all agents */
	uint64_t user_hot_bytes;	/* resident in sealed memfds, each counted once */
	uint64_t user_warm_bytes;	/* compressed in memory, as stored */
	uint64_t user_cold_bytes;	/* on disk, as stored */
	uint64_t user_own_bytes;	/* tables of the broker itself, or of the module where root asks */
};

/* One line of agentmem_agents(): an agent of this user's. */
struct agentmem_agent_line {
	uint64_t agent;
	uint32_t pid, state, importance, processes;
	uint64_t units, bytes, shared_bytes, hot_bytes, warm_bytes, cold_bytes, idle_ms;
	char name[AGENTMEM_NAME_BYTES];
	char domain[AGENTMEM_NAME_BYTES];
};

/* One line of agentmem_units(). */
struct agentmem_unit_line {
	uint64_t unit, agent, bytes, stored_bytes, idle_ms;
	uint32_t kind, tier, sharers, importance;
	uint8_t digest[8];		/* its first bytes, to tell units apart */
};

/* Ages and limits of the user's broker, or of the machine's module; a field that is 0 is left as it is. */
struct agentmem_settings {
	size_t size;
	uint64_t warm_after_ms, cold_after_ms, thorough_after_ms;
	uint64_t hot_most_bytes, warm_most_bytes, cold_most_bytes;
	uint64_t quota_bytes;
};

/* EINVAL, ENOMEM, ENODEV (forced backend is not there), EACCES (token), EPROTO (broker of another version). */
int agentmem_open(agentmem_t **am, const struct agentmem_options *options);
/* Mappings stay until unmapped; units stay until freed or until the agent's last process has gone. NULL is allowed. */
void agentmem_close(agentmem_t *am);
/* enum agentmem_backend in use. */
int agentmem_backend(const agentmem_t *am);
/* Never NULL; for values the library does not give too. */
const char *agentmem_error_text(int error);

/* Tells how the agent is; SUSPENDED sends its units away first, ACTIVE brings its working set back. */
int agentmem_set_state(agentmem_t *am, int state);
int agentmem_set_importance(agentmem_t *am, uint32_t importance);

/* A unit with this content; known content costs no memory. bytes may be 0 for a conversation only. EDQUOT, E2BIG (over 4 GiB), ENOMEM. */
int agentmem_alloc(agentmem_t *am, int kind, const void *data, size_t bytes, agentmem_unit_t *unit);
/* The same from a memfd of the caller's with all of SEAL, SHRINK, GROW, WRITE set; nothing is copied but by the module, once. EPERM (not sealed), EBADF. The descriptor stays the caller's. */
int agentmem_alloc_fd(agentmem_t *am, int kind, int memfd, agentmem_unit_t *unit);
/* Conversations only, else EINVAL. The cost depends on `bytes` alone. */
int agentmem_append(agentmem_t *am, agentmem_unit_t unit, const void *data, size_t bytes);
/* A new conversation with the first prefix_bytes of `unit` (SIZE_MAX: all), sharing them. */
int agentmem_fork(agentmem_t *am, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork);
/* Replaces old_bytes at offset by new_bytes of data; what is stored anew is what changed. Conversations only. */
int agentmem_edit(agentmem_t *am, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
/* Lets another agent of the same domain hold it too (agentmem_stat.agent). ENOENT also where that agent is of another domain. */
int agentmem_share(agentmem_t *am, agentmem_unit_t unit, uint64_t agent);
/* The unit of this agent's with that content; ENOENT where this agent holds none, whoever else does. */
int agentmem_find(agentmem_t *am, const uint8_t digest[AGENTMEM_DIGEST_BYTES], agentmem_unit_t *unit);
/* Brings it back, and keeps it hot for the next while. */
int agentmem_mark_hot(agentmem_t *am, agentmem_unit_t unit);
/* Read-only, private to nobody: immutable. Of a conversation what it was at this moment. Ends with agentmem_unmap(). */
int agentmem_map(agentmem_t *am, agentmem_unit_t unit, const void **data, size_t *bytes);
/* EINVAL for an address that agentmem_map() did not give. */
int agentmem_unmap(agentmem_t *am, const void *data);
/* Bytes read, 0 at the end, or a negative errno. Never wrong bytes: EIO where stored ones do not match their checksum. */
ssize_t agentmem_read(agentmem_t *am, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes);
int agentmem_stat_unit(agentmem_t *am, agentmem_unit_t unit, struct agentmem_unit_stat *stat);
int agentmem_stat(agentmem_t *am, struct agentmem_stat *stat);
/* This agent holds it no more. ENOENT. */
int agentmem_free(agentmem_t *am, agentmem_unit_t unit);

/* For control centers: lines with a number above `after`, smallest first; how many were written, or a negative errno. Not in the private backend: 1 and its own units. */
int agentmem_agents(agentmem_t *am, uint64_t after, struct agentmem_agent_line *lines, unsigned most);
int agentmem_units(agentmem_t *am, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most);
/* Sets what is not 0, then fills in what is in force. Of the module: EACCES but for root; EOPNOTSUPP for what it does not have. */
int agentmem_settings(agentmem_t *am, struct agentmem_settings *settings);

/*
 * More errors: ESTALE, the broker ended and what it held of this unit in memory
 * is lost (mapped units and cold ones are not); ECONNRESET, it ended in the
 * middle of this call and could not be started again; EAGAIN never.
 */

#ifdef __cplusplus
}
#endif

#endif
