/* SPDX-License-Identifier: Apache-2.0 */
#include "learn.h"

#define ZDICT_STATIC_LINKING_ONLY
#include <stdlib.h>
#include <zdict.h>

#include "contexts.h"

#define LEVEL 3
#define BETTER_PART 32

size_t learn_dictionary(const uint8_t *slices, const size_t *sizes, unsigned count, uint8_t *out, size_t room)
{
	ZDICT_fastCover_params_t how = { .k = 1024, .d = 8, .f = 17, .accel = 2, .zParams = { .compressionLevel = LEVEL } };
	size_t bytes = ZDICT_trainFromBuffer_fastCover(out, room, slices, sizes, count, how);

	return ZDICT_isError(bytes) ? 0 : bytes;
}

static size_t packed_with(const void *dictionary, size_t bytes, const uint8_t *slices, const size_t *sizes, unsigned count)
{
	ZSTD_CCtx *pack = ZSTD_createCCtx_advanced(context_memory);
	ZSTD_CDict *ready = ZSTD_createCDict(dictionary, bytes, LEVEL);
	uint8_t *out = malloc(ZSTD_COMPRESSBOUND(LEARN_SLICE_BYTES));
	size_t sum = 0;

	for (unsigned i = 0; pack != NULL && ready != NULL && out != NULL && i < count; i++) {
		size_t one = ZSTD_compress_usingCDict(pack, out, ZSTD_COMPRESSBOUND(LEARN_SLICE_BYTES), slices, sizes[i], ready);

		sum += ZSTD_isError(one) ? sizes[i] : one;
		slices += sizes[i];
	}
	free(out);
	ZSTD_freeCDict(ready);
	ZSTD_freeCCtx(pack);
	return sum;
}

int learn_is_better(const void *old_one, size_t old_bytes, const void *new_one, size_t new_bytes, const uint8_t *slices, const size_t *sizes, unsigned count)
{
	size_t before = packed_with(old_one, old_bytes, slices, sizes, count);
	size_t after = packed_with(new_one, new_bytes, slices, sizes, count);

	return after > 0 && after < before - before / BETTER_PART;
}
