/* SPDX-License-Identifier: Apache-2.0 */
/* What the broker keeps, opened and closed; its clock, and what is due. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-cold.h"
#include "content-tiers.h"
#include "content-units.h"
#include "content-workers.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/host.h"

#define REST_AFTER_MS 2000

enum am_kind learnt_kind(const struct content *content, uint64_t domain, uint8_t kind)
{
	return domain == content->options.common_domain ? (enum am_kind)kind : (enum am_kind)0;
}

void content_worked(struct content *content, bool is_heavy)
{
	if (is_heavy || content->next_rest_ms == NEVER)
		content->next_rest_ms = content->now_ms + REST_AFTER_MS;
}

void content_wake(struct content *content)
{
	workers_wake(content->workers);
}

static void release_all(struct content *content)
{
	cold_close(content);
	pressure_close(content);
	workers_close(content->workers);
	if (content->warm != NULL)
		warm_close(content->warm);
	if (content->sketches != NULL)
		am_sketch_index_close(content->sketches);
	if (content->units != NULL)
		am_table_close(content->units);
	if (content->blocks != NULL)
		am_table_close(content->blocks);
	if (content->keepers != NULL)
		am_table_close(content->keepers);
	free(content->prints);
	free(content->room);
	free(content);
}

static bool drop_unit(void *context, struct am_entry *entry)
{
	struct content *content = context;
	struct unit *unit = container(entry, struct unit, entry);

	/* Out of this process only: what is on disk stays there. */
	am_table_remove(content->units, entry);
	unit->dead = true;
	if (unit->big)
		body_free(content, unit->body);
	else
		small_drop(content, unit);
	while (unit->first_holder.next != NULL) {
		struct holder *holder = unit->first_holder.next;

		unit->first_holder.next = holder->next;
		mem_free(content, holder, sizeof(*holder));
	}
	mem_free(content, unit, sizeof(*unit));
	return true;
}

static bool drop_keeper(void *context, struct am_entry *entry)
{
	struct content *content = context;
	struct keeper *keeper = container(entry, struct keeper, entry);

	am_table_remove(content->keepers, entry);
	mem_free(content, keeper->saved, keeper->saved_bytes);
	mem_free(content, keeper, sizeof(*keeper));
	return true;
}

static void drop_everything(struct content *content)
{
	if (content->units != NULL)
		am_table_each(content->units, drop_unit, content);
	if (content->keepers != NULL)
		am_table_each(content->keepers, drop_keeper, content);
}

int content_open(struct content **opened, const struct content_options *options)
{
	struct content *content = calloc(1, sizeof(*content));
	struct am_seed seed;
	int error;

	if (content == NULL)
		return -ENOMEM;
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		free(content);
		return -EIO;
	}
	/* Freed memory goes back to the system, and workers have no arenas of their own. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	content->options = *options;
	content->policy = options->policy;
	content->host = plain_host;
	content->now_ms = now_ms();
	content->next_block = 1;
	content->gates_end = &content->gates;
	content->pressure_fd = -1;
	content->meminfo_fd = -1;
	content->workers = workers_open(options->workers);
	content->warm = warm_open();
	content->units = am_table_open(&content->host, &seed, NULL, NULL);
	content->blocks = am_table_open(&content->host, &seed, NULL, NULL);
	content->keepers = am_table_open(&content->host, &seed, NULL, NULL);
	content->sketches = am_sketch_index_open(&content->host);
	content->room = malloc(BROKER_INLINE_MOST);
	error = content->workers == NULL || content->warm == NULL || content->units == NULL || content->blocks == NULL || content->keepers == NULL || content->sketches == NULL || content->room == NULL ? -ENOMEM : 0;
	if (error == 0)
		pressure_open(content);
	if (error == 0 && options->store_folder != NULL)
		error = cold_open(content);
	content->policy.has_cold = content->policy.has_cold && content->store != NULL;
	if (error != 0) {
		content->closing = true;
		drop_everything(content);
		release_all(content);
		return error;
	}
	*opened = content;
	return 0;
}

static void run_ready(struct content *content)
{
	struct job *job;

	while ((job = workers_take(content->workers)) != NULL)
		job->done(content, job);
}

/* All that is under way comes to its end first: each done is called. */
void content_close(struct content *content)
{
	if (content == NULL)
		return;
	content->closing = true;
	content->now_ms = now_ms();
	gate_open(content);
	cold_finish(content);
	while (workers_pending(content->workers) > 0) {
		run_ready(content);
		gate_open(content);
		cold_step(content);
		if (workers_pending(content->workers) > 0)
			usleep(200);
	}
	drop_everything(content);
	release_all(content);
}

int content_fd(const struct content *content)
{
	return workers_fd(content->workers);
}

void content_event(struct content *content)
{
	uint64_t count;

	content->now_ms = now_ms();
	if (read(workers_fd(content->workers), &count, sizeof(count)) < 0 && errno != EAGAIN)
		content->errors++;
	run_ready(content);
	if (content->next_walk_ms == 0)
		tier_walk(content);
	tier_limits(content);
	cold_step(content);
	gate_open(content);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t content_step(struct content *content, uint64_t now_ms)
{
	uint64_t next;

	content->now_ms = now_ms;
	if (now_ms >= content->next_pressure_ms) {
		content->pressure = pressure_read(content);
		content->next_pressure_ms = now_ms + 1000;
		tier_pressure(content);
	}
	if (now_ms >= content->next_walk_ms)
		tier_walk(content);
	tier_limits(content);
	cold_step(content);
	gate_open(content);
	if (now_ms >= content->next_rest_ms) {
		content->next_rest_ms = NEVER;
		warm_rest(content->warm);
		malloc_trim(0);
	}
	next = earlier(earlier(content->next_walk_ms, content->next_rest_ms), cold_next_ms(content));
	/* Nothing is held: nothing to look at the machine for. */
	if (content->hot_bytes + content->warm_bytes > 0)
		next = earlier(next, content->next_pressure_ms);
	return next;
}

void content_set_policy(struct content *content, const struct am_policy *policy)
{
	content->policy = *policy;
	content->policy.has_cold = policy->has_cold && content->store != NULL;
	for (struct block *block = content->first_block; block != NULL; block = block->next)
		block->next_look_ms = 0;
	for (struct body *body = content->first_body; body != NULL; body = body->next)
		body->next_look_ms = 0;
	content->next_walk_ms = 0;
	content_wake(content);
}
