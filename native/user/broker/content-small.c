/* SPDX-License-Identifier: Apache-2.0 */
/* Small units lie together in slabs: blocks that take more until they are full. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-units.h"

#include <stdlib.h>

/* Small units of one domain and kind are kept together in runs of this size. */
#define SLAB_BYTES (256u * 1024u)

static struct block **open_slab(struct content *content, uint64_t domain, uint8_t kind)
{
	const unsigned slots = sizeof(content->open_slabs) / sizeof(content->open_slabs[0]);

	return &content->open_slabs[(domain * 31 + kind) % slots];
}

static bool slab_grow(struct content *content, struct block *slab, uint32_t bytes)
{
	uint32_t room = slab->room == 0 ? 4096 : slab->room;
	uint8_t *plain;

	(void)content;
	while (room < bytes)
		room *= 2;
	if (room == slab->room)
		return true;
	plain = pages_alloc(room);
	if (plain == NULL)
		return false;
	if (slab->bytes > 0)
		memcpy(plain, slab->plain, slab->bytes);
	pages_free(slab->plain, slab->room);
	slab->plain = plain;
	slab->room = room;
	return true;
}

static void slab_close(struct content *content, struct block **slot)
{
	struct block *slab = *slot;

	*slot = NULL;
	if (slab == NULL)
		return;
	slab->open = false;
	slab->next_look_ms = 0;
	block_settle(content, slab);
}

/* One that is being looked at by a worker may not move. */
static bool takes(const struct block *slab, const struct unit *unit, size_t bytes)
{
	return slab != NULL && slab->entry.domain == unit->entry.domain && slab->kind == unit->kind && slab->pins == 0 && slab->open && slab->plain != NULL &&
		slab->bytes + bytes <= SLAB_BYTES;
}

int small_put(struct content *content, struct unit *unit, const void *data, size_t bytes)
{
	struct block **slot = open_slab(content, unit->entry.domain, unit->kind);
	struct block *slab = *slot;

	if (!takes(slab, unit, bytes)) {
		slab_close(content, slot);
		slab = block_new(content, unit->entry.domain, (enum am_kind)unit->kind);
		if (slab == NULL)
			return -ENOMEM;
		slab->slab = true;
		slab->open = true;
		*slot = slab;
	}
	if (!slab_grow(content, slab, slab->bytes + (uint32_t)bytes)) {
		block_settle(content, slab);
		return -ENOMEM;
	}
	memcpy(slab->plain + slab->bytes, data, bytes);
	unit->slab = slab;
	unit->slab_offset = slab->bytes;
	slab->bytes += (uint32_t)bytes;
	slab->live_bytes += (uint32_t)bytes;
	content->hot_bytes += bytes;
	block_use(content, slab, (enum am_state)unit->state);
	if (slab->importance < unit->importance)
		slab->importance = unit->importance;
	block_touch(content, slab);
	warm_learn(content->warm, learnt_kind(content, unit->entry.domain, unit->kind), data, bytes);
	return 0;
}

void small_drop(struct content *content, struct unit *unit)
{
	struct block *slab = unit->slab;

	if (slab == NULL)
		return;
	unit->slab = NULL;
	slab->live_bytes -= (uint32_t)unit->bytes;
	block_unuse(content, slab, (enum am_state)unit->state);
}

struct tidy {
	struct waiter waiter;
	struct content *content;
	struct block *slab;
};

static bool move_one(void *context, struct am_entry *entry)
{
	struct tidy *tidy = context;
	struct unit *unit = container(entry, struct unit, entry);
	struct block *old = tidy->slab;
	uint32_t old_offset = unit->slab_offset;

	if (unit->big || unit->slab != old)
		return true;
	if (small_put(tidy->content, unit, old->plain + old_offset, unit->bytes) != 0)
		return false;
	old->live_bytes -= (uint32_t)unit->bytes;
	block_unuse(tidy->content, old, (enum am_state)unit->state);
	return true;
}

static void tidy_ready(struct content *content, struct waiter *waiter, int error)
{
	struct tidy *tidy = container(waiter, struct tidy, waiter);
	struct block *slab = tidy->slab;

	if (error == 0) {
		/* In use or on disk meanwhile: manifests name it. */
		if (slab->store_id == 0 && !slab->storing)
			am_table_each(content->units, move_one, tidy);
		block_unpin(content, slab);
	}
	slab->tidying = false;
	block_unpin(content, slab);
	mem_free(content, tidy, sizeof(*tidy));
}

void small_tidy(struct content *content, struct block *slab)
{
	struct tidy *tidy;

	if (slab->tidying || slab->open || slab->store_id != 0 || slab->storing || slab->packing)
		return;
	tidy = mem_alloc(content, sizeof(*tidy));
	if (tidy == NULL)
		return;
	tidy->content = content;
	tidy->slab = slab;
	tidy->waiter.ready = tidy_ready;
	slab->tidying = true;
	block_pin(slab);
	block_want(content, slab, &tidy->waiter);
}
