/* SPDX-License-Identifier: Apache-2.0 */
/* The disk, and the manifests that find units on it again. */
#ifndef BROKER_CONTENT_COLD_H
#define BROKER_CONTENT_COLD_H

#include "content-inner.h"

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

#endif
