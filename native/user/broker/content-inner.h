/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of content.h, for the files content*.c alone.
 *
 * Everything here belongs to the main thread. A worker sees what its job
 * carries: plain buffers, descriptors, pieces. What a job looks at is pinned
 * while it runs, and is let go of by the main thread when the job is back.
 */
#ifndef BROKER_CONTENT_INNER_H
#define BROKER_CONTENT_INNER_H

#include <errno.h>
#include <string.h>

#include "broker/content.h"
#include "common/digest.h"
#include "core/chunk.h"
#include "core/policy.h"
#include "core/sketch.h"
#include "core/table.h"
#include "store/store.h"
#include "warm/warm.h"

/* Content up to this is hashed where it is; more on a worker. */
#define HASH_HERE_BYTES (16u * 1024u)
/* Below, data is handed in whole: a proof would cost more than it saves. */
#define PROOF_LEAST_BYTES (256u * 1024u)
/* Small units of one domain and kind are kept together in runs of this size. */
#define SLAB_BYTES (256u * 1024u)
#ifdef CONTENT_SMALL
/* For tests: the same paths with less data. */
#define CONTENT_CHUNK_SIZES { .min = 16u << 10, .average = 32u << 10, .max = 128u << 10 }
#define STEP_BYTES (256u * 1024u)
#define CACHE_MOST_BYTES (512u * 1024u)
#else
/* One job reads, cuts or fills this much, so that others get their turn. */
#define STEP_BYTES (8u * 1024u * 1024u)
/* Plain copies of blocks that are not hot, for reading on. */
#define CACHE_MOST_BYTES (32u * 1024u * 1024u)
#endif
#define CACHE_MOST_MS 2000
#define REST_AFTER_MS 2000
#define CACHE_BLOCKS 256
/* agentmem_mark_hot() holds for this long. */
#define HOT_HOLD_MS (10u * 60u * 1000u)
/* Conversations up to this get a digest when asked for. */
#define DIGEST_MOST_BYTES (16u * 1024u * 1024u)
#define NEVER UINT64_MAX

#define container(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct block;
struct body;
struct unit;

/* ---- workers ---- */

/* JOB_URGENT: somebody waits, and it is soon done; one thread is there for these alone. */
enum job_class { JOB_URGENT, JOB_BUILD, JOB_PACK, JOB_SLOW, JOB_CLASSES };

struct job {
	struct job *next;
	enum job_class class;
	void (*work)(struct job *job);
	void (*done)(struct content *content, struct job *job);
};

struct workers;

struct workers *workers_open(unsigned count);
/* After all jobs have come back. */
void workers_close(struct workers *workers);
int workers_fd(const struct workers *workers);
void workers_start(struct workers *workers, struct job *job);
/* Jobs that are ready, in the order they became so; they count as pending until taken. */
struct job *workers_take(struct workers *workers);
unsigned workers_pending(const struct workers *workers);
unsigned workers_waiting(const struct workers *workers, enum job_class class);
void workers_wake(struct workers *workers);
size_t workers_own_bytes(const struct workers *workers);

/* ---- memory ---- */

/* For what is learnt about small units: of the common domain alone. 0: nothing is. */
enum am_kind learnt_kind(const struct content *content, uint64_t domain, uint8_t kind);
/* Zeroed, counted as the broker's own. Main thread only. */
void *mem_alloc(struct content *content, size_t bytes);
void mem_free(struct content *content, void *memory, size_t bytes);
void *mem_grow(struct content *content, void *memory, size_t old_bytes, size_t bytes);
/* Whole pages, given back to the system when freed. Any thread. NULL without memory. */
void *pages_alloc(size_t bytes);
void pages_free(void *memory, size_t bytes);
/* The same bytes with more room, perhaps elsewhere; NULL without memory, and nothing has changed. */
void *pages_grow(void *memory, size_t bytes, size_t more_bytes);
/* -1 with errno. */
int memfd_make(uint64_t bytes);
int memfd_seal(int fd);

/* ---- keepers: the agents as this room knows them ---- */

/* One agent's hold of one unit. */
struct holder {
	struct keeper *keeper;		/* NULL: not in use (the one inside a unit) */
	struct unit *unit;
	struct holder *next;		/* of the same unit */
	struct holder *keeper_next, *keeper_prev;
	uint32_t holds;
	uint32_t maps;
};

