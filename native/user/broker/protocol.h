/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libagentmem and the broker say to each other: one SOCK_SEQPACKET
 * message a request, one a reply, in host byte order, with at most one
 * descriptor. A request that is too short, too long, of an unknown type or
 * with a descriptor too many gets an error, and ends its own connection only
 * where the next message cannot be told from it.
 *
 * Replies carry the number of their request and may come in another order.
 * Who is refused as he connects (EPERM: another user; EBUSY, ENFILE: no room)
 * gets a reply with the number 0 and an error, and the connection ends.
 */
#ifndef BROKER_PROTOCOL_H
#define BROKER_PROTOCOL_H

#include <stdint.h>

#define BROKER_MAGIC 0x414d4231u /* "AMB1": raised with every change that is not an addition at an end */
#define BROKER_MESSAGE_MOST (160u * 1024u)
/* Data that goes in a message; more goes in a sealed memfd. */
#define BROKER_INLINE_MOST (128u * 1024u)
#define BROKER_UNIT_MOST (UINT64_C(4) << 30)

enum broker_type {
	BROKER_HELLO = 1,	/* broker_hello -> broker_welcome; first on each connection */
	BROKER_STATE,		/* broker_number: value is enum agentmem_state */
	BROKER_IMPORTANCE,	/* broker_number */
	BROKER_ASK,		/* broker_ask -> broker_secret: do you know this? */
	BROKER_CLAIM,		/* broker_claim -> broker_unit; ENOENT: hand it in whole. Ends the question of BROKER_ASK */
	BROKER_ALLOC,		/* broker_alloc, then data or a sealed memfd -> broker_unit, with the memfd to map where it has one */
	BROKER_APPEND,		/* broker_edit (offset and old_bytes are 0), then data or a sealed memfd -> broker_unit */
	BROKER_FORK,		/* broker_number: value is prefix_bytes -> broker_unit */
	BROKER_EDIT,		/* broker_edit, then data or a sealed memfd -> broker_unit */
	BROKER_SHARE,		/* broker_number: value is the agent */
	BROKER_FIND,		/* broker_find -> broker_unit */
	BROKER_MARK_HOT,	/* broker_number */
	BROKER_MAP,		/* broker_number -> broker_unit and a sealed memfd, or data where bytes <= BROKER_INLINE_MOST and there is no memfd */
	BROKER_UNMAP,		/* broker_number: one mapping of BROKER_MAP less */
	BROKER_READ,		/* broker_read -> broker_bytes, then data; at most BROKER_INLINE_MOST bytes of them, or a memfd that holds them at 0 */
	BROKER_STAT_UNIT,	/* broker_number -> broker_unit_stat */
	BROKER_STAT,		/* nothing -> broker_stat */
	BROKER_FREE,		/* broker_number */
	BROKER_LIST,		/* broker_list -> broker_listed, then broker_agent_line or broker_unit_line each: for the window; the caller's own user only. An agent sees its own domain, and with agent 0 its own units; one that only looks sees all, digests hidden */
	BROKER_SETTINGS,	/* broker_settings: ages and limits, from the control center -> the ones in force. EPERM where an agent of a domain of its own would change one */
	BROKER_TYPE_END,
};

/* In front of each message. */
struct broker_head {
	uint32_t magic;
	uint16_t type;		/* enum broker_type; the request's in a reply */
	uint16_t flags;		/* 0 */
	uint64_t sequence;	/* the client's own count, given back */
	int32_t error;		/* in a reply: 0 or a negative errno */
	uint32_t bytes;		/* of what follows in this message, head not counted */
};

struct broker_hello {
	uint32_t version;	/* 1 */
	uint32_t importance;
	uint64_t quota_bytes;
	uint8_t token[16];	/* all zero: a new agent */
	char name[64];		/* ended by 0 */
	char domain[64];
	uint32_t flags;		/* 1: looks only (LIST, STAT, SETTINGS) and is no agent; 2: was the agent of this token, and is again where a new broker does not know it */
	uint32_t reserved;
};

