/* SPDX-License-Identifier: Apache-2.0 */
#include "content-inner.h"
bool gate_wait(struct content *content, struct gate *gate, void (*go)(struct content *content, struct gate *gate)) { (void)content; (void)gate; (void)go; return false; }
void gate_open(struct content *content) { (void)content; }
void tier_walk(struct content *content) { content->next_walk_ms = content->now_ms + 1000; }
void tier_limits(struct content *content) { (void)content; }
void tier_bring_back(struct content *content, struct unit *unit) { (void)content; (void)unit; }
int cold_open(struct content *content) { (void)content; return 0; }
void cold_close(struct content *content) { (void)content; }
void cold_forget_block(struct content *content, struct block *block) { (void)content; (void)block; }
void cold_forget_unit(struct content *content, struct unit *unit) { (void)content; (void)unit; }
void cold_forget_agent(struct content *content, uint64_t agent) { (void)content; (void)agent; }
void cold_step(struct content *content) { (void)content; }
int content_save_agent(struct content *content, uint64_t agent, const void *data, size_t bytes) { (void)content; (void)agent; (void)data; (void)bytes; return 0; }
int content_each_agent(struct content *content, int (*look)(void *context, uint64_t agent, const void *data, size_t bytes), void *context) { (void)content; (void)look; (void)context; return 0; }
void cold_unrecord(struct content *content, struct unit *unit, struct waiter *waiter) { (void)unit; waiter->ready(content, waiter, 0); }
