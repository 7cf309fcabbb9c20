/* SPDX-License-Identifier: Apache-2.0 */
/* How much one broker, agent and connection may ask for at a time. */
#ifndef BROKER_LIMITS_H
#define BROKER_LIMITS_H

#include <stdint.h>

#define AGENTS_MOST 4096u
#define CLIENTS_MOST 4096u
#define AGENT_CLIENTS_MOST 256u
#define AGENT_PROCESSES_MOST 256u
/* Holds of units, each agent; a unit costs the broker's own tables some 200 bytes. */
#define AGENT_HOLDS_MOST (UINT64_C(1) << 18)
#define AGENT_QUOTA_BYTES (UINT64_C(32) << 30)
/* Requests that wait for the content's threads: beyond, the connection is not read from until one is answered. */
#define CLIENT_OUTSTANDING_MOST 16u
#define AGENT_OUTSTANDING_MOST 64u
/* Each costs a worker one pass over the candidate; the oldest is forgotten for a new one. */
#define AGENT_QUESTIONS_MOST 8u
/* Messages of one connection before it is the next one's turn. */
#define TURN_MESSAGES 8u
/* Replies that wait for a client that does not read. While there are any, it is not read from either. */
#define CLIENT_QUEUED_MOST (4u * 1024u * 1024u)
/* And for all together: beyond, who has most of them is cut off. */
#define QUEUED_MOST (64u * 1024u * 1024u)

#define GRACE_MS 30000u
/* After a start: agents that are known from the store have to find the broker again. */
#define RESTORED_GRACE_FACTOR 20u
#define LINGER_MS 10000u
#define STUCK_MS 30000u
#define SAVE_MS 1000u
#define TRIM_MS 2000u

#endif
