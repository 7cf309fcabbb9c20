/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "alike.h"
#include "common/digest.h"
#include "internal.h"

/* Packed to more than 31/32 of itself it is not worth unpacking. */
#define GAIN_PART 32
/* With a base to less than an eighth: so much better than without that nobody need look. */
#define SURELY_PART 8
/* Else a base must save a tenth: reading it costs two unpackings. */
#define BASE_GAIN_PART 10
/* So it need not be tried where less than that is in both; small ones are tried at once. */
#define ALIKE_LEAST_PERCENT 10
#define ALIKE_FROM_BYTES (128u * 1024u)
/* Up to here zstd's own tables of parameters fit; above they think of streams with no end. */
#define OWN_FROM_BYTES (256u * 1024u)
#define PROBES 8
#define PROBE_BYTES 4096u
/* The match finder for prefixes indexes 8 << this many bytes of them. */
#define BASE_HASH_LOG 20

struct how {
	int level;
	int hash_log;	/* 0: the level's */
	int chain_log;
	int min_match;
};

/*
 * Agent logs in blocks of 5 MB, one core with 2 MB of second-level cache, where
 * zstd -3 of the whole gives 4.58 : 1 at 270 MB/s: FAST 4.36 at 320, NORMAL 4.53
 * at 280, THOROUGH 5.2 at 65. Eight times NORMAL's table of short matches: 4.55 at
 * 240. Twice its long ones: 4.60 at 220; half of them: 4.46 at 305.
 */
static const struct how efforts[] = {
	[AM_EFFORT_FAST] = { .level = 2, .hash_log = 16, .min_match = 5 },
	[AM_EFFORT_NORMAL] = { .level = 3, .hash_log = 17, .chain_log = 13, .min_match = 5 },
	[AM_EFFORT_THOROUGH] = { .level = 9 },
};

/* Long matches are all one needs of a base: forks with ids rewritten 50 to 100 : 1 at 500 MB/s, better and faster than with long-distance matching. */
static const struct how with_base = { .level = 3, .hash_log = BASE_HASH_LOG, .chain_log = 14, .min_match = 5 };

