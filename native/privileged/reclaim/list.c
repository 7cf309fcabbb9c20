/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "areas.h"
#include "scan.h"

struct sink {
	struct ranges *ranges;
	size_t room;
	uint64_t area;
	bool no_memory;
};

static bool keep(void *data, uint64_t start, uint64_t end)
{
	struct sink *sink = data;
	struct ranges *ranges = sink->ranges;
	struct range *last = ranges->count == 0 ? NULL : &ranges->all[ranges->count - 1];

	ranges->bytes += end - start;
	if (last != NULL && last->end == start) {
		last->end = end;
		last->area = sink->area;
		return true;
	}
	if (ranges->count == sink->room) {
		struct range *more = realloc(ranges->all, (sink->room = sink->room * 2 + 1024) * sizeof(*more));

		if (more == NULL) {
			sink->no_memory = true;
			return false;
		}
		ranges->all = more;
	}
	ranges->all[ranges->count++] = (struct range){ .start = start, .end = end, .area = sink->area };
	return true;
}

/* Joins neighbours with at most `gap` between them. */
static void join(struct ranges *ranges, uint64_t gap)
{
	size_t kept = 0;

	for (size_t i = 1; i < ranges->count; i++) {
		struct range *last = &ranges->all[kept];
		struct range next = ranges->all[i];

		if (last->area == next.area && next.start - last->end <= gap)
			last->end = next.end;
		else
			ranges->all[++kept] = next;
	}
	ranges->count = ranges->count == 0 ? 0 : kept + 1;
}

static int larger_first(const void *a, const void *b)
{
	const struct range *one = a;
	const struct range *other = b;
	uint64_t size_one = one->end - one->start;
	uint64_t size_other = other->end - other->start;

	return size_one == size_other ? 0 : size_one > size_other ? -1 : 1;
}

static int lower_first(const void *a, const void *b)
{
	const struct range *one = a;
	const struct range *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

/* The smallest gaps go first; what is still too much loses its smallest ranges. */
static void reduce(struct ranges *ranges)
{
	for (uint64_t gap = 4096; ranges->count > MOST_RANGES && gap <= (uint64_t)1 << 20; gap *= 2)
		join(ranges, gap);
	if (ranges->count <= MOST_RANGES)
		return;
	qsort(ranges->all, ranges->count, sizeof(*ranges->all), larger_first);
	ranges->count = MOST_RANGES;
	qsort(ranges->all, ranges->count, sizeof(*ranges->all), lower_first);
}

const char *list_anonymous(const struct target *target, struct ranges *ranges)
{
	struct target_memory memory;
	struct sink sink = { .ranges = ranges, .room = 0, .area = 0, .no_memory = false };
	const char *problem = target_memory_open(&memory, target, "maps");
	char *line = NULL;
	size_t room = 0;

	*ranges = (struct ranges){ .all = NULL, .count = 0, .bytes = 0 };
	while (problem == NULL && getline(&line, &room, memory.maps) > 0) {
		struct area area;

		if (!area_from_maps_line(line, &area))
			continue;
		sink.area++;
		if (!scan_anonymous(memory.pagemap, area, keep, &sink))
			problem = "unreadable";
		else if (sink.no_memory)
			problem = "no-memory";
	}
	free(line);
	target_memory_close(&memory);
	if (problem == NULL)
		reduce(ranges);
	return problem;
}
