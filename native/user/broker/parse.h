/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message to one typed request, or an error. Looks at bytes alone: no
 * sockets, no tables, so a fuzzer can drive it. What it lets through has sizes
 * that fit each other, numbers in their ranges and texts that end.
 */
#ifndef BROKER_PARSE_H
#define BROKER_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/protocol.h"

struct request {
	struct broker_head head;	/* as far as it was there; else zero */
	bool ends;			/* the connection speaks something else: it is ended after the error */
	const void *data;		/* inside of the message */
	uint64_t data_bytes;		/* that follow in the message, or that the memfd has to hold */
	bool in_memfd;
	union {
		struct broker_hello hello;
		struct broker_number number;
		struct broker_ask ask;
		struct broker_claim claim;
		struct broker_alloc alloc;
		struct broker_edit edit;
		struct broker_find find;
		struct broker_read read;
		struct broker_list list;
		struct broker_settings settings;
	};
};

/*
 * `cut`: the message was longer than BROKER_MESSAGE_MOST. `descriptors` came
 * with it. -EPROTO (not this protocol or version), -EMSGSIZE (too long),
 * -EBADMSG (sizes contradict each other), -EOPNOTSUPP (unknown type), -EINVAL
 * (a number out of its range, a descriptor where none belongs), -E2BIG (a unit
 * above BROKER_UNIT_MOST).
 */
int parse_request(const void *message, size_t bytes, bool cut, unsigned descriptors, struct request *request);

#endif
