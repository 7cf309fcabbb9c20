/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces as bytes that say what they are: for the cold store. */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "common/digest.h"
#include "internal.h"

/* "AMw1" */
#define SAVED_MAGIC 0x31774d41u

/* All little-endian. `check` is of everything behind it. */
struct saved {
	uint32_t magic;
	uint32_t zero;
	uint64_t check;
	uint64_t checksum;
	uint32_t plain_bytes;
	uint32_t stored_bytes;
	uint32_t base_bytes;
	uint8_t codec;
	uint8_t dictionary;
	uint8_t zeros[2];
};

_Static_assert(sizeof(struct saved) == 40, "as it lies in the store");

#define CHECKED_FROM 16

size_t warm_piece_save_bytes(const struct warm_piece *piece)
{
	return sizeof(struct saved) + piece->stored_bytes;
}

ssize_t warm_piece_save(const struct warm_piece *piece, void *out, size_t room)
{
	size_t bytes = warm_piece_save_bytes(piece);
	uint8_t *to = out;
	const uint8_t *packed;
	struct saved saved = {
		.magic = htole32(SAVED_MAGIC),
		.checksum = htole64(piece->checksum),
		.plain_bytes = htole32(piece->plain_bytes),
		.stored_bytes = htole32(piece->stored_bytes),
		.base_bytes = htole32(piece->base_bytes),
		.codec = piece->codec,
		.dictionary = piece->dictionary,
	};

	if (room < bytes)
		return -ENOSPC;
	/* From now on something outside needs it. */
	dictionary_keep(&piece->warm->dictionaries, piece->dictionary);
	packed = arena_look(&piece->warm->arena, piece, to + sizeof(saved));
	if (packed != to + sizeof(saved))
		memcpy(to + sizeof(saved), packed, piece->stored_bytes);
	memcpy(to, &saved, sizeof(saved));
	saved.check = htole64(checksum_of(to + CHECKED_FROM, bytes - CHECKED_FROM));
	memcpy(to, &saved, sizeof(saved));
	return (ssize_t)bytes;
}

/* What the numbers say fits together, and the frame is one whole frame of that size. */
static bool is_sound(const struct warm_piece *as, const uint8_t *packed)
{
	if (as->plain_bytes > WARM_BLOCK_MOST || as->base_bytes > WARM_BLOCK_MOST)
		return false;
	if (as->dictionary != 0 && as->codec != WARM_ZSTD)
		return false;
	if ((as->codec == WARM_ZSTD_BASED) != (as->base_bytes > 0))
		return false;
	switch (as->codec) {
	case WARM_PLAIN:
		return as->stored_bytes == as->plain_bytes;
	case WARM_FILL:
		return as->stored_bytes == 1 && as->plain_bytes > 0;
	case WARM_ZSTD:
	case WARM_ZSTD_BASED:
		return as->stored_bytes < as->plain_bytes && ZSTD_getFrameContentSize(packed, as->stored_bytes) == as->plain_bytes && ZSTD_findFrameCompressedSize(packed, as->stored_bytes) == as->stored_bytes;
	default:
		return false;
	}
}

int warm_piece_load(struct warm *warm, const void *data, size_t bytes, struct warm_piece **piece)
{
	const uint8_t *from = data;
	struct saved saved;
	struct warm_piece as = { .codec = 0 };

	*piece = NULL;
	if (bytes < sizeof(saved))
		return -EIO;
	memcpy(&saved, from, sizeof(saved));
	if (le32toh(saved.magic) != SAVED_MAGIC || saved.zero != 0 || saved.zeros[0] != 0 || saved.zeros[1] != 0)
		return -EIO;
	if (le32toh(saved.stored_bytes) != bytes - sizeof(saved) || le64toh(saved.check) != checksum_of(from + CHECKED_FROM, bytes - CHECKED_FROM))
		return -EIO;
	as.checksum = le64toh(saved.checksum);
	as.plain_bytes = le32toh(saved.plain_bytes);
	as.stored_bytes = le32toh(saved.stored_bytes);
	as.base_bytes = le32toh(saved.base_bytes);
	as.codec = saved.codec;
	as.dictionary = saved.dictionary;
	if (!is_sound(&as, from + sizeof(saved)))
		return -EIO;
	/* Held for the moment between looking and making. */
	if (!dictionary_hold(&warm->dictionaries, as.dictionary))
		return -ENOENT;
	*piece = piece_make(warm, &as, from + sizeof(saved));
	if (*piece != NULL)
		dictionary_keep(&warm->dictionaries, as.dictionary);
	dictionary_leave(&warm->dictionaries, as.dictionary);
	return *piece == NULL ? -ENOMEM : 0;
}