struct keeper {
	struct am_entry entry;		/* number: the agent */
	struct holder *first;
	uint64_t bytes;			/* plain, of all units it holds */
	uint64_t units;
	uint64_t used_ms;
	uint64_t missing_ms;		/* since when nobody knows this agent; 0: is known */
	uint32_t digested;		/* conversations of it that have a digest */
	enum am_state state;
	uint32_t importance;
	uint32_t importance_now;	/* as last asked; `importance` is what its units know */
	void *saved;			/* record of the caller's */
	uint32_t saved_bytes;
};

struct keeper *keeper_find(const struct content *content, uint64_t agent);
struct keeper *keeper_get(struct content *content, uint64_t agent);
/* Asks the caller how the agent is now, and tells its units where that changed. */
void keeper_look(struct content *content, struct keeper *keeper);
void keeper_set(struct content *content, struct keeper *keeper, enum am_state state);
/* Those that nobody knows any more go after a while. */
void orphans_walk(struct content *content);
/* Frees it where it holds nothing and nothing is saved for it. */
void keeper_tidy(struct content *content, struct keeper *keeper);

/* ---- units ---- */

struct unit {
	struct am_entry entry;
	struct holder first_holder;
	uint64_t bytes;
	uint64_t used_ms;
	union {
		struct body *body;	/* big ones */
		struct block *slab;	/* small ones */
	};
	uint32_t slab_offset;
	uint32_t pins;			/* operations and jobs on it; freed only without */
	uint8_t kind;
	uint8_t state;			/* enum am_state: the best of its holders' */
	uint8_t importance;		/* the highest of its holders' */
	bool big : 1;
	bool dead : 1;			/* in no table any more */
	bool recorded : 1;		/* the store has its manifest */
	bool record_stale : 1;		/* whose holders have changed since */
	bool recording : 1;
	bool unrecording : 1;		/* its manifest is on its way out */
};

/* A block's place in a unit; ends at `end` of the unit's bytes. */
struct part {
	struct block *block;
	uint64_t end;
};

/* An operation that changes a conversation keeps others waiting until it is through. */
struct op {
	struct op *next;
	struct content *content;
	struct unit *unit;
	bool changes;
	void (*run)(struct op *op);
};

struct body {
	struct unit *unit;
	struct part *parts;
	uint32_t count, room;
	bool ends_open;			/* the last part is a tail that was put away: no cut by content */
	bool warming;
	bool digested;			/* of a conversation; content has it in its entry */
	struct am_digest digest;
	uint8_t *tail;
	uint32_t tail_bytes, tail_room;
	uint32_t tail_seen;		/* looked at for a cut: there is none in so many bytes */
	bool cutting;			/* one was found, or is looked for, behind those */
	int fd;				/* content: hot. Conversation: a snapshot of it as it is now. -1 */
	uint64_t fd_bytes;
	uint64_t fingerprint;
	uint64_t next_look_ms;
	uint32_t maps;			/* of all holders */
	uint8_t generation;
	struct body *next, *prev;	/* all bodies */
	struct body *next_print;	/* same slot of the fingerprints */
	struct op *changing;
	struct op *waiting, **waiting_end;
	uint32_t version;		/* of what it says; counts changes */
	struct fill *fill;		/* a memfd being made of the newest version */
};

struct unit *unit_new(struct content *content, uint64_t domain, enum am_kind kind, bool big);
/* Not held by anybody (any more): out of the tables, freed when nothing looks at it. */
void unit_drop(struct content *content, struct unit *unit);
void unit_pin(struct unit *unit);
void unit_unpin(struct content *content, struct unit *unit);
struct unit *unit_find(const struct content *content, uint64_t number);
/* NULL where the agent does not hold it. */
struct holder *unit_holder(const struct unit *unit, uint64_t agent);
struct unit *unit_of(struct content *content, uint64_t agent, uint64_t number);
/* -ENOMEM. */
int unit_hold(struct content *content, struct unit *unit, uint64_t agent);
/* Holders or their states have changed. */
void unit_look(struct content *content, struct unit *unit);
void unit_used(struct content *content, struct unit *unit);
void unit_set_bytes(struct content *content, struct unit *unit, uint64_t bytes);
/* Nobody holds it any more: it goes. */
void forget_holders(struct content *content, struct unit *unit);
unsigned unit_sharers(const struct unit *unit);
bool unit_is_conversation(const struct unit *unit);
/* Digest of a conversation that is no longer so. */
void unit_forget_digest(struct unit *unit);

void op_start(struct op *op);
/* Of one that changes: lets the next ones run. */
void op_end(struct op *op);

/* ---- bodies ---- */

