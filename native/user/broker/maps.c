/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/maps.h"

#include <stdlib.h>

static uint32_t place_of(const struct maps *maps, uint64_t unit)
{
	return (uint32_t)((unit * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (maps->room - 1);
}

/* Where it is, or where it would be. */
static struct map_entry *find(const struct maps *maps, uint64_t unit)
{
	uint32_t at = place_of(maps, unit);

	while (maps->entries[at].unit != 0 && maps->entries[at].unit != unit)
		at = (at + 1) & (maps->room - 1);
	return &maps->entries[at];
}

static bool grow(struct maps *maps)
{
	struct maps larger = { .room = maps->room == 0 ? 8 : maps->room * 2, .used = maps->used };

	if (larger.room == 0)
		return false;
	larger.entries = calloc(larger.room, sizeof(*larger.entries));
	if (larger.entries == NULL)
		return false;
	for (uint32_t i = 0; i < maps->room; i++)
		if (maps->entries[i].unit != 0)
			*find(&larger, maps->entries[i].unit) = maps->entries[i];
	free(maps->entries);
	*maps = larger;
	return true;
}

bool maps_add(struct maps *maps, uint64_t unit)
{
	struct map_entry *entry;

	if ((maps->room == 0 || maps->used >= maps->room - maps->room / 4) && !grow(maps))
		return false;
	entry = find(maps, unit);
	if (entry->unit == 0) {
		entry->unit = unit;
		maps->used++;
	}
	entry->times++;
	return true;
}

/* What was pushed behind it moves up: no marks of removed ones are needed. */
static void take_out(struct maps *maps, uint32_t at)
{
	uint32_t next = at;

	for (;;) {
		uint32_t home;

		next = (next + 1) & (maps->room - 1);
		if (maps->entries[next].unit == 0)
			break;
		home = place_of(maps, maps->entries[next].unit);
		if (((next - home) & (maps->room - 1)) < ((next - at) & (maps->room - 1)))
			continue;
		maps->entries[at] = maps->entries[next];
		at = next;
	}
	maps->entries[at] = (struct map_entry){ 0, 0 };
	maps->used--;
}

bool maps_remove(struct maps *maps, uint64_t unit)
{
	struct map_entry *entry = maps->room == 0 ? NULL : find(maps, unit);

	if (entry == NULL || entry->unit == 0)
		return false;
	if (--entry->times == 0)
		take_out(maps, (uint32_t)(entry - maps->entries));
	return true;
}

void maps_end(struct maps *maps)
{
	free(maps->entries);
	*maps = (struct maps){ 0 };
}
