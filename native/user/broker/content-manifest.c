/* SPDX-License-Identifier: Apache-2.0 */
/* What is written about a unit, and making units of it again. */
#include "content-inner.h"
#include "content-blocks.h"
#include "content-bodies.h"
#include "content-cold.h"
#include "content-units.h"

#include <stdlib.h>
#include <sys/random.h>

#define MANIFEST_VERSION 1
#define FLAG_DIGEST 1u
#define FLAG_ENDS_OPEN 2u
#define FLAG_SMALL 4u
#define BLOCK_DIGEST 1u
#define BLOCK_SLAB 2u

/* In the byte order of the machine; the store's checksums cover it. Then holders, bases, blocks. */
struct manifest {
	uint32_t version;
	uint32_t kind;
	uint64_t domain;
	uint64_t bytes;
	uint64_t fingerprint;
	struct am_digest digest;
	uint32_t flags;
	uint32_t holders;
	uint32_t bases;
	uint32_t blocks;
	uint32_t slab_offset;
	uint32_t reserved;
};

struct manifest_holder {
	uint64_t agent;
	uint32_t holds;
	uint32_t reserved;
};

struct manifest_block {
	uint64_t store_id;
	struct am_digest digest;
	uint32_t bytes;
	uint32_t disk_bytes;
	uint32_t base;			/* 0: none; else one more than its place among the bases */
	uint8_t kind;
	uint8_t flags;
	uint16_t reserved;
};

static uint32_t block_count(const struct unit *unit)
{
	return unit->big ? unit->body->count : unit->slab != NULL;
}

static struct block *block_at(const struct unit *unit, uint32_t nth)
{
	return unit->big ? unit->body->parts[nth].block : unit->slab;
}

/* All its bytes are on disk, with what they are packed against. */
static bool is_on_disk(const struct unit *unit)
{
	if (unit->dead || block_count(unit) == 0 || (unit->big && (unit->body->tail_bytes > 0 || body_parts_bytes(unit->body) != unit->bytes)))
		return false;
	for (uint32_t i = 0; i < block_count(unit); i++) {
		const struct block *block = block_at(unit, i);

		if (block->store_id == 0 || (block->base != NULL && block->base->store_id == 0))
			return false;
	}
	return true;
}

static struct manifest_block line_of(const struct block *block)
{
	return (struct manifest_block){
		.store_id = block->store_id, .digest = block->entry.digest, .bytes = block->bytes, .disk_bytes = block->disk_bytes,
		.kind = block->kind, .flags = (uint8_t)((block->entry.has_digest ? BLOCK_DIGEST : 0) | (block->slab ? BLOCK_SLAB : 0)),
	};
}

static uint32_t base_place(struct manifest_block *bases, uint32_t *count, const struct block *base)
{
	/* Neighbours have neighbours as bases. */
	for (uint32_t i = *count; i > 0; i--)
		if (bases[i - 1].store_id == base->store_id)
			return i;
	bases[*count] = line_of(base);
	return ++*count;
}

static uint32_t base_count(const struct unit *unit)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < block_count(unit); i++)
		count += block_at(unit, i)->base != NULL;
	return count;
}

