/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the random model, for the files content-model*.c alone. A model is
 * what a unit must say; a flight is an operation that has not ended yet.
 */
#ifndef TEST_CONTENT_MODEL_H
#define TEST_CONTENT_MODEL_H

#include <errno.h>
#include <string.h>

#include "content-test.h"

#define AGENTS 6
#define UNITS 160
#define FLIGHTS 12
#define TOTAL_MOST (48u << 20)

struct model {
	uint64_t number;		/* 0: free place */
	uint64_t domain;
	enum am_kind kind;
	char *data;
	size_t bytes;
	unsigned holds[AGENTS + 1];
	unsigned maps[AGENTS + 1];
	unsigned flights;
	bool cold;			/* was wholly on disk when last asked */
};

enum what { ADD, APPEND, EDIT, FORK, MAP, READ, MARK, STAT, CLAIM };

struct flight {
	bool busy;
	enum what what;
	struct model *model;
	uint64_t agent, domain;
	enum am_kind kind;
	char *data;			/* expected, or handed in */
	size_t bytes, total;
	bool may_fail;			/* the unit was freed meanwhile */
	bool is_known;			/* a claim of something that is there */
	struct broker_unit_stat stat;
};

extern struct test *model_test;
extern struct model models[UNITS];
extern struct flight flights[FLIGHTS];
extern enum am_state model_states[AGENTS + 1];
extern size_t model_total;		/* bytes of all models */

/* content-model-data.c */
void model_pool_open(void);
void model_pool_close(void);
void model_data(char *out, size_t bytes);
size_t model_some_bytes(void);
uint64_t model_domain(uint64_t agent);
/* 0: a free place. */
struct model *model_of(uint64_t number);
/* That the agent holds; NULL where luck finds none. */
struct model *model_some(uint64_t agent, bool conversation);
unsigned model_holders(const struct model *model);
uint64_t model_first_holder(const struct model *model);
unsigned model_places(void);
void model_free(struct model *model);

/* content-model-flights.c */
struct flight *flight_free(void);
struct flight *flight_begin(enum what what, uint64_t agent, struct model *model);
void flight_expect(struct flight *flight, const struct model *model, size_t offset, size_t bytes);
/* Compares. */
void flight_done(void *context, const struct content_result *result);
/* Those of this agent on this model may fail from now on. */
void flights_forget(const struct model *model, uint64_t agent);
/* Whether one on its way will make the content what the model is already. */
bool flights_change(const struct model *model);
/* Until all have ended. */
void flights_drain(void);

/* content-model-acts.c: one operation of an agent, drawn. */
void model_act(uint64_t agent, bool has_store);

/* content-model-checks.c */
void model_check_all(void);
void model_read_all(void);
/* content-model.c */
/* What was on disk is there again, as it was last; nothing is there as it was before. */
void model_restart(void);
/* An agent and all that it holds. */
void model_gone(uint64_t agent);

#endif
