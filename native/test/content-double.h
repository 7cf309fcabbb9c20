/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the double of content.h, for the files content-double*.c alone. */
#ifndef TEST_CONTENT_DOUBLE_H
#define TEST_CONTENT_DOUBLE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/content.h"
#include "common/digest.h"

#define HOLDERS_MOST 256u

struct holder {
	uint64_t agent, holds, maps;
};

struct unit {
	struct unit *next;
	uint64_t number, domain, bytes;
	enum am_kind kind;
	struct am_digest digest;
	uint8_t *data;
	int fd;
	struct holder holders[HOLDERS_MOST];
};

struct content {
	struct content_options options;
	struct unit *units;
	struct later *laters;
	struct record *records;
	uint64_t last_number, delay_ms;
	int event_fd;
};

/* NULL where the agent holds nothing, or, to be made, where nobody else may hold it. */
struct holder *double_holder(struct unit *unit, uint64_t agent, bool make);
/* NULL where the agent does not hold it. */
struct unit *double_unit(struct content *content, uint64_t agent, uint64_t number);
uint32_t double_sharers(const struct unit *unit);
void double_fill(const struct unit *unit, bool known, struct content_result *result);
/* Where nobody holds it any more. */
void double_drop(struct content *content, struct unit *unit);

/* Answers at once, or when the loop comes by again. */
void double_say(content_done done, void *context, struct unit *unit, int error);
void double_put_off(struct content *content, uint64_t agent, const struct unit *unit, int error, bool known, content_done done, void *context);

/* content-double-records.c */
void double_load_records(struct content *content);
void double_store_records(const struct content *content);
void double_free_records(struct content *content);

#endif
