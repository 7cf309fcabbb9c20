/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's tests share: a model of what must be in it. */
#ifndef STORE_KIT_H
#define STORE_KIT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define CHECK(condition) do { if (!(condition)) failed(__FILE__, __LINE__, #condition); } while (0)
#define EQUAL(a, b) equal((long long)(a), (long long)(b), __FILE__, __LINE__, #a " == " #b)

_Noreturn void failed(const char *file, int line, const char *what);
void equal(long long a, long long b, const char *file, int line, const char *what);

enum { MODEL_BLOBS = 256, MODEL_RECORDS = 8, MODEL_RECORD_BYTES = 8000, MODEL_OWNERS = 6, MODEL_BLOB_BYTES = 96 * 1024 };

struct model_blob {
	uint64_t id, owner, seed;
	size_t bytes;
};

struct model_record {
	uint64_t key, seed;
	size_t bytes;
};

/* All of it by value: a copy is a snapshot. */
struct model {
	struct model_blob blobs[MODEL_BLOBS];
	struct model_record records[MODEL_RECORDS];
	size_t blob_count, record_count;
	uint64_t next_id;	/* that the store will give, where one thread alone puts */
	uint64_t random;
	unsigned commits;	/* so far */
	bool uncommitted;	/* no commits now */
	bool lenient;		/* the store may refuse: then nothing has changed */
	unsigned refused;
	int commit_error;	/* of the last commit */
};

uint64_t draw(uint64_t *random);
void fill(void *data, size_t bytes, uint64_t seed);
/* Not 0 where this is not what fill() makes. */
int differs(const void *data, size_t bytes, uint64_t seed);

enum step { STEP_PUT, STEP_FREE, STEP_RECORD, STEP_FREE_OWNER, STEP_COMMIT };
/*
 * The next random change, to the model and, where it is not NULL, to the
 * store, which must answer what the model expects. What it was is told.
 * `before_commit` and `after_commit` may be NULL.
 */
struct hooks {
	void (*before_commit)(void *context, const struct model *model);
	void (*after_commit)(void *context, const struct model *model);
	void *context;
};
enum step model_step(struct model *model, struct store *store, const struct hooks *hooks);
/* Whether the store holds just this, byte by byte. */
bool model_matches(const struct model *model, struct store *store);

struct store *open_in(const char *folder, uint64_t apparent_bytes, bool direct);
/* What lies in a folder and the folder; one level. */
void remove_folder(const char *folder);

int test_parts(const char *folder);
int test_model(const char *folder, unsigned rounds);
int test_power(const char *folder, unsigned samples);
int test_tears(const char *folder);
int test_between(const char *folder, unsigned steps);
int test_errors(const char *folder, unsigned step);
int test_kill(const char *folder, unsigned rounds);
int test_threads(const char *folder, unsigned steps);
int test_full(const char *folder);
int test_refused(const char *folder);
int test_sparse(const char *folder);

#endif
