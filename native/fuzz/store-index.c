/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the cold store's index. The first byte says whether they are
 * taken as they are, or given good checksums and commit numbers, so that what
 * stands behind these is reached. What is accepted must be a state that a
 * store can be in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/inner.h"

enum { SALT = 7, APPARENT_BYTES = 1 << 30, REGION_BYTES = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *bytes;
	size_t size;
	uint64_t reads;
};

static ssize_t read_input(void *context, void *out, size_t bytes, uint64_t at)
{
	struct input *input = context;

	input->reads++;
	if (at >= input->size)
		return 0;
	if (bytes > input->size - at)
		bytes = (size_t)(input->size - at);
	/* Never all at once. */
	if (bytes > 1000)
		bytes -= 300;
	memcpy(out, input->bytes + at, bytes);
	return (ssize_t)bytes;
}

static void expect(int condition)
{
	if (!condition)
		abort();
}

static void make_good(uint8_t *bytes, size_t size)
{
	struct index_header header = { .salt = SALT, .next_id = 1 };
	size_t at = sizeof(header);
	uint64_t sequence = 0;

	index_header_seal(&header);
	memcpy(bytes, &header, sizeof(header));
	while (size - at >= sizeof(struct index_head)) {
		struct index_head head;
		struct index_commit commit = { .next_id = UINT64_MAX / 2 };
		size_t space;

		memcpy(&head, bytes + at, sizeof(head));
		space = index_space_of(head.kind_bytes & 0xffffffu);
		if (space > size - at)
			break;
		if (head.kind_bytes == ((uint32_t)INDEX_COMMIT << 24 | sizeof(commit))) {
			commit.sequence = ++sequence;
			memcpy(bytes + at + sizeof(head), &commit, sizeof(commit));
		}
		index_seal(SALT, at, bytes + at, space);
		at += space;
	}
}

/* Each block of a region is free, or of one blob. */
static void check_state(struct store *store)
{
	uint64_t free_blocks = 0, blocks = 0, stored_bytes = 0, blobs = 0;
	struct table_walk walk = { 0, 0 };
	struct blob *blob;

	for (uint32_t i = 0; i < store->space.count; i++) {
		const struct region *region = store->space.regions[i];

		expect(i == 0 || region->block >= store->space.regions[i - 1]->block + store->space.regions[i - 1]->blocks);
		expect(region->block >= SPACE_FIRST_BLOCK && region->block + region->blocks <= store->space.end_block);
		blocks += region->blocks;
		blobs += region->blobs;
		for (uint32_t at = 0; at < region->free_count; at++)
			free_blocks += region->free[at].blocks;
	}
	while ((blob = table_walk(&store->blobs, &walk)) != NULL) {
		struct region *region = space_region_of(&store->space, blob->block);

		expect(region != NULL && blob->block + blocks_of(blob->bytes) <= region->block + region->blocks);
		stored_bytes += blob->bytes;
	}
	expect(blocks - free_blocks == store->used_blocks);
	expect(stored_bytes == store->stored_bytes && blobs == store->blobs.entries);
}

/* And can be used. */
static void use_space(struct store *store)
{
	struct region *region, *shrunk;
	struct extent extent;

	for (uint64_t owner = 0; owner < 4; owner++) {
		if (!space_take(&store->space, owner, 300, &extent)) {
			region = space_give(&store->space, owner, 300, &shrunk);
			if (region == NULL)
				continue;
			expect(space_take(&store->space, owner, 300, &extent));
		}
		space_return(&store->space, extent);
	}
	expect(space_next_free(&store->space, 0).block <= store->space.end_block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { 0 };
	struct index_source source = { .read = read_input, .context = &input };
	struct store store = { .blobs.entry_bytes = sizeof(struct blob), .records.entry_bytes = sizeof(struct record) };
	struct index_header header;
	struct index_extent extent;
	uint8_t *bytes;
	int error;

	if (size < 1 + sizeof(header))
		return 0;
	/* A copy of its size: what is read beyond it is found. */
	bytes = malloc(size - 1);
	expect(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	if (data[0] % 2 == 1)
		make_good(bytes, size - 1);
	memcpy(&header, bytes, sizeof(header));
	if (index_header_good(&header)) {
		input.bytes = bytes;
		input.size = size - 1;
		source.bytes = size - 1;
		space_init(&store.space, APPARENT_BYTES, REGION_BYTES);
		error = replay(&store, &source, &header, &extent);
		expect(error == 0 || error == -EUCLEAN);
		/* Everything once to find the end, once to replay, and once behind the end. */
		expect(input.reads < 100 + 4 * size / 64);
		expect(table_bytes(&store.blobs) + table_bytes(&store.records) + space_bytes(&store.space) < 64 * 1024 + 200 * size);
		if (error == 0) {
			expect(extent.end <= size - 1);
			check_state(&store);
			use_space(&store);
		}
	}
	index_source_clear(&source);
	space_clear(&store.space);
	table_clear(&store.blobs);
	table_clear(&store.records);
	free(bytes);
	return 0;
}