struct body *body_new(struct content *content, struct unit *unit);
void body_free(struct content *content, struct body *body);
/* The memfd is there: the packed form goes. */
void body_is_back(struct content *content, struct body *body);
int body_add_part(struct content *content, struct body *body, struct block *block);
/* Keeps the first `count` parts. */
void body_cut_parts(struct content *content, struct body *body, uint32_t count);
uint64_t body_parts_bytes(const struct body *body);
/* The part with byte `offset`, or count. */
uint32_t body_find_part(const struct body *body, uint64_t offset);
void body_set_fd(struct content *content, struct body *body, int fd, uint64_t bytes);
int body_part_room(struct content *content, struct body *body, uint32_t count);
void body_set_tail(struct content *content, struct body *body, uint8_t *tail, uint32_t bytes, uint32_t room);
int body_tail_room(struct content *content, struct body *body, uint32_t bytes);
void body_print_add(struct content *content, struct body *body, uint64_t fingerprint);
struct body *body_print_find(const struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint);

/* ---- blocks ---- */

struct waiter {
	struct waiter *next;
	void (*ready)(struct content *content, struct waiter *waiter, int error);
};

/*
 * An immutable run of bytes, or a run of small units that still takes more.
 * It may be there in several forms at once; without any it is dead.
 */
struct block {
	struct am_entry entry;
	struct block *next, *prev;
	uint8_t *plain;
	struct warm_piece *piece;
	uint64_t store_id;		/* 0: not on disk */
	struct block *base;		/* the piece (and what is on disk) is packed against it */
	struct waiter *waiters;		/* for plain bytes, being fetched */
	struct am_sketch sketch;
	uint64_t used_ms;
	uint64_t next_look_ms;
	uint64_t owner;			/* agent whose region of the store it goes to; 0: several */
	uint64_t like;			/* number of the block in whose place it came */
	uint32_t bytes;
	uint32_t room;			/* of `plain` */
	uint32_t live_bytes;		/* of a slab: units still there */
	uint32_t users[4];		/* uses by units, by the state of these */
	uint32_t base_users;		/* blocks packed against it */
	uint32_t pins;
	uint32_t disk_bytes;
	uint8_t kind;
	uint8_t generation;
	uint8_t importance;
	uint8_t effort;
	uint8_t cold_reads;
	bool slab : 1;
	bool open : 1;			/* slab that takes more */
	bool cached : 1;		/* plain only for a moment: it is not hot */
	bool sketched : 1;
	bool indexed : 1;		/* may be found as a base */
	bool packing : 1;
	bool storing : 1;
	bool committed : 1;		/* what is on disk is durable */
	bool forced : 1;		/* goes for want of memory, not by its age */
	bool leave : 1;			/* RAM copy goes once it is on disk */
	bool failed : 1;		/* could not be packed a moment ago */
	bool tidying : 1;
	bool pack_based : 1;		/* being packed against another */
};

/* New from plain bytes that it takes over, or the one that is there; NULL without memory (plain is freed). */
struct block *block_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like);
/* The same, but plain stays the caller's where it gives NULL. */
struct block *block_try_adopt(struct content *content, uint64_t domain, enum am_kind kind, void *plain, uint32_t bytes, const struct am_digest *digest, const struct am_sketch *sketch, uint64_t like);
struct block *block_find(const struct content *content, uint64_t number);
/* Whether it may be found as a base. */
void block_index(struct content *content, struct block *block, bool wanted);
struct block *block_alike(struct content *content, struct block *block, bool (*allowed)(void *context, am_u64 number), void *context);
struct block *block_new(struct content *content, uint64_t domain, enum am_kind kind);
void block_use(struct content *content, struct block *block, enum am_state state);
void block_unuse(struct content *content, struct block *block, enum am_state state);
void block_move_use(struct content *content, struct block *block, enum am_state from, enum am_state to, uint32_t importance);
void block_touch(struct content *content, struct block *block);
void block_pin(struct block *block);
void block_unpin(struct content *content, struct block *block);
uint32_t block_refs(const struct block *block);
/* Calls ready() with the block pinned and its plain bytes there; perhaps at once. */
void block_want(struct content *content, struct block *block, struct waiter *waiter);
void block_drop_plain(struct content *content, struct block *block);
void block_drop_piece(struct content *content, struct block *block);
void block_set_piece(struct content *content, struct block *block, struct warm_piece *piece);
void block_set_base(struct content *content, struct block *block, struct block *base);
/* Plain bytes stay. */
void block_make_hot(struct content *content, struct block *block);
enum am_tier block_tier(const struct block *block);
/* All its copies, wherever they lie. */
uint64_t block_stored_bytes(const struct block *block);
/* Lets plain copies for reading go down to `most`. */
void block_trim_cache(struct content *content, uint64_t most_bytes);
/* Frees what nobody uses; called when a use, pin or dependant has gone. */
void block_settle(struct content *content, struct block *block);

