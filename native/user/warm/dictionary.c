/* SPDX-License-Identifier: Apache-2.0 */
#include "dictionary.h"

#include <endian.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <zdict.h>

#include "common/digest.h"
#include "internal.h"
#include "learn.h"

/* "AMd1" */
#define SAVED_MAGIC 0x31644d41u
#define SAVED_MOST (256u * 1024u)
/* So much more content than it was learnt from, before another dictionary is tried; four times as much after each. */
#define AGAIN_TIMES 16

/* Before a saved dictionary, little-endian. `check` is of everything behind it. */
struct saved {
	uint32_t magic;
	uint8_t kind;
	uint8_t zeros[3];
	uint64_t check;
};

static const int levels[] = { [AM_EFFORT_FAST] = 1, [AM_EFFORT_NORMAL] = 3, [AM_EFFORT_THOROUGH] = 9 };

static const uint8_t *content_of(const struct dictionary *one)
{
	return one->saved + sizeof(struct saved);
}

static size_t content_bytes(const struct dictionary *one)
{
	return one->saved_bytes - sizeof(struct saved);
}

void dictionaries_open(struct dictionaries *all)
{
	*all = (struct dictionaries){ .trained = false };
	pthread_mutex_init(&all->lock, NULL);
}

/* What can be made again. */
static void make_light(struct dictionary *one)
{
	if (one->users > 0)
		return;
	for (unsigned i = 0; i <= AM_EFFORT_THOROUGH; i++) {
		ZSTD_freeCDict(one->pack[i]);
		one->pack[i] = NULL;
	}
	ZSTD_freeDDict(one->unpack);
	one->unpack = NULL;
}

static void free_sample(struct sample *sample)
{
	free(sample->bytes);
	free(sample->sizes);
	sample->bytes = NULL;
	sample->sizes = NULL;
	sample->count = 0;
	sample->used_bytes = 0;
	sample->full = false;
}

void dictionaries_rest(struct dictionaries *all)
{
	bool trained;

	pthread_mutex_lock(&all->lock);
	for (unsigned i = 1; i <= WARM_DICTIONARIES; i++)
		make_light(&all->of[i]);
	trained = all->trained;
	all->trained = false;
	pthread_mutex_unlock(&all->lock);
	if (trained)
		malloc_trim(0);
}

void dictionaries_close(struct dictionaries *all)
{
	for (unsigned i = 1; i <= WARM_DICTIONARIES; i++) {
		make_light(&all->of[i]);
		free(all->of[i].saved);
	}
	for (unsigned i = 0; i < AM_KIND_END; i++)
		free_sample(&all->samples[i]);
	pthread_mutex_destroy(&all->lock);
}

size_t dictionaries_bytes(struct dictionaries *all)
{
	size_t bytes = 0;

	pthread_mutex_lock(&all->lock);
	for (unsigned i = 1; i <= WARM_DICTIONARIES; i++) {
		bytes += all->of[i].saved_bytes + ZSTD_sizeof_DDict(all->of[i].unpack);
		for (unsigned j = 0; j <= AM_EFFORT_THOROUGH; j++)
			bytes += ZSTD_sizeof_CDict(all->of[i].pack[j]);
	}
	for (unsigned i = 0; i < AM_KIND_END; i++)
		if (all->samples[i].bytes != NULL)
			bytes += all->samples[i].used_bytes + LEARN_SLICES_MOST * sizeof(size_t);
	pthread_mutex_unlock(&all->lock);
	return bytes;
}

static bool begin_sample(struct sample *sample)
{
	sample->bytes = malloc(LEARN_SAMPLE_BYTES);
	sample->sizes = malloc(LEARN_SLICES_MOST * sizeof(*sample->sizes));
	if (sample->bytes != NULL && sample->sizes != NULL)
		return true;
	free_sample(sample);
	return false;
}

void warm_learn(struct warm *warm, enum am_kind kind, const void *data, size_t bytes)
{
	struct dictionaries *all = &warm->dictionaries;
	size_t slice = bytes < LEARN_SLICE_BYTES ? bytes : LEARN_SLICE_BYTES;
	struct sample *sample;

	if (kind < AM_KIND_CONVERSATION || kind >= AM_KIND_END || slice < LEARN_SLICE_LEAST)
		return;
	pthread_mutex_lock(&all->lock);
	sample = &all->samples[kind];
	sample->offered_bytes += bytes;
	if (sample->offered_bytes >= sample->again_bytes && !sample->full && (sample->bytes != NULL || begin_sample(sample))) {
		/* From another place of each: beginnings are more alike than the rest. */
		size_t from = bytes == slice ? 0 : (size_t)(sample->offered_bytes * UINT64_C(0x9e3779b97f4a7c15) >> 20) % (bytes - slice);

		memcpy(sample->bytes + sample->used_bytes, (const uint8_t *)data + from, slice);
		sample->sizes[sample->count++] = slice;
		sample->used_bytes += slice;
		sample->full = sample->used_bytes + LEARN_SLICE_BYTES > LEARN_SAMPLE_BYTES || sample->count == LEARN_SLICES_MOST;
	}
	pthread_mutex_unlock(&all->lock);
}

