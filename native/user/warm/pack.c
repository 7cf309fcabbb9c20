/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/digest.h"
#include "internal.h"

/* Packed to more than 31/32 of itself it is not worth unpacking. */
#define GAIN_PART 32
/* With a base to less than an eighth: so much better than without that nobody need look. */
#define SURELY_PART 8
/* Else a base must save a tenth: reading it costs two unpackings. */
#define BASE_GAIN_PART 10

struct how {
	int level;
	int window_log;
	int hash_log;	/* 0: the level's */
	int chain_log;
	int search_log;
	int min_match;
	int strategy;
};

static const struct how efforts[] = {
	[AM_EFFORT_FAST] = { .level = 1 },
	[AM_EFFORT_NORMAL] = { .level = 3 },
	[AM_EFFORT_THOROUGH] = { .level = 9 },
};

static int log_of(size_t bytes)
{
	int log = 10;

	while (((size_t)1 << log) < bytes)
		log++;
	return log;
}

static bool is_constant(const uint8_t *data, size_t bytes)
{
	return bytes == 1 || memcmp(data, data + 1, bytes - 1) == 0;
}

static void set(ZSTD_CCtx *pack, ZSTD_cParameter what, int value)
{
	if (value != 0)
		ZSTD_CCtx_setParameter(pack, what, value);
}

/* Packed bytes, or 0 where it does not get smaller than `most`. */
static size_t pack_zstd(ZSTD_CCtx *pack, const struct how *how, const void *data, size_t bytes, const void *base, size_t base_bytes, uint8_t *out, size_t most)
{
	size_t packed;

	ZSTD_CCtx_reset(pack, ZSTD_reset_session_and_parameters);
	set(pack, ZSTD_c_compressionLevel, how->level);
	set(pack, ZSTD_c_windowLog, log_of(bytes + base_bytes));
	set(pack, ZSTD_c_hashLog, how->hash_log);
	set(pack, ZSTD_c_chainLog, how->chain_log);
	set(pack, ZSTD_c_searchLog, how->search_log);
	set(pack, ZSTD_c_minMatch, how->min_match);
	set(pack, ZSTD_c_strategy, how->strategy);
	if (base_bytes > 0) {
		set(pack, ZSTD_c_enableLongDistanceMatching, 1);
		ZSTD_CCtx_refPrefix(pack, base, base_bytes);
	}
	packed = ZSTD_compress2(pack, out, most, data, bytes);
	return ZSTD_isError(packed) ? 0 : packed;
}

static int pack_into(struct context *context, enum am_effort effort, const void *data, size_t base_bytes, const void *base, struct warm_piece *as, const uint8_t **bytes)
{
	size_t most = as->plain_bytes - as->plain_bytes / GAIN_PART - (as->plain_bytes < GAIN_PART);
	uint8_t *room = context_room(context, 2 * most);
	ZSTD_CCtx *pack = context_pack(context);
	size_t packed = 0;
	size_t alone = 0;

	if (room == NULL || pack == NULL)
		return -ENOMEM;
	*bytes = room;
	if (base_bytes > 0)
		packed = pack_zstd(pack, &efforts[effort], data, as->plain_bytes, base, base_bytes, room, most);
	if (packed == 0 || packed > as->plain_bytes / SURELY_PART) {
		alone = pack_zstd(pack, &efforts[effort], data, as->plain_bytes, NULL, 0, room + most, most);
		if (packed == 0 || (alone > 0 && packed > alone - alone / BASE_GAIN_PART)) {
			*bytes = room + most;
			packed = alone;
			base_bytes = 0;
		}
	}
	if (packed == 0) {
		*bytes = data;
		return 0;
	}
	as->codec = base_bytes > 0 ? WARM_ZSTD_BASED : WARM_ZSTD;
	as->stored_bytes = (uint32_t)packed;
	as->base_bytes = (uint32_t)base_bytes;
	return 0;
}

int warm_pack(struct warm *warm, enum am_effort effort, enum am_kind kind, const void *data, size_t bytes, const void *base, size_t base_bytes, struct warm_piece **piece)
{
	struct warm_piece as = { .codec = WARM_PLAIN };
	struct context *context;
	const uint8_t *packed = data;
	int result = 0;

	(void)kind;
	*piece = NULL;
	if (bytes > WARM_BLOCK_MOST || base_bytes > WARM_BLOCK_MOST || effort > AM_EFFORT_THOROUGH)
		return -EINVAL;
	context = context_take(&warm->contexts);
	if (context == NULL)
		return -ENOMEM;
	as.plain_bytes = (uint32_t)bytes;
	as.stored_bytes = (uint32_t)bytes;
	as.checksum = checksum_of(data, bytes);
	if (bytes > 0 && is_constant(data, bytes)) {
		as.codec = WARM_FILL;
		as.stored_bytes = 1;
	} else if (bytes > 0 && effort != AM_EFFORT_NONE) {
		result = pack_into(context, effort, data, base == NULL ? 0 : base_bytes, base, &as, &packed);
	}
	if (result == 0) {
		*piece = piece_make(warm, &as, packed);
		if (*piece == NULL)
			result = -ENOMEM;
	}
	context_give(&warm->contexts, context);
	return result;
}

static bool unpack_zstd(ZSTD_DCtx *unpack, const struct warm_piece *piece, const uint8_t *packed, const void *base, void *out)
{
	ZSTD_DCtx_reset(unpack, ZSTD_reset_session_and_parameters);
	if (piece->base_bytes > 0)
		ZSTD_DCtx_refPrefix(unpack, base, piece->base_bytes);
	return ZSTD_decompressDCtx(unpack, out, piece->plain_bytes, packed, piece->stored_bytes) == piece->plain_bytes;
}

int warm_unpack(struct warm *warm, const struct warm_piece *piece, const void *base, size_t base_bytes, void *out)
{
	struct context *context;
	const uint8_t *packed;
	uint8_t *room;
	ZSTD_DCtx *unpack;
	int result = 0;

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
	if (piece->codec == WARM_PLAIN)
		memcpy(out, packed, piece->plain_bytes);
	else if (piece->codec == WARM_FILL)
		memset(out, packed[0], piece->plain_bytes);
	else if (!unpack_zstd(unpack, piece, packed, base, out))
		result = -EIO;
	context_give(&warm->contexts, context);
	if (result == 0 && checksum_of(out, piece->plain_bytes) != piece->checksum)
		result = -EIO;
	return result;
}