/* What a worker needs to get a block's plain bytes. Pins the block and its base until origin_end(). */
struct origin {
	struct block *block;
	const uint8_t *plain;
	const struct warm_piece *piece;
	uint64_t store_id;
	uint32_t bytes;
	struct am_digest digest;
	bool has_digest;
	struct block *base;
	const uint8_t *base_plain;
	const struct warm_piece *base_piece;
	uint64_t base_store_id;
	uint32_t base_bytes;
};

void origin_of(struct block *block, struct origin *origin);
void origin_end(struct content *content, struct origin *origin);
/* On a worker. `kept`, where given, gets the piece that was read from disk. */
int origin_read(struct warm *warm, struct store *store, const struct origin *origin, uint8_t *out, struct warm_piece **kept);
/* The base alone; *owned says that it is to be freed with pages_free(). */
int origin_base(struct warm *warm, struct store *store, const struct origin *origin, const uint8_t **base, bool *owned);

/* ---- small units ---- */

int small_put(struct content *content, struct unit *unit, const void *data, size_t bytes);
void small_drop(struct content *content, struct unit *unit);
/* Moves what is left out of a closed slab that is mostly empty. */
void small_tidy(struct content *content, struct block *slab);

/* ---- reading ---- */

/* Up to BROKER_INLINE_MOST bytes. */
void read_start(struct content *content, uint64_t agent, struct unit *unit, uint64_t offset, uint64_t bytes, bool maps, content_done done, void *context);

/* ---- filling memfds ---- */

/* A sealed memfd with all of the unit becomes body->fd; ready() has the unit's memfd there, or an error. */
void fill_want(struct content *content, struct unit *unit, struct waiter *waiter);

/* ---- conversations ---- */

void conversation_add(struct content *content, uint64_t agent, uint64_t domain, struct content_source source, content_done done, void *context);

/* ---- tails ---- */

/* After each change of a tail: looks for a cut in what was not looked at, here or by a worker, which then makes the block. Costs by that alone. */
void tail_look(struct content *content, struct unit *unit);

/* ---- cutting ---- */

struct cut {
	void *plain;			/* NULL: it lies where it was cut */
	uint32_t bytes;
	struct am_digest digest;
	struct am_sketch sketch;
};

/* Cuts start and data, as one run, into blocks and a rest. */
struct build {
	struct job job;
	const uint8_t *start;		/* NULL and 0: nothing */
	size_t start_bytes;
	const uint8_t *data;		/* or: */
	int fd;
	uint64_t offset;
	size_t bytes;
	size_t seen;			/* of start: no cut in it */
	bool last;			/* nothing follows: no rest */
	int error;
	struct cut *cuts;
	unsigned count, room;
	uint8_t *rest;			/* pages_alloc() */
	size_t rest_bytes, rest_room;
};

extern const struct am_chunk_sizes *const build_sizes;

/* A memfd's first bytes. */
int build_read(int fd, uint8_t *out, size_t bytes);
void build_work(struct job *job);
/* Of start alone, with its first block left where it is; no rest where nothing was cut. */
void build_tail_work(struct job *job);
/* What was not taken out of it. */
void build_free(struct build *build);

/* ---- tiers, cold, pressure ---- */

/* True where a client that brings more must wait; calls go() when there is room. */
struct gate {
	struct gate *next;
	void (*go)(struct content *content, struct gate *gate);
};
bool gate_wait(struct content *content, struct gate *gate, void (*go)(struct content *content, struct gate *gate));
void gate_open(struct content *content);

void tier_walk(struct content *content);
void tier_limits(struct content *content);
/* What hard pressure asks for, each time it was looked at. */
void tier_pressure(struct content *content);
bool tier_is_over(const struct content *content);
void tier_free_hot(struct content *content, uint64_t want_bytes);
void tier_free_warm(struct content *content, uint64_t want_bytes);
/* Packs the block, where it can be. */
void tier_pack(struct content *content, struct block *block, bool forced);
/* Once more, smaller. */
void pack_again(struct content *content, struct block *block);
/* Cuts what lies in a memfd or a tail into blocks, to be packed. */
void tier_put_away(struct content *content, struct unit *unit);
/* A block it was waiting for has been packed. */
void away_go_on(struct content *content, const struct block *block);
/* Fetches what is far. `all`: else only what is likely to be read next. */
void tier_bring_back(struct content *content, struct unit *unit, bool all);
void tier_view(const struct content *content, const struct block *block, struct am_view *view);
void tier_body_view(const struct content *content, const struct body *body, struct am_view *view);