static int log_of(size_t bytes)
{
	int log = ZSTD_WINDOWLOG_MIN;

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

struct job {
	struct warm *warm;
	enum am_effort effort;
	enum am_kind kind;
	const uint8_t *data;
	size_t bytes;
	const uint8_t *base;
	size_t base_bytes;
	ZSTD_CCtx *pack;
	uint8_t *out;
	size_t most;		/* larger is no gain */
};

static size_t result_of(size_t packed)
{
	return ZSTD_isError(packed) ? 0 : packed;
}

/* The following give the packed bytes, or 0 where that is no gain. */
static size_t pack_alone(const struct job *job, enum am_effort effort)
{
	const struct how *how = &efforts[effort];

	ZSTD_CCtx_reset(job->pack, ZSTD_reset_session_and_parameters);
	set(job->pack, ZSTD_c_compressionLevel, how->level);
	if (job->bytes > OWN_FROM_BYTES) {
		set(job->pack, ZSTD_c_windowLog, log_of(job->bytes));
		set(job->pack, ZSTD_c_hashLog, how->hash_log);
		set(job->pack, ZSTD_c_chainLog, how->chain_log);
		set(job->pack, ZSTD_c_minMatch, how->min_match);
	}
	return result_of(ZSTD_compress2(job->pack, job->out, job->most, job->data, job->bytes));
}

static size_t pack_with_base(const struct job *job, const struct how *how)
{
	size_t both = job->bytes + job->base_bytes;
	int hash_log = log_of(both) - 1;
	int most_log = job->base_bytes > 8u << BASE_HASH_LOG ? BASE_HASH_LOG + 1 : BASE_HASH_LOG;

	ZSTD_CCtx_reset(job->pack, ZSTD_reset_session_and_parameters);
	set(job->pack, ZSTD_c_compressionLevel, how->level);
	set(job->pack, ZSTD_c_windowLog, log_of(both));
	set(job->pack, ZSTD_c_hashLog, hash_log < most_log ? hash_log : most_log);
	set(job->pack, ZSTD_c_chainLog, how->chain_log);
	set(job->pack, ZSTD_c_minMatch, how->min_match);
	ZSTD_CCtx_refPrefix(job->pack, job->base, job->base_bytes);
	return result_of(ZSTD_compress2(job->pack, job->out, job->most, job->data, job->bytes));
}

/* The dictionary stays in use until the piece is made. */
static size_t pack_small(const struct job *job, unsigned *dictionary)
{
	const ZSTD_CDict *ready;

	dictionary_make_due(&job->warm->dictionaries, job->kind);
	ready = dictionary_use_for_pack(&job->warm->dictionaries, job->kind, job->effort, dictionary);
	if (ready == NULL)
		return pack_alone(job, job->effort);
	ZSTD_CCtx_reset(job->pack, ZSTD_reset_session_and_parameters);
	return result_of(ZSTD_compress_usingCDict(job->pack, job->out, job->most, job->data, job->bytes, ready));
}

/* Looking for matches thoroughly where there are none takes ten times as long as packing the rest. */
static bool seems_random(const struct job *job)
{
	uint8_t probe[PROBES * PROBE_BYTES];
	size_t packed;

	if (job->bytes < 4 * sizeof(probe))
		return false;
	for (size_t i = 0; i < PROBES; i++)
		memcpy(probe + i * PROBE_BYTES, job->data + (job->bytes - PROBE_BYTES) / (PROBES - 1) * i, PROBE_BYTES);
	packed = ZSTD_compressCCtx(job->pack, job->out, job->most, probe, sizeof(probe), 1);
	return packed > sizeof(probe) - sizeof(probe) / GAIN_PART;
}

static size_t pack_without(const struct job *job, unsigned *dictionary)
{
	if (job->bytes <= WARM_SMALL_MOST)
		return pack_small(job, dictionary);
	return pack_alone(job, job->effort == AM_EFFORT_THOROUGH && seems_random(job) ? AM_EFFORT_FAST : job->effort);
}

static void describe(struct warm_piece *as, enum warm_codec codec, size_t packed)
{
	as->codec = (uint8_t)codec;
	as->stored_bytes = (uint32_t)packed;
}

/* Sets what `as` is packed to, and where that lies. */
static int pack_zstd(struct job *job, struct context *context, struct warm_piece *as, const uint8_t **bytes)
{
	size_t based = 0;
	size_t alone;
	unsigned dictionary = 0;
	uint8_t *room;

	job->most = job->bytes - job->bytes / GAIN_PART - (job->bytes < GAIN_PART);
	room = context_room(context, 2 * job->most);
	job->pack = context_pack(context);
	if (room == NULL || job->pack == NULL)
		return -ENOMEM;
	job->out = room;
	if (job->bytes >= ALIKE_FROM_BYTES && job->base_bytes > 0 && alike_percent(job->data, job->bytes, job->base, job->base_bytes) < ALIKE_LEAST_PERCENT)
		job->base_bytes = 0;
	if (job->base_bytes > 0) {
		based = pack_with_base(job, &with_base);
		context_touched(context, based);
		if (job->effort == AM_EFFORT_THOROUGH && (based == 0 || based > job->bytes / SURELY_PART))
			based = pack_with_base(job, &efforts[AM_EFFORT_THOROUGH]);
		if (based > 0 && based <= job->bytes / SURELY_PART) {
			*bytes = room;
			describe(as, WARM_ZSTD_BASED, based);
			as->base_bytes = (uint32_t)job->base_bytes;
			return 0;
		}
	}
	job->out = room + job->most;
	alone = pack_without(job, &dictionary);
	context_touched(context, based + alone);
	if (based > 0 && (alone == 0 || based < alone - alone / BASE_GAIN_PART)) {
		dictionary_end_use(&job->warm->dictionaries, dictionary);
		*bytes = room;
		describe(as, WARM_ZSTD_BASED, based);
		as->base_bytes = (uint32_t)job->base_bytes;
	} else if (alone > 0) {
		*bytes = job->out;
		describe(as, WARM_ZSTD, alone);
		as->dictionary = (uint8_t)dictionary;
	} else {
		dictionary_end_use(&job->warm->dictionaries, dictionary);
	}
	return 0;
}

int warm_pack(struct warm *warm, enum am_effort effort, enum am_kind kind, const void *data, size_t bytes, const void *base, size_t base_bytes, struct warm_piece **piece)
{
	struct job job = { .warm = warm, .effort = effort, .kind = kind, .data = data, .bytes = bytes, .base = base, .base_bytes = base == NULL ? 0 : base_bytes };
	struct warm_piece as = { .codec = WARM_PLAIN };
	struct context *context;
	const uint8_t *packed = data;
	int result = 0;

	*piece = NULL;
	if (bytes > WARM_BLOCK_MOST || job.base_bytes > WARM_BLOCK_MOST || effort > AM_EFFORT_THOROUGH)
		return -EINVAL;
	as.plain_bytes = (uint32_t)bytes;
	as.checksum = checksum_of(data, bytes);
	describe(&as, WARM_PLAIN, bytes);
	if (bytes > 0 && is_constant(data, bytes)) {
		describe(&as, WARM_FILL, 1);
		*piece = piece_make(warm, &as, data);
		return *piece == NULL ? -ENOMEM : 0;
	}
	if (bytes == 0 || effort == AM_EFFORT_NONE) {
		*piece = piece_make(warm, &as, data);
		return *piece == NULL ? -ENOMEM : 0;
	}
	context = context_take(&warm->contexts);
	if (context == NULL)
		return -ENOMEM;
	result = pack_zstd(&job, context, &as, &packed);
	if (result == 0) {
		*piece = piece_make(warm, &as, packed);
		if (*piece == NULL)
			result = -ENOMEM;
		dictionary_end_use(&warm->dictionaries, as.dictionary);
	}
	context_give(&warm->contexts, context);
	return result;
}
