/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The unit table: entries found by number and by content within a domain.
 *
 * Writers are serialised by the caller. Readers take no lock: links are
 * published with release and read with acquire order, and what is taken out is
 * handed to `retire`, which may free it once no reader can still see it (an
 * RCU grace period, or an epoch in user space; a host without concurrent
 * readers frees at once). The bucket arrays are replaced in the same way when
 * the table grows or shrinks, a few buckets with each add or remove, so that no
 * call takes long. Where an entry is in the table from a search's begin to its
 * end, the search finds it.
 *
 * Buckets are chosen by SipHash-1-3 of domain and digest with a secret seed:
 * digests sought out to meet in one bucket meet by chance only.
 */
#ifndef AM_CORE_TABLE_H
#define AM_CORE_TABLE_H

#include "types.h"

/* Put into the caller's own struct; all zero before it is added. Not moved while it is in a table. */
struct am_entry {
	am_u64 number;		/* not 0; unique in the table */
	am_u64 domain;		/* content is shared inside one domain only */
	struct am_digest digest;
	bool has_digest;	/* entries without are found by number alone */
	struct am_entry *next_number;
	struct am_entry *next_digest;
};

/* Random bytes of the host's, different in each run. */
struct am_seed {
	am_u64 words[2];
};

struct am_table;
typedef void (*am_retire)(void *context, void *memory, am_size bytes);

/* `retire` gets old bucket arrays; NULL frees them at once through the host. NULL without memory. */
struct am_table *am_table_open(const struct am_host *host, const struct am_seed *seed, am_retire retire, void *retire_context);
/* Entries are the caller's: take them out first. No reader may be left. */
void am_table_close(struct am_table *table);

/* False where the number is 0 or taken; without memory chains only get longer. An entry with the domain and digest of another is allowed; find_digest gives the newest. */
bool am_table_add(struct am_table *table, struct am_entry *entry);
/* Allocates nothing; buckets that have become too many are given back at the next add. */
void am_table_remove(struct am_table *table, struct am_entry *entry);
/* Gives an entry that has none a digest. Readers who came by number look at `digest` after an acquire load of `has_digest` only. */
void am_table_set_digest(struct am_table *table, struct am_entry *entry, const struct am_digest *digest);

struct am_entry *am_table_find(const struct am_table *table, am_u64 number);
/* Compares the whole digest and domain; takes the same path for a digest of another domain as for an unknown one. */
struct am_entry *am_table_find_digest(const struct am_table *table, am_u64 domain, const struct am_digest *digest);

am_size am_table_count(const struct am_table *table);
am_size am_table_bytes(const struct am_table *table);
/* Calls `look` for each entry until it says false; the entry given may be removed in it, nothing else. Writers only. */
void am_table_each(struct am_table *table, bool (*look)(void *context, struct am_entry *entry), void *context);

#endif