int cold_open(struct content *content);
void cold_close(struct content *content);
/* Wants the block on disk; `leave`: and out of memory then. */
void cold_want(struct content *content, struct block *block, bool leave);
void cold_forget_block(struct content *content, struct block *block);
void cold_forget_unit(struct content *content, struct unit *unit);
void cold_forget_agent(struct content *content, uint64_t agent);
/* Takes the manifest out, durably, then calls ready(). For what is about to change. */
void cold_unrecord(struct content *content, struct unit *unit, struct waiter *waiter);
/* Writes what has gathered. */
void cold_step(struct content *content);
bool cold_is_busy(const struct content *content);
/* Before closing: what is on disk and not durable yet is committed. */
void cold_finish(struct content *content);
/* Bytes in memory that are on their way to the disk. */
uint64_t cold_under_way(const struct content *content);
/* When it wants to be called again. */
uint64_t cold_next_ms(const struct content *content);

/* The unit that a record's key stands for; false for other records. */
bool cold_is_manifest(uint64_t key, uint64_t *unit);
void cold_free_blob(struct content *content, uint64_t id);
/* The manifest of a unit: what finds it again. NULL where it cannot be (yet). */
void *manifest_make(struct content *content, const struct unit *unit, size_t *bytes);
/* Makes units of all manifests in the store. */
int manifests_read(struct content *content);

void pressure_open(struct content *content);
void pressure_close(struct content *content);
enum am_pressure pressure_read(struct content *content);

void stat_fill(const struct content *content, struct unit *unit, struct broker_unit_stat *stat);

/* ---- all of it ---- */

struct content {
	struct content_options options;
	struct am_policy policy;
	struct workers *workers;
	struct warm *warm;
	struct store *store;		/* NULL: no cold tier */
	struct am_host host;
	struct am_table *units;
	struct am_table *blocks;
	struct am_table *keepers;
	struct am_sketch_index *sketches;
	struct block *first_block;
	struct block *walk_block;	/* where a walk over them goes on */
	struct body *first_body;
	struct body **prints;		/* by fingerprint */
	uint32_t print_slots, print_count;
	struct block *open_slabs[8];
	struct block *cache[CACHE_BLOCKS];	/* blocks whose plain bytes are cached */
	unsigned cache_count;
	uint64_t next_block;
	uint64_t wanted_unit;		/* the next one is to have this number; 0: a new one */
	uint64_t numbers[32];		/* drawn for the next units */
	unsigned number_count;
	uint64_t now_ms;
	uint64_t next_walk_ms, next_pressure_ms, next_orphan_ms, next_rest_ms;
	enum am_pressure pressure;
	int pressure_fd, meminfo_fd;
	struct gate *gates, **gates_end;
	struct cold *cold;
	struct away *aways;		/* under way */
	unsigned away_count;		/* of memfds */
	bool records_stale;
	uint64_t packing;		/* jobs under way that make room */
	uint64_t packing_bytes;
	bool closing;
	uint8_t *room;			/* for one answer, BROKER_INLINE_MOST */

	/* Raised and lowered with what they count. */
	uint64_t own_bytes;
	uint64_t plain_bytes;		/* of all units */
	uint64_t hot_bytes;		/* plain copies: memfds, blocks, tails, slabs */
	uint64_t cache_bytes;		/* of these, blocks that are not hot */
	uint64_t warm_bytes;		/* pieces, as stored */
	uint64_t cold_bytes;		/* on disk, as stored */
	/* Since the start; only raised. */
	uint64_t handed_in_bytes, found_bytes, packed_bytes, packed_stored_bytes, restored_blocks, cold_reads, errors;
};

void drop_everything(struct content *content);
/* What the pool keeps for working is given back REST_AFTER_MS later; packing puts that off. */
void content_worked(struct content *content, bool is_heavy);
void content_wake(struct content *content);
uint64_t content_clock_ms(void);
/* Calls done with an error and nothing else. */
void answer_error(content_done done, void *context, int error);
void answer_unit(const struct unit *unit, bool known, content_done done, void *context);
void result_of(const struct unit *unit, struct content_result *result);

#endif
