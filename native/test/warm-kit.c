/* SPDX-License-Identifier: Apache-2.0 */
#include "warm-kit.h"

#include <stdlib.h>
#include <string.h>

#define GUARD_BYTES 64

int failures;

uint64_t draw(uint64_t *state)
{
	uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

uint64_t below(uint64_t *state, uint64_t most)
{
	return draw(state) % most;
}

uint8_t *room_of(size_t bytes)
{
	uint8_t *room = malloc(bytes + (bytes == 0));

	if (room == NULL) {
		fprintf(stderr, "out of memory\n");
		exit(2);
	}
	return room;
}

void make_log(uint8_t *out, size_t bytes, uint64_t seed, uint64_t ids)
{
	static const char letters[] = "etaoinsrhdlucmfywgpbvkxqjz";
	size_t at = 0;
	char line[900];

	while (at < bytes) {
		int length = snprintf(line, sizeof(line), "{\"session\":\"%016llx%016llx\",\"role\":\"tool\",\"text\":\"", (unsigned long long)draw(&ids), (unsigned long long)draw(&ids));
		size_t used = (size_t)length;

		for (uint64_t words = 20 + below(&seed, 60); words > 0; words--) {
			/* One of 4096 words. */
			uint64_t word = below(&seed, 4096) * below(&seed, 4096) / 4096;
			uint64_t shape = word * UINT64_C(0x9e3779b97f4a7c15);

			for (uint64_t i = 2 + (shape >> 60) / 2; i > 0; i--, shape = shape * UINT64_C(6364136223846793005) + 1)
				line[used++] = letters[(shape >> 40) % 26];
			line[used++] = ' ';
		}
		memcpy(line + used, "\"}\n", 3);
		used += 3;
		used = used < bytes - at ? used : bytes - at;
		memcpy(out + at, line, used);
		at += used;
	}
}

void make_random(uint8_t *out, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes; i++)
		out[i] = (uint8_t)(draw(&seed) >> 32);
}

struct warm *pool(void)
{
	struct warm *warm = warm_open();

	if (warm == NULL) {
		fprintf(stderr, "no pool\n");
		exit(2);
	}
	return warm;
}

struct warm_piece *packed(struct warm *warm, enum am_effort effort, enum am_kind kind, const void *data, size_t bytes, const void *base, size_t base_bytes)
{
	struct warm_piece *piece = NULL;
	int error = warm_pack(warm, effort, kind, data, bytes, base, base_bytes, &piece);

	if (error != 0) {
		fprintf(stderr, "packing %zu bytes: %d\n", bytes, error);
		exit(2);
	}
	return piece;
}

bool comes_back(struct warm *warm, const struct warm_piece *piece, const void *data, size_t bytes, const void *base, size_t base_bytes)
{
	uint8_t *out = room_of(bytes + GUARD_BYTES);
	bool right;

	memset(out, 0x5a, bytes + GUARD_BYTES);
	right = warm_piece_plain_bytes(piece) == bytes && warm_unpack(warm, piece, base, base_bytes, out) == 0 && memcmp(out, data, bytes) == 0;
	for (size_t i = 0; i < GUARD_BYTES; i++)
		right &= out[bytes + i] == 0x5a;
	free(out);
	return right;
}

uint8_t *saved(const struct warm_piece *piece, size_t *bytes)
{
	uint8_t *out;

	*bytes = warm_piece_save_bytes(piece);
	out = room_of(*bytes);
	EXPECT(warm_piece_save(piece, out, *bytes) == (ssize_t)*bytes);
	return out;
}