void *manifest_make(struct content *content, const struct unit *unit, size_t *bytes)
{
	struct manifest *manifest;
	struct manifest_holder *holders;
	struct manifest_block *bases, *blocks, *room;
	uint32_t holder_count, count;
	uint32_t bases_made = 0;
	size_t head;

	if (!is_on_disk(unit))
		return NULL;
	count = block_count(unit);
	holder_count = unit_sharers(unit);
	room = mem_alloc(content, (base_count(unit) + 1) * sizeof(*room));
	if (room == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		if (block_at(unit, i)->base != NULL)
			base_place(room, &bases_made, block_at(unit, i)->base);
	head = sizeof(*manifest) + holder_count * sizeof(*holders) + bases_made * sizeof(*bases);
	*bytes = head + count * sizeof(*blocks);
	manifest = *bytes > STORE_RECORD_MOST ? NULL : mem_alloc(content, *bytes);
	if (manifest != NULL) {
		*manifest = (struct manifest){
			.version = MANIFEST_VERSION, .kind = unit->kind, .domain = unit->entry.domain, .bytes = unit->bytes, .digest = unit->entry.digest,
			.fingerprint = unit->big ? unit->body->fingerprint : 0, .holders = holder_count, .bases = bases_made, .blocks = count, .slab_offset = unit->slab_offset,
			.flags = (unit->entry.has_digest ? FLAG_DIGEST : 0) | (unit->big && unit->body->ends_open ? FLAG_ENDS_OPEN : 0) | (unit->big ? 0 : FLAG_SMALL),
		};
		holders = (struct manifest_holder *)(manifest + 1);
		for (const struct holder *holder = &unit->first_holder; holder != NULL; holder = holder->next)
			if (holder->keeper != NULL)
				*holders++ = (struct manifest_holder){ .agent = holder->keeper->entry.number, .holds = holder->holds };
		bases = (struct manifest_block *)holders;
		memcpy(bases, room, bases_made * sizeof(*bases));
		blocks = bases + bases_made;
		for (uint32_t i = 0; i < count; i++) {
			const struct block *block = block_at(unit, i);

			blocks[i] = line_of(block);
			if (block->base != NULL)
				blocks[i].base = base_place(bases, &bases_made, block->base);
		}
	}
	mem_free(content, room, (base_count(unit) + 1) * sizeof(*room));
	return manifest;
}

/* ---- reading ---- */

/* A blob that has been seen, by its number. */
struct seen {
	struct am_entry entry;
	struct block *block;
	struct seen *next;
};

struct reading {
	struct content *content;
	struct am_table *table;
	struct seen *all;
	bool unsound;			/* something is there that we do not understand: nothing is cleared up */
};

static struct block *block_of(struct reading *reading, const struct manifest_block *line, uint64_t domain, struct block *base)
{
	struct content *content = reading->content;
	struct am_entry *entry = am_table_find(reading->table, line->store_id);
	struct seen *seen;
	struct block *block;

	if (entry != NULL)
		return container(entry, struct seen, entry)->block;
	seen = calloc(1, sizeof(*seen));
	block = seen == NULL ? NULL : block_new(content, domain, (enum am_kind)line->kind);
	if (block == NULL) {
		free(seen);
		return NULL;
	}
	seen->entry.number = line->store_id;
	seen->block = block;
	seen->next = reading->all;
	reading->all = seen;
	am_table_add(reading->table, &seen->entry);
	block->store_id = line->store_id;
	block->bytes = line->bytes;
	block->live_bytes = line->bytes;
	block->disk_bytes = line->disk_bytes;
	block->slab = line->flags & BLOCK_SLAB;
	block->committed = true;
	block->leave = true;
	if (block->slab)
		block->live_bytes = 0;
	if (line->flags & BLOCK_DIGEST)
		am_table_set_digest(content->blocks, &block->entry, &line->digest);
	content->cold_bytes += block->disk_bytes;
	block_set_base(content, block, base);
	/* Held until all manifests have been read. */
	block_pin(block);
	return block;
}

static bool is_sound(const struct manifest *manifest, size_t bytes)
{
	if (bytes < sizeof(*manifest) || manifest->version != MANIFEST_VERSION || manifest->kind < AM_KIND_CONVERSATION || manifest->kind >= AM_KIND_END ||
	    manifest->holders == 0 || manifest->blocks == 0 || manifest->bytes > BROKER_UNIT_MOST)
		return false;
	if (manifest->holders > STORE_RECORD_MOST || manifest->bases > STORE_RECORD_MOST || manifest->blocks > STORE_RECORD_MOST)
		return false;
	return bytes == sizeof(*manifest) + manifest->holders * sizeof(struct manifest_holder) + ((size_t)manifest->bases + manifest->blocks) * sizeof(struct manifest_block) &&
		(!(manifest->flags & FLAG_SMALL) || (manifest->blocks == 1 && manifest->kind != AM_KIND_CONVERSATION));
}

static int fill_unit(struct reading *reading, struct unit *unit, const struct manifest *manifest)
{
	struct content *content = reading->content;
	const struct manifest_holder *holders = (const struct manifest_holder *)(manifest + 1);
	const struct manifest_block *bases = (const struct manifest_block *)(holders + manifest->holders);
	const struct manifest_block *blocks = bases + manifest->bases;
	int error = 0;

	for (uint32_t i = 0; i < manifest->holders && error == 0; i++) {
		error = unit_hold(content, unit, holders[i].agent);
		if (error == 0)
			unit_holder(unit, holders[i].agent)->holds = holders[i].holds == 0 ? 1 : holders[i].holds;
	}
	for (uint32_t i = 0; i < manifest->blocks && error == 0; i++) {
		struct block *base = NULL;
		struct block *block;

		if (blocks[i].base > manifest->bases || blocks[i].bytes == 0 || blocks[i].bytes > WARM_BLOCK_MOST)
			return -EIO;
		if (blocks[i].base > 0) {
			base = block_of(reading, &bases[blocks[i].base - 1], manifest->domain, NULL);
			if (base == NULL)
				return -ENOMEM;
		}
		block = block_of(reading, &blocks[i], manifest->domain, base);
		if (block == NULL)
			return -ENOMEM;
		if (unit->big) {
			error = body_add_part(content, unit->body, block);
			continue;
		}
		if (manifest->slab_offset > block->bytes || manifest->bytes > block->bytes - manifest->slab_offset)
			return -EIO;
		unit->slab = block;
		unit->slab_offset = manifest->slab_offset;
		block->live_bytes += (uint32_t)manifest->bytes;
		block_use(content, block, (enum am_state)unit->state);
	}
	if (error == 0 && unit->big && body_parts_bytes(unit->body) != manifest->bytes)
		error = -EIO;
	return error;
}

static int read_manifest(void *context, uint64_t key, const void *data, size_t bytes)
{
	struct reading *reading = context;
	struct content *content = reading->content;
	const struct manifest *manifest = data;
	uint64_t number;
	struct unit *unit;
	int error;

	if (!cold_is_manifest(key, &number))
		return 0;
	if (!is_sound(manifest, bytes)) {
		content->errors++;
		reading->unsound = true;
		return 0;
	}
	content->wanted_unit = number;
	unit = unit_new(content, manifest->domain, (enum am_kind)manifest->kind, !(manifest->flags & FLAG_SMALL));
	if (unit == NULL)
		return -ENOMEM;
	unit_set_bytes(content, unit, manifest->bytes);
	error = fill_unit(reading, unit, manifest);
	if (error != 0) {
		/* Its record stays as evidence; its number is nobody's. */
		content->errors++;
		reading->unsound = true;
		content->closing = true;
		forget_holders(content, unit);
		content->closing = false;
		return error == -EIO ? 0 : error;
	}
	unit->recorded = true;
	unit->record_stale = false;
	if (unit->big)
		unit->body->ends_open = manifest->flags & FLAG_ENDS_OPEN;
	if (manifest->flags & FLAG_DIGEST)
		am_table_set_digest(content->units, &unit->entry, &manifest->digest);
	if (unit->big && manifest->fingerprint != 0)
		body_print_add(content, unit->body, manifest->fingerprint);
	return 0;
}

static int free_unseen(void *context, uint64_t id, uint64_t owner, size_t bytes)
{
	struct reading *reading = context;

	(void)owner;
	(void)bytes;
	/* Put and not reached by a manifest: its unit was not acknowledged. */
	if (am_table_find(reading->table, id) == NULL)
		cold_free_blob(reading->content, id);
	return 0;
}

int manifests_read(struct content *content)
{
	struct reading reading = { .content = content };
	struct am_seed seed;
	int error;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return -EIO;
	reading.table = am_table_open(&content->host, &seed, NULL, NULL);
	if (reading.table == NULL)
		return -ENOMEM;
	error = store_each_record(content->store, read_manifest, &reading);
	if (error == 0 && !reading.unsound)
		error = store_each_blob(content->store, free_unseen, &reading);
	content->closing = reading.unsound;
	while (reading.all != NULL) {
		struct seen *seen = reading.all;

		reading.all = seen->next;
		am_table_remove(reading.table, &seen->entry);
		block_unpin(content, seen->block);
		free(seen);
	}
	content->closing = false;
	am_table_close(reading.table);
	return error;
}
