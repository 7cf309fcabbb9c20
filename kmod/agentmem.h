/* SPDX-License-Identifier: GPL-2.0 */
/*
 * agentmem.ko from the inside.
 *
 *   agent --holding--> unit --> content      one flat content, or
 *                        `----> talk         a list of contents and a tail
 *
 * A content is an immutable run of bytes, found by domain and digest, in
 * extents that are pages, or compressed, or both. Agents hold units; units, the
 * blocks of conversations and descriptors hold contents.
 *
 * Locks, outermost first:
 *   am_agents_lock (mutex)  who is there: users, domains, agents
 *   agent->lock (mutex)     what it holds; `gone`
 *   talk->writer (mutex)    one append or edit at a time; user memory is read under it
 *   talk->lock (rwsem)      blocks and tail; no user memory is touched under it
 *   am_store_lock (mutex)   writers of the content table; content->unit
 *   mmap_lock
 *   content->lock (rwsem)   extents; no user memory is touched under it
 *   runs.c: unpacked.lock   what was unpacked last
 *   unit->holders_lock (spinlock), i_mmap_rwsem
 * Memory is allocated under all but the spinlock. So reclaim, which may begin
 * there, takes content->lock by trylock, and none of the others.
 */
#ifndef AM_AGENTMEM_H
#define AM_AGENTMEM_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "compat.h"
#include "core/chunk.h"
#include "core/policy.h"
#include "core/table.h"
#include "uapi/agentmem.h"

/* Charged to the cgroup of who asks; fails rather than kills. */
#define AM_GFP (GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL)
/* What was stored must come back: as any other page that is touched, it may cost somebody his life. */
#define AM_GFP_BACK (GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

/* main.c: module parameters. */
extern char *am_compressor;
extern ulong am_warm_after_ms;
extern ulong am_quota_bytes;
extern ulong am_user_most_bytes;
extern ulong am_hot_most_bytes;
extern ulong am_cold_after_ms;
extern bool am_far_node;
extern ulong am_free_least_bytes;
extern ulong am_warm_most_bytes;
extern uint am_user_agents_most;
extern uint am_agent_units_most;

/* What is stored, for a user and for the machine. */
struct am_counts {
	atomic64_t contents;
	atomic64_t content_bytes;
	atomic64_t hot_bytes;	/* pages, whole ones */
	atomic64_t warm_bytes;	/* compressed, as stored */
	atomic64_t cold_bytes;	/* on the backing file, as stored */
};

extern struct am_counts am_all;

struct am_user {
	struct list_head link;	/* am_agents_lock, as `domains` */
	kuid_t uid;
	u32 domains;
	atomic_t agents;
	atomic64_t units;
	atomic64_t bytes;	/* plain, as held by its agents */
	struct am_counts counts;
};

struct am_domain {
	struct list_head link;	/* am_agents_lock */
	struct kref ref;
	struct am_user *user;
	u64 number;
	atomic64_t last_unit;
	char name[AGENTMEM_ABI_NAME_BYTES];
};

struct am_agent {
	struct kref ref;
	struct rcu_head rcu;
	struct mutex lock;
	struct am_domain *domain;
	struct xarray units;	/* struct am_holding by the unit's number; read under RCU */
	u32 number;
	u32 processes;		/* descriptors that act for it; am_agents_lock */
	u32 state;		/* as it says itself */
	u32 importance;
	struct pid *pid;
	bool frozen;		/* by cgroup.freeze, which it cannot say; written by the thread that evicts */
	bool sent;		/* what it holds was, at a freezing since it last said that it is active */
	bool gone;		/* agent->lock; holds nothing and gets nothing any more */
	u64 quota_bytes;
	atomic64_t bytes;	/* with what is being handed in */
	atomic64_t count;	/* of units */
	u64 used_ms;
	u8 token[AGENTMEM_ABI_TOKEN_BYTES];
	char name[AGENTMEM_ABI_NAME_BYTES];
};

/* What counts: who is stopped from outside sleeps, whatever it last said. */
static inline u32 am_agent_state(const struct am_agent *agent)
{
	u32 state = READ_ONCE(agent->state);

	return READ_ONCE(agent->frozen) ? max_t(u32, state, AM_STATE_SUSPENDED) : state;
}

struct am_holding {
	struct rcu_head rcu;
	struct list_head on_unit;	/* unit->holders_lock */
	struct am_agent *agent;
	struct am_unit *unit;
	u32 holds;		/* agent->lock */
};

struct am_unit {
	struct kref ref;
	struct rcu_head rcu;
	u64 number;
	struct am_domain *domain;
	u32 kind;
	u32 holder_count;	/* holders_lock */
	spinlock_t holders_lock;
	struct list_head holders;
	u64 bytes;		/* holders_lock, for a conversation */
	u64 used_ms;
	struct am_content *content;	/* NULL for a conversation */
	struct am_talk *talk;
};

