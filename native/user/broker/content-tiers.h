/* SPDX-License-Identifier: Apache-2.0 */
/* What goes down a tier and comes back, for age or for want of memory. */
#ifndef BROKER_CONTENT_TIERS_H
#define BROKER_CONTENT_TIERS_H

#include "content-inner.h"

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

void pressure_open(struct content *content);
void pressure_close(struct content *content);
enum am_pressure pressure_read(struct content *content);

#endif
