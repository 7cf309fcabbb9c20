/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from the broker, looked at as if anybody could have written them:
 * what comes out is whole, and its lengths are true. Whether it answers the
 * question is the caller's to see.
 */
#ifndef LIB_REPLIES_H
#define LIB_REPLIES_H

#include <stdbool.h>
#include <stddef.h>

#include "broker/protocol.h"

struct reply {
	struct broker_head head;
	/* By head.type; zero where head.error is not 0. */
	union {
		struct broker_welcome welcome;
		struct broker_secret secret;
		struct broker_unit unit;
		struct broker_bytes bytes;
		struct broker_unit_stat unit_stat;
		struct broker_stat stat;
		struct broker_listed listed;
		struct broker_settings settings;
	};
	/* What follows these, inside of the message. */
	const void *data;
	size_t data_bytes;
};

/* 0, or -EPROTO: nothing on this connection can be believed any more. */
int reply_parse(const void *message, size_t bytes, struct reply *reply);

/* -EPROTO where a line is shorter than ours; longer ones are of a newer broker. */
int reply_line(const struct reply *reply, size_t index, void *line, size_t line_bytes);

#endif
