/* SPDX-License-Identifier: Apache-2.0 */
/* One of the processes: what it does with its units, and whether each is what it must be. */
#include "units-chaos.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUSY_UNITS 10
#define UNIT_MOST_BYTES (600u << 10)

static void problem(struct client *client, uint64_t *count, const char *what, const struct held *held, long result)
{
	(*count)++;
	if (client->problem[0] == '\0')
		snprintf(client->problem, sizeof(client->problem), "%s: unit %llx, %u bytes%s%s, result %ld (%s)", what, (unsigned long long)held->unit, held->bytes,
			 held->grows ? ", grows" : "", held->on_disk ? ", on disk" : "", result, result < 0 ? agentmem_error_text((int)result) : "");
}

/* A unit that the broker took with it. */
static void gone(struct client *client, struct held *held, long error)
{
	if (held->on_disk)
		problem(client, &client->lost, "a unit on disk is lost", held, error);
	client->stale++;
	memset(held, 0, sizeof(*held));
}

/* What may come where a broker dies; anything else is a defect. */
static bool is_clear(long error)
{
	return error == -ESTALE || error == -ENOENT || error == -ECONNRESET || error == -ENODEV || error == -ETIMEDOUT;
}

static void failed(struct client *client, struct held *held, const char *what, long error)
{
	if (error == -ESTALE || error == -ENOENT)
		gone(client, held, error);
	else if (is_clear(error))
		client->reset++;
	else
		problem(client, &client->failed, what, held, error);
}

static void check(struct client *client, agentmem_t *am, struct held *held, unsigned char *room)
{
	ssize_t got = agentmem_read(am, held->unit, 0, room, UNIT_MOST_BYTES + 1);

	client->checked++;
	if (got < 0) {
		failed(client, held, "read", got);
		return;
	}
	if ((size_t)got != held->bytes && !(held->doing == APPENDING && (size_t)got == held->may_be_bytes))
		problem(client, &client->wrong, "a length is wrong", held, (long)got);
	else if (memcmp(room, chaos_text + held->from, (size_t)got) != 0)
		problem(client, &client->wrong, "bytes are wrong", held, (long)got);
	held->bytes = (uint32_t)got;
	held->doing = NOTHING;
}

static void add(struct client *client, agentmem_t *am, struct held *held, uint64_t *state)
{
	struct held fresh = { .grows = chaos_next(state) % 2 == 0 };
	int error;

	fresh.from = (uint32_t)(chaos_next(state) % (TEXT_BYTES - UNIT_MOST_BYTES));
	fresh.bytes = (uint32_t)(chaos_next(state) % 8 == 0 ? 300000 + chaos_next(state) % 200000 : 1 + chaos_next(state) % 9000);
	error = agentmem_alloc(am, fresh.grows ? AGENTMEM_CONVERSATION : AGENTMEM_TOOL_RESULT, chaos_text + fresh.from, fresh.bytes, &fresh.unit);
	if (error == 0)
		*held = fresh;
	else
		failed(client, &fresh, "alloc", error);
}

static void append(struct client *client, agentmem_t *am, struct held *held, uint64_t *state)
{
	uint32_t more = (uint32_t)(1 + chaos_next(state) % 20000);
	int error;

	if (held->bytes + more > UNIT_MOST_BYTES)
		return;
	held->on_disk = false;
	held->may_be_bytes = held->bytes + more;
	held->doing = APPENDING;
	error = agentmem_append(am, held->unit, chaos_text + held->from + held->bytes, more);
	if (error == 0) {
		held->bytes = held->may_be_bytes;
		held->doing = NOTHING;
		return;
	}
	failed(client, held, "append", error);
}

static void map(struct client *client, agentmem_t *am, struct held *held)
{
	const void *data;
	size_t bytes;
	unsigned kills = chaos->broker_kills;
	bool renumbered = held->renumbered;
	int error;

	held->renumbered = true;
	error = agentmem_map(am, held->unit, &data, &bytes);

	if (error != 0) {
		failed(client, held, "map", error);
		return;
	}
	if (bytes != held->bytes || memcmp(data, chaos_text + held->from, bytes) != 0)
		problem(client, &client->wrong, "mapped bytes are wrong", held, (long)bytes);
	error = agentmem_unmap(am, data);
	if (error != 0)
		problem(client, &client->failed, "unmap", held, error);
	if (kills == chaos->broker_kills)
		held->renumbered = renumbered;
}