/* A number nobody needs; 0: all are needed. */
static unsigned free_number(const struct dictionaries *all)
{
	for (unsigned i = 1; i <= WARM_DICTIONARIES; i++) {
		const struct dictionary *one = &all->of[i];
		bool current = false;

		for (unsigned kind = 0; kind < AM_KIND_END; kind++)
			current |= all->current[kind] == i;
		if (one->saved == NULL || (!current && !one->kept && one->pieces == 0 && one->users == 0))
			return i;
	}
	return 0;
}

static void install(struct dictionaries *all, unsigned number, uint8_t *saved, size_t bytes)
{
	struct dictionary *one = &all->of[number];

	make_light(one);
	free(one->saved);
	*one = (struct dictionary){ .saved = saved, .saved_bytes = bytes };
	all->current[((const struct saved *)(void *)saved)->kind] = (uint8_t)number;
}

/* The dictionary of a sample in the form it is saved in; NULL where it would be no better than the old one. */
static uint8_t *make(enum am_kind kind, const struct sample *sample, const uint8_t *old, size_t old_bytes, size_t *bytes)
{
	/* What a new one is judged by is not what it learnt. */
	unsigned judged = old == NULL ? 0 : sample->count / 4;
	unsigned learnt = sample->count - judged;
	uint8_t *saved = malloc(sizeof(struct saved) + LEARN_DICTIONARY_BYTES);
	struct saved head = { .magic = htole32(SAVED_MAGIC), .kind = (uint8_t)kind };
	size_t learnt_bytes = 0;
	size_t made;

	if (saved == NULL)
		return NULL;
	for (unsigned i = 0; i < learnt; i++)
		learnt_bytes += sample->sizes[i];
	made = learn_dictionary(sample->bytes, sample->sizes, learnt, saved + sizeof(head), LEARN_DICTIONARY_BYTES);
	if (made == 0 || (old != NULL && !learn_is_better(old, old_bytes, saved + sizeof(head), made, sample->bytes + learnt_bytes, sample->sizes + learnt, judged))) {
		free(saved);
		return NULL;
	}
	*bytes = sizeof(head) + made;
	head.check = htole64(checksum_of(saved + sizeof(head), made) ^ head.kind);
	memcpy(saved, &head, sizeof(head));
	return saved;
}

void dictionary_make_due(struct dictionaries *all, enum am_kind kind)
{
	struct sample sample;
	struct dictionary *old = NULL;
	unsigned old_number;
	unsigned number;
	uint8_t *saved;
	size_t bytes;

	if (kind < AM_KIND_CONVERSATION || kind >= AM_KIND_END)
		return;
	pthread_mutex_lock(&all->lock);
	if (!all->samples[kind].full) {
		pthread_mutex_unlock(&all->lock);
		return;
	}
	/* Taken out, so that nobody else makes one of it, and learning goes on meanwhile. */
	sample = all->samples[kind];
	all->samples[kind] = (struct sample){ .again_bytes = 4 * sample.again_bytes + AGAIN_TIMES * LEARN_SAMPLE_BYTES };
	old_number = all->current[kind];
	if (old_number != 0) {
		old = &all->of[old_number];
		old->users++;
	}
	pthread_mutex_unlock(&all->lock);

	saved = make(kind, &sample, old == NULL ? NULL : content_of(old), old == NULL ? 0 : content_bytes(old), &bytes);
	free_sample(&sample);

	pthread_mutex_lock(&all->lock);
	if (old != NULL)
		old->users--;
	all->trained = true;
	number = saved == NULL ? 0 : free_number(all);
	if (number != 0)
		install(all, number, saved, bytes);
	pthread_mutex_unlock(&all->lock);
	if (number == 0)
		free(saved);
}