/* What a conversation is made of: blocks cut by content, and what comes after them. */
struct am_talk {
	struct mutex writer;
	struct rw_semaphore lock;
	u32 count;
	u32 room;
	struct am_block {
		struct am_content *content;
		u64 end;	/* bytes of the conversation up to here */
	} *blocks;
	u8 *tail;
	u32 tail_bytes;
	u32 tail_room;
	u32 tail_seen;		/* of these no cut was found in that many */
	bool has_digest;	/* of all of it, as it is now */
	struct am_digest digest;
};

/* A tail's buffer is a power of two, and not less. */
#define AM_TAIL_LEAST 4096u

/* Where the tail begins; under talk->lock or talk->writer. */
static inline u64 am_talk_end(const struct am_talk *talk)
{
	return talk->count ? talk->blocks[talk->count - 1].end : 0;
}

/* agents.c */
extern struct mutex am_agents_lock;
extern struct xarray am_agents;
extern struct list_head am_users;
int am_agent_register(struct agentmem_abi_register *args, struct am_agent **agent);
void am_agent_leave(struct am_agent *agent);
void am_agent_put(struct am_agent *agent);
struct am_agent *am_agent_find(u64 number);
int am_agent_set_state(struct am_agent *agent, u32 state);
int am_agent_charge(struct am_agent *agent, u64 bytes);
void am_agent_uncharge(struct am_agent *agent, u64 bytes);
void am_domain_get(struct am_domain *domain);
void am_domain_put(struct am_domain *domain);
struct am_user *am_user_find(kuid_t uid);

/* units.c */
struct am_unit *am_unit_find(struct am_agent *agent, u64 number);
/* Each unit of an agent's in turn, from `*number` on, with a reference; NULL behind the last. */
struct am_unit *am_unit_next(struct am_agent *agent, unsigned long *number);
void am_unit_put(struct am_unit *unit);
struct am_unit *am_unit_of_content(struct am_content *content, u32 kind);
struct am_unit *am_unit_new(struct am_domain *domain, u32 kind);
int am_unit_hold(struct am_agent *agent, struct am_unit *unit);
int am_unit_free(struct am_agent *agent, u64 number);
void am_unit_free_all(struct am_agent *agent);
int am_unit_grow(struct am_unit *unit, u64 bytes);
void am_unit_shrink(struct am_unit *unit, u64 bytes);
void am_unit_used(struct am_unit *unit);
struct am_content *am_unit_content_at(struct am_unit *unit, u64 offset, u64 *start);

/* talk.c */
extern const struct am_chunk_sizes am_talk_sizes;
struct am_talk *am_talk_new(void);
void am_talk_free(struct am_talk *talk);
int am_talk_append(struct am_unit *unit, const void __user *data, u64 bytes);
int am_talk_edit(struct am_unit *unit, u64 offset, u64 old_bytes, const void __user *data, u64 bytes);
void am_talk_close_tail(struct am_unit *unit);

/* talk-read.c */
ssize_t am_talk_read(struct am_unit *unit, u64 offset, void __user *to, size_t bytes);
struct am_unit *am_talk_fork(struct am_unit *unit, u64 prefix_bytes);
struct am_content *am_talk_snapshot(struct am_unit *unit);
int am_talk_digest(struct am_unit *unit);
bool am_talk_known(struct am_unit *unit, struct am_digest *digest);

/* ioctl.c */
extern const struct file_operations am_device_ops;
int am_take(void *to, size_t known, size_t first, void __user *from);
int am_give(void __user *to, const void *from, size_t known);

/* evict.c */
int am_evict_open(void);
void am_evict_close(void);
void am_evict_kick(u32 pressure);
/* Something is set in another way: look again, with the same pressure. */
void am_evict_kick_same(void);
void am_evict_short(void);
void am_evict_over(void);

/* suspend.c */
s64 am_evict_agent(struct am_agent *agent);
void am_follow_freezing(void);
int am_restore_agent(struct am_agent *agent);

/* stats.c */
int am_stat_unit(struct am_agent *agent, struct am_unit *unit, struct am_content *content, struct agentmem_abi_unit_stat *stat);
int am_stat_agent(struct am_agent *agent, struct agentmem_abi_agent_stat *stat);
int am_stat_all(struct agentmem_abi_all_stat *stat);

/* stats-lists.c */
int am_list_agents(struct agentmem_abi_list *list);
int am_list_units(struct am_agent *agent, struct agentmem_abi_list *list);
int am_stats_open(void);
void am_stats_close(void);

static inline u64 am_now_ms(void)
{
	return ktime_to_ms(ktime_get_boottime());
}

#endif
