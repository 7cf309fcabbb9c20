/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/digest.h"
#include "internal.h"

static size_t unpack_zstd(struct warm *warm, ZSTD_DCtx *unpack, const struct warm_piece *piece, const uint8_t *packed, const void *base, void *out)
{
	size_t bytes;

	ZSTD_DCtx_reset(unpack, ZSTD_reset_session_and_parameters);
	if (piece->dictionary != 0) {
		const ZSTD_DDict *ready = dictionary_use_for_unpack(&warm->dictionaries, piece->dictionary);

		if (ready == NULL)
			return 0;
		bytes = ZSTD_decompress_usingDDict(unpack, out, piece->plain_bytes, packed, piece->stored_bytes, ready);
		dictionary_end_use(&warm->dictionaries, piece->dictionary);
		return bytes;
	}
	if (piece->base_bytes > 0)
		ZSTD_DCtx_refPrefix(unpack, base, piece->base_bytes);
	return ZSTD_decompressDCtx(unpack, out, piece->plain_bytes, packed, piece->stored_bytes);
}

int warm_unpack(struct warm *warm, const struct warm_piece *piece, const void *base, size_t base_bytes, void *out)
{
	struct context *context;
	const uint8_t *packed;
	uint8_t *room;
	ZSTD_DCtx *unpack;
	int result = 0;

	if (piece->plain_bytes == 0)
		return checksum_of(out, 0) == piece->checksum ? 0 : -EIO;
	if (piece->base_bytes > 0 && (base == NULL || base_bytes != piece->base_bytes))
		return -EIO;
	context = context_take(&warm->contexts);
	if (context == NULL)
		return -ENOMEM;
	room = context_room(context, ARENA_SMALL_MOST);
	unpack = context_unpack(context);
	if (room == NULL || unpack == NULL) {
		context_give(&warm->contexts, context);
		return -ENOMEM;
	}
	packed = arena_look(&warm->arena, piece, room);
	if (packed == room)
		context_touched(context, piece->stored_bytes);
	if (piece->codec == WARM_PLAIN)
		memcpy(out, packed, piece->plain_bytes);
	else if (piece->codec == WARM_FILL)
		memset(out, packed[0], piece->plain_bytes);
	else if (unpack_zstd(warm, unpack, piece, packed, base, out) != piece->plain_bytes)
		result = -EIO;
	context_give(&warm->contexts, context);
	/* Also a wrong base or dictionary ends here. */
	if (result == 0 && checksum_of(out, piece->plain_bytes) != piece->checksum)
		result = -EIO;
	return result;
}