static void look_at_tier(struct client *client, agentmem_t *am, struct held *held)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	int error = agentmem_stat_unit(am, held->unit, &stat);

	if (error != 0) {
		failed(client, held, "stat", error);
		return;
	}
	held->on_disk = !held->renumbered && stat.tier == AGENTMEM_COLD && stat.cold_bytes == stat.bytes && stat.bytes > 0;
	client->seen_cold += held->on_disk;
}

static void step(struct client *client, agentmem_t *am, uint64_t *state, unsigned char *room)
{
	/* A few are used all the time; the others are left alone, so that they grow old. */
	bool busy = chaos_next(state) % 100 < 80;
	struct held *held = &client->units[busy ? chaos_next(state) % BUSY_UNITS : chaos_next(state) % UNITS];
	unsigned what = (unsigned)(chaos_next(state) % 100);

	client->operations++;
	if (held->unit == 0) {
		add(client, am, held, state);
	} else if (held->doing == APPENDING) {
		check(client, am, held, room);
	} else if (held >= client->units + BUSY_UNITS && what < 97) {
		look_at_tier(client, am, held);
	} else if (what < 30) {
		check(client, am, held, room);
	} else if (what < 45 && held->grows) {
		append(client, am, held, state);
	} else if (what < 60) {
		map(client, am, held);
	} else if (what < 95) {
		look_at_tier(client, am, held);
	} else {
		int error;

		/* Killed in the middle of it, it may be gone. */
		held->on_disk = false;
		error = agentmem_free(am, held->unit);
		if (error != 0)
			failed(client, held, "free", error);
		else
			memset(held, 0, sizeof(*held));
	}
}

static agentmem_t *open_client(struct client *client)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = "chaos", .token = client->has_token ? client->token : NULL };
	struct agentmem_stat stat = { .size = sizeof(stat) };
	agentmem_t *am;

	for (unsigned turn = 0; turn < 200; turn++) {
		int error = agentmem_open(&am, &options);

		if (error == 0 && !client->has_token) {
			error = agentmem_stat(am, &stat);
			if (error == 0) {
				memcpy(client->token, stat.token, sizeof(client->token));
				client->has_token = true;
			} else {
				agentmem_close(am);
			}
		}
		if (error == 0)
			return am;
		if (error == -EACCES) {
			/* The broker that knew it is gone, and nothing of it was on disk. */
			for (unsigned i = 0; i < UNITS; i++)
				if (client->units[i].unit != 0)
					gone(client, &client->units[i], error);
			client->has_token = false;
			options.token = NULL;
			client->attached_anew++;
		}
		chaos_pause_ms(20);
	}
	snprintf(client->problem, sizeof(client->problem), "no broker could be reached");
	client->failed++;
	_exit(1);
}

void chaos_client(unsigned number, uint64_t seed)
{
	struct client *client = &chaos->clients[number];
	unsigned char *room = malloc(UNIT_MOST_BYTES + 1);
	agentmem_t *am = open_client(client);
	uint64_t state = seed;

	while (!chaos->stop)
		step(client, am, &state, room);
	agentmem_close(am);
	_exit(0);
}

/* In a process of its own: an agent lives as long as one that was it. */
void chaos_check_all(void)
{
	unsigned char *room = malloc(UNIT_MOST_BYTES + 1);

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct client *client = &chaos->clients[i];
		agentmem_t *am = open_client(client);

		for (unsigned j = 0; j < UNITS; j++)
			if (client->units[j].unit != 0)
				check(client, am, &client->units[j], room);
		/* What it holds goes with it, also what a process that was killed in the middle handed in. */
		agentmem_close(am);
	}
	_exit(0);
}
