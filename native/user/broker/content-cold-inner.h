/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of content-cold.h: what content-cold.c and content-commit.c share. */
#ifndef BROKER_CONTENT_COLD_INNER_H
#define BROKER_CONTENT_COLD_INNER_H

#include "content-cold.h"

#define KEY_UNIT (UINT64_C(1) << 60)
#define KEY_AGENT (UINT64_C(2) << 60)
#define KEY_DICTIONARY (UINT64_C(3) << 60)
#define KEY_MASK ((UINT64_C(1) << 60) - 1)

/* Commits wait this long for more, and this long after one that failed. */
#define COMMIT_AFTER_MS 1000
#define COMMIT_AGAIN_MS 5000
#define COMMIT_BYTES (64u * 1024u * 1024u)

struct record {
	struct record *next;
	uint64_t key;
	void *data;			/* NULL: to be removed */
	size_t bytes;
	struct unit *unit;		/* pinned; has this manifest then */
	struct waiter *waiter;
};

struct commit;

struct numbers {
	uint64_t *list;
	uint32_t count, room;
};

struct cold {
	struct record *records, **records_end;
	struct numbers frees;		/* blobs */
	struct numbers blocks;		/* on disk and not durable yet */
	uint64_t waiting_bytes;		/* of these */
	uint64_t putting_bytes;
	unsigned putting;
	struct commit *commit;		/* under way */
	bool urgent;			/* somebody waits */
	uint64_t next_commit_ms;	/* NEVER: nothing to write */
	uint64_t again_ms;		/* the disk is full or broken: not before */
	uint32_t dictionaries;		/* saved ones, by bit */
};

bool numbers_add(struct content *content, struct numbers *numbers, uint64_t number);
void numbers_free(struct content *content, struct numbers *numbers);
/* Commits within so much from now. */
void write_soon(struct content *content, uint64_t wait_ms);
/* Takes `data` over. NULL without memory. */
struct record *record_add(struct content *content, uint64_t key, void *data, size_t bytes);
/* The block's copies in memory go where they are to, and there is a durable one. */
void leave_memory(struct block *block, struct content *content);

#endif