const ZSTD_CDict *dictionary_use_for_pack(struct dictionaries *all, enum am_kind kind, enum am_effort effort, unsigned *number)
{
	const ZSTD_CDict *ready = NULL;
	struct dictionary *one;

	*number = 0;
	if (kind < AM_KIND_CONVERSATION || kind >= AM_KIND_END)
		return NULL;
	pthread_mutex_lock(&all->lock);
	one = &all->of[all->current[kind]];
	if (one->saved != NULL) {
		if (one->pack[effort] == NULL) {
			ZSTD_compressionParameters how = ZSTD_getCParams(levels[effort], LEARN_SLICE_BYTES, content_bytes(one));

			one->pack[effort] = ZSTD_createCDict_advanced(content_of(one), content_bytes(one), ZSTD_dlm_byRef, ZSTD_dct_fullDict, how, context_memory);
		}
		ready = one->pack[effort];
		if (ready != NULL) {
			*number = all->current[kind];
			one->users++;
		}
	}
	pthread_mutex_unlock(&all->lock);
	return ready;
}

const ZSTD_DDict *dictionary_use_for_unpack(struct dictionaries *all, unsigned number)
{
	struct dictionary *one = &all->of[number];
	const ZSTD_DDict *ready = NULL;

	pthread_mutex_lock(&all->lock);
	if (one->saved != NULL) {
		if (one->unpack == NULL)
			one->unpack = ZSTD_createDDict_advanced(content_of(one), content_bytes(one), ZSTD_dlm_byRef, ZSTD_dct_fullDict, context_memory);
		ready = one->unpack;
		one->users += ready != NULL;
	}
	pthread_mutex_unlock(&all->lock);
	return ready;
}

void dictionary_end_use(struct dictionaries *all, unsigned number)
{
	if (number == 0)
		return;
	pthread_mutex_lock(&all->lock);
	all->of[number].users--;
	pthread_mutex_unlock(&all->lock);
}

bool dictionary_hold(struct dictionaries *all, unsigned number)
{
	bool there = true;

	if (number == 0)
		return true;
	pthread_mutex_lock(&all->lock);
	there = number <= WARM_DICTIONARIES && all->of[number].saved != NULL;
	if (there)
		all->of[number].pieces++;
	pthread_mutex_unlock(&all->lock);
	return there;
}

void dictionary_leave(struct dictionaries *all, unsigned number)
{
	if (number == 0)
		return;
	pthread_mutex_lock(&all->lock);
	all->of[number].pieces--;
	pthread_mutex_unlock(&all->lock);
}

void dictionary_keep(struct dictionaries *all, unsigned number)
{
	if (number == 0)
		return;
	pthread_mutex_lock(&all->lock);
	all->of[number].kept = true;
	pthread_mutex_unlock(&all->lock);
}

size_t warm_dictionary(struct warm *warm, unsigned number, const void **data)
{
	struct dictionaries *all = &warm->dictionaries;
	size_t bytes = 0;

	*data = NULL;
	if (number == 0 || number > WARM_DICTIONARIES)
		return 0;
	pthread_mutex_lock(&all->lock);
	if (all->of[number].saved != NULL) {
		all->of[number].kept = true;
		*data = all->of[number].saved;
		bytes = all->of[number].saved_bytes;
	}
	pthread_mutex_unlock(&all->lock);
	return bytes;
}

static bool is_sound(const uint8_t *data, size_t bytes)
{
	struct saved head;

	if (bytes <= sizeof(head) || bytes > SAVED_MOST)
		return false;
	memcpy(&head, data, sizeof(head));
	if (le32toh(head.magic) != SAVED_MAGIC || head.kind < AM_KIND_CONVERSATION || head.kind >= AM_KIND_END || head.zeros[0] != 0 || head.zeros[1] != 0 || head.zeros[2] != 0)
		return false;
	return le64toh(head.check) == (checksum_of(data + sizeof(head), bytes - sizeof(head)) ^ head.kind) && ZDICT_getDictID(data + sizeof(head), bytes - sizeof(head)) != 0;
}

int warm_add_dictionary(struct warm *warm, unsigned number, const void *data, size_t bytes)
{
	struct dictionaries *all = &warm->dictionaries;
	struct dictionary *one;
	uint8_t *copy;
	int result = 0;

	if (number == 0 || number > WARM_DICTIONARIES)
		return -EINVAL;
	if (!is_sound(data, bytes))
		return -EIO;
	copy = malloc(bytes);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, data, bytes);
	pthread_mutex_lock(&all->lock);
	one = &all->of[number];
	if (one->saved == NULL || (!one->kept && one->pieces == 0 && one->users == 0)) {
		for (unsigned kind = 0; kind < AM_KIND_END; kind++)
			all->current[kind] = all->current[kind] == number ? 0 : all->current[kind];
		install(all, number, copy, bytes);
		copy = NULL;
	} else if (one->saved_bytes != bytes || memcmp(one->saved, data, bytes) != 0) {
		result = -EEXIST;
	}
	if (result == 0)
		one->kept = true;
	pthread_mutex_unlock(&all->lock);
	free(copy);
	return result;
}
