/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cold tier: one sparse file of up to 500 GB apparent size with a region
 * an agent, and an index beside it. What store_commit() acknowledged is there
 * after a kill or a power cut; what was not is there whole or not at all.
 *
 *   store.data   superblock, then extents of 4 KiB multiples inside regions
 *   store.index  checksummed records, appended; rewritten whole when mostly dead
 *
 * Extents are written and read with O_DIRECT through io_uring where the file
 * system takes it, else with plain reads and writes. Freed space is given
 * back with FALLOC_FL_PUNCH_HOLE. One process has a store open at a time.
 * Functions may be called from many threads at once.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/types.h"

#define STORE_APPARENT_BYTES (UINT64_C(500) * 1000 * 1000 * 1000)
#define STORE_BLOB_MOST (17u * 1024u * 1024u)
#define STORE_RECORD_MOST (1024u * 1024u)

struct store;

struct store_options {
	const char *folder;		/* made with 0700 where it is missing */
	uint64_t apparent_bytes;	/* 0: STORE_APPARENT_BYTES */
	uint64_t most_bytes;		/* on disk; 0: no limit but the disk's. -ENOSPC beyond */
	uint64_t region_bytes;		/* of an agent before it gets a second one; 0: 4 GiB */
	bool direct;			/* O_DIRECT where it can be had */
};

struct store_stats {
	uint64_t blobs, records;
	uint64_t stored_bytes;		/* of blobs */
	uint64_t disk_bytes;		/* really used, as the file system says */
	uint64_t apparent_bytes;
	uint64_t regions;
	uint64_t own_bytes;		/* memory */
	bool direct, uring;
};

/*
 * 0, -EBUSY (another process has it), -EUCLEAN (not a store, of another
 * version, or damaged: left as it is), -EPERM (another user's folder, or one
 * others may write to), -EOPNOTSUPP (no sparse files there), other negative errno.
 */
int store_open(struct store **store, const struct store_options *options);
/* Commits first. */
void store_close(struct store *store);

/* A blob for a region's owner, a number of the caller's (0: shared). Gives its id, never used again. Not durable before store_commit(). */
int store_put(struct store *store, uint64_t owner, const void *data, size_t bytes, uint64_t *id);
/*
 * Its length, whatever `room` is; read only where it fits. What is left of
 * `room` may be filled up to a multiple of 4 KiB. Without a copy where `out` is
 * aligned to 4 KiB and `room` is a multiple of it. -EIO where the checksum
 * does not match, -ENOENT.
 */
ssize_t store_get(struct store *store, uint64_t id, void *out, size_t room);
/* Part of a blob, without checking the whole: for raw blobs whose reader checks. */
ssize_t store_read(struct store *store, uint64_t id, uint64_t offset, void *out, size_t bytes);
int store_free(struct store *store, uint64_t id);
/* All of an owner's, in one. */
int store_free_owner(struct store *store, uint64_t owner);

/* Named records for who keeps units here: small, kept in the index, replaced by the same key. An empty one removes it. */
int store_record(struct store *store, uint64_t key, const void *data, size_t bytes);
int store_each_record(struct store *store, int (*look)(void *context, uint64_t key, const void *data, size_t bytes), void *context);
int store_each_blob(struct store *store, int (*look)(void *context, uint64_t id, uint64_t owner, size_t bytes), void *context);

/*
 * All puts, frees and records so far are durable, all or none since the last
 * commit where a crash comes between. -ENOSPC, -EIO: they stay, and go with the
 * next commit. -EIO from every change from then on: what is on the disk is not
 * known any more; reading goes on, and opening again gives the last commit.
 */
int store_commit(struct store *store);
void store_stats(struct store *store, struct store_stats *stats);

#endif
