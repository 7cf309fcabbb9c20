/* SPDX-License-Identifier: Apache-2.0 */
/* What big units are made of: a memfd, parts, a tail. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-units.h"

#include <unistd.h>

struct body *body_new(struct content *content, struct unit *unit)
{
	struct body *body = mem_alloc(content, sizeof(*body));

	if (body == NULL)
		return NULL;
	body->unit = unit;
	body->fd = -1;
	body->waiting_end = &body->waiting;
	body->next = content->first_body;
	if (body->next != NULL)
		body->next->prev = body;
	content->first_body = body;
	return body;
}

static void print_remove(struct content *content, struct body *body)
{
	struct body **at;

	if (body->fingerprint == 0 || content->print_slots == 0)
		return;
	for (at = &content->prints[body->fingerprint % content->print_slots]; *at != NULL; at = &(*at)->next_print) {
		if (*at != body)
			continue;
		*at = body->next_print;
		content->print_count--;
		break;
	}
	body->fingerprint = 0;
}

void body_free(struct content *content, struct body *body)
{
	print_remove(content, body);
	body_set_fd(content, body, -1, 0);
	body_set_tail(content, body, NULL, 0, 0);
	body_cut_parts(content, body, 0);
	mem_free(content, body->parts, body->room * sizeof(*body->parts));
	if (body->next != NULL)
		body->next->prev = body->prev;
	if (body->prev != NULL)
		body->prev->next = body->next;
	else
		content->first_body = body->next;
	mem_free(content, body, sizeof(*body));
}

uint64_t body_parts_bytes(const struct body *body)
{
	return body->count == 0 ? 0 : body->parts[body->count - 1].end;
}

static uint64_t first_agent(const struct unit *unit)
{
	return unit->first_holder.keeper == NULL ? 0 : unit->first_holder.keeper->entry.number;
}

int body_add_part(struct content *content, struct body *body, struct block *block)
{
	if (body->count == body->room) {
		uint32_t room = body->room + (body->room < 8 ? 4 : body->room / 4);
		struct part *parts = mem_grow(content, body->parts, body->room * sizeof(*parts), room * sizeof(*parts));

		if (parts == NULL)
			return -ENOMEM;
		body->parts = parts;
		body->room = room;
	}
	body->parts[body->count] = (struct part){ .block = block, .end = body_parts_bytes(body) + block->bytes };
	body->count++;
	if (block_refs(block) == 0)
		block->owner = first_agent(body->unit);
	else if (block->owner != first_agent(body->unit))
		block->owner = 0;
	block_use(content, block, body->unit->state);
	if (block->importance < body->unit->importance)
		block->importance = body->unit->importance;
	return 0;
}

int body_part_room(struct content *content, struct body *body, uint32_t count)
{
	struct part *parts;

	if (count <= body->room)
		return 0;
	parts = mem_grow(content, body->parts, body->room * sizeof(*parts), count * sizeof(*parts));
	if (parts == NULL)
		return -ENOMEM;
	body->parts = parts;
	body->room = count;
	return 0;
}

void body_cut_parts(struct content *content, struct body *body, uint32_t count)
{
	while (body->count > count)
		block_unuse(content, body->parts[--body->count].block, body->unit->state);
	if (count == 0 && body->room > 0) {
		mem_free(content, body->parts, body->room * sizeof(*body->parts));
		body->parts = NULL;
		body->room = 0;
	}
}

uint32_t body_find_part(const struct body *body, uint64_t offset)
{
	uint32_t low = 0, high = body->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (body->parts[middle].end > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void body_set_fd(struct content *content, struct body *body, int fd, uint64_t bytes)
{
	if (body->fd >= 0) {
		close(body->fd);
		content->hot_bytes -= body->fd_bytes;
	}
	body->fd = fd;
	body->fd_bytes = fd < 0 ? 0 : bytes;
	content->hot_bytes += body->fd_bytes;
	body->generation = 0;
	body->next_look_ms = 0;
}

void body_set_tail(struct content *content, struct body *body, uint8_t *tail, uint32_t bytes, uint32_t room)
{
	pages_free(body->tail, body->tail_room);
	content->hot_bytes -= body->tail_bytes;
	body->tail = tail;
	body->tail_bytes = bytes;
	body->tail_room = room;
	body->tail_seen = 0;
	content->hot_bytes += bytes;
}

/* A tail that can take `bytes` in all. Doubles, so that many small ones cost little; pages nothing was written to are none. */
int body_tail_room(struct content *content, struct body *body, uint32_t bytes)
{
	uint32_t room = body->tail_room < 4096 ? 4096 : body->tail_room;
	uint8_t *tail;

	(void)content;
	if (bytes <= body->tail_room)
		return 0;
	while (room < bytes)
		room *= 2;
	tail = pages_grow(body->tail, body->tail_room, room);
	if (tail == NULL)
		return -ENOMEM;
	body->tail = tail;
	body->tail_room = room;
	return 0;
}

static bool prints_grow(struct content *content)
{
	uint32_t slots = content->print_slots == 0 ? 64 : content->print_slots * 4;
	struct body **prints = mem_alloc(content, slots * sizeof(*prints));

	if (prints == NULL)
		return content->print_slots > 0;
	for (uint32_t i = 0; i < content->print_slots; i++) {
		while (content->prints[i] != NULL) {
			struct body *body = content->prints[i];

			content->prints[i] = body->next_print;
			body->next_print = prints[body->fingerprint % slots];
			prints[body->fingerprint % slots] = body;
		}
	}
	mem_free(content, content->prints, content->print_slots * sizeof(*prints));
	content->prints = prints;
	content->print_slots = slots;
	return true;
}

void body_print_add(struct content *content, struct body *body, uint64_t fingerprint)
{
	if (body->fingerprint != 0 || (content->print_count >= content->print_slots && !prints_grow(content)))
		return;
	body->fingerprint = fingerprint | 1;
	body->next_print = content->prints[body->fingerprint % content->print_slots];
	content->prints[body->fingerprint % content->print_slots] = body;
	content->print_count++;
}

struct body *body_print_find(const struct content *content, uint64_t domain, uint64_t bytes, uint64_t fingerprint)
{
	fingerprint |= 1;
	if (content->print_slots == 0)
		return NULL;
	for (struct body *body = content->prints[fingerprint % content->print_slots]; body != NULL; body = body->next_print)
		if (body->fingerprint == fingerprint && body->unit->bytes == bytes && body->unit->entry.domain == domain && !body->unit->dead)
			return body;
	return NULL;
}

void body_is_back(struct content *content, struct body *body)
{
	if (unit_is_conversation(body->unit))
		return;
	if (!body->unit->recorded && !body->unit->recording) {
		body_cut_parts(content, body, 0);
		return;
	}
	/* What is on disk stays there: going away again costs nothing then. */
	for (uint32_t i = 0; i < body->count; i++)
		if (body->parts[i].block->committed && block_refs(body->parts[i].block) == 1)
			body->parts[i].block->leave = true;
	content->next_walk_ms = 0;
}