struct broker_welcome {
	uint32_t version;
	uint32_t is_new;	/* 1: nobody was this agent before, as far as the broker knows */
	uint64_t agent;
	uint64_t broker;	/* drawn at its start: another value means that it is another broker */
	uint8_t token[16];
};

struct broker_number {
	uint64_t unit;		/* 0 where the request is about the agent */
	uint64_t value;
};

struct broker_ask {
	uint64_t bytes;
	uint64_t fingerprint;	/* fingerprint_of() the content */
};

struct broker_secret {
	uint64_t question;	/* to name in BROKER_CLAIM; one at a time a connection is kept, the newest */
	uint8_t secret[256];
};

struct broker_claim {
	uint64_t question;
	uint32_t kind;
	uint32_t reserved;
	uint8_t digest[32];
	uint64_t tag_low, tag_high;	/* proof_of() the content under the secret */
};

struct broker_alloc {
	uint32_t kind;
	uint32_t reserved;
	uint64_t bytes;		/* of the data that follows, or of the memfd */
};

struct broker_edit {
	uint64_t unit;
	uint64_t offset;
	uint64_t old_bytes;
	uint64_t bytes;		/* of the data that follows, or of the memfd */
};

struct broker_read {
	uint64_t unit;
	uint64_t offset;
	uint64_t bytes;
};

struct broker_bytes {
	uint64_t bytes;		/* may be fewer than asked for */
	uint64_t total_bytes;	/* of the unit */
};

struct broker_find {
	uint8_t digest[32];
};

struct broker_unit {
	uint64_t unit;
	uint64_t bytes;
	uint32_t kind;
	uint32_t known;		/* 1: the content was there before */
	uint8_t digest[32];
	uint32_t has_digest;
	uint32_t reserved;
};

struct broker_unit_stat {
	uint64_t unit, bytes, stored_bytes, idle_ms, hot_bytes, warm_bytes, cold_bytes;
	uint8_t digest[32];
	uint32_t has_digest, kind, tier, sharers, importance, reserved;
};

struct broker_stat {
	uint64_t agent;
	uint8_t token[16];
	uint32_t state, reserved;
	uint64_t units, bytes, shared_bytes, quota_bytes;
	uint64_t user_agents, user_units, user_bytes, user_hot_bytes, user_warm_bytes, user_cold_bytes, user_own_bytes;
	/* Since its start. */
	uint64_t handed_in_bytes, found_bytes, packed_bytes, packed_stored_bytes, restored_blocks, cold_reads, errors;
	uint64_t cold_apparent_bytes;	/* of the store's file */
	uint64_t reserved_more[4];
};

struct broker_list {
	uint32_t what;		/* 0 agents, 1 units of `agent` (0: of all) */
	uint32_t reserved;
	uint64_t agent;
	uint64_t after;		/* number of the last line had; 0 from the start */
};

struct broker_listed {
	uint32_t count;
	uint32_t line_bytes;
	uint32_t more;		/* 1: ask again with the last number */
	uint32_t reserved;
};

struct broker_agent_line {
	uint64_t agent;
	uint32_t pid;		/* of its first process that is there; 0 */
	uint32_t state, importance, processes;
	uint64_t units, bytes, shared_bytes, hot_bytes, warm_bytes, cold_bytes, idle_ms;
	char name[64];
	char domain[64];
};

struct broker_unit_line {
	uint64_t unit, agent, bytes, stored_bytes, idle_ms;
	uint32_t kind, tier, sharers, importance;
	uint8_t digest[8];	/* the first 8 bytes, to tell them apart */
};

/* 0 leaves one as it is. Times in ms, sizes in bytes. */
struct broker_settings {
	uint64_t warm_after_ms, cold_after_ms, thorough_after_ms;
	uint64_t hot_most_bytes, warm_most_bytes, cold_most_bytes;
	uint64_t quota_bytes;		/* an agent's unless it asked for less */
	uint64_t reserved[5];
};

#endif
