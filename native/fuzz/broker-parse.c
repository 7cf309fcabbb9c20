/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages at random for the broker: the first byte says how many descriptors
 * came and whether the message was cut, the rest is the message. What is let
 * through must hold what the rest of the broker relies on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/parse.h"
#include "core/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static void must_be_data(const struct request *request, const uint8_t *message, size_t bytes, uint64_t said_bytes)
{
	must(said_bytes <= BROKER_UNIT_MOST && request->data_bytes == said_bytes);
	if (request->in_memfd)
		must(said_bytes > 0);
	else
		must(said_bytes <= BROKER_INLINE_MOST && (const uint8_t *)request->data + said_bytes == message + bytes);
}

static bool is_kind(uint32_t kind)
{
	return kind >= AM_KIND_CONVERSATION && kind < AM_KIND_END;
}

static void must_hold(const struct request *request, const uint8_t *message, size_t bytes)
{
	uint16_t type = request->head.type;

	must(request->head.magic == BROKER_MAGIC && request->head.bytes == bytes - sizeof(request->head) && type > 0 && type < BROKER_TYPE_END && !request->ends);
	must(!request->in_memfd || type == BROKER_ALLOC || type == BROKER_APPEND || type == BROKER_EDIT);
	if (type == BROKER_HELLO) {
		must(request->hello.version == 1 && request->hello.importance <= AM_IMPORTANCE_MOST && request->hello.flags <= 3);
		must(memchr(request->hello.name, 0, 64) != NULL && memchr(request->hello.domain, 0, 64) != NULL && strpbrk(request->hello.domain, "\n\033") == NULL);
	} else if (type == BROKER_ALLOC) {
		must(is_kind(request->alloc.kind) && (request->alloc.bytes > 0 || request->alloc.kind == AM_KIND_CONVERSATION));
		must_be_data(request, message, bytes, request->alloc.bytes);
	} else if (type == BROKER_APPEND || type == BROKER_EDIT) {
		must(request->edit.offset <= BROKER_UNIT_MOST && request->edit.old_bytes <= BROKER_UNIT_MOST);
		must_be_data(request, message, bytes, request->edit.bytes);
	} else if (type == BROKER_CLAIM) {
		must(is_kind(request->claim.kind));
	} else if (type == BROKER_ASK) {
		must(request->ask.bytes > 0 && request->ask.bytes <= BROKER_UNIT_MOST);
	} else if (type == BROKER_STATE) {
		must(request->number.value >= AM_STATE_ACTIVE && request->number.value < AM_STATE_END);
	} else if (type == BROKER_IMPORTANCE) {
		must(request->number.value <= AM_IMPORTANCE_MOST);
	} else if (type == BROKER_LIST) {
		must(request->list.what <= 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request request;
	unsigned descriptors = size > 0 ? data[0] & 3u : 0;
	bool cut = size > 0 && (data[0] & 0x80) != 0;
	const uint8_t *message = data + 1;
	int error;

	if (size == 0)
		return 0;
	error = parse_request(message, size - 1, cut, descriptors, &request);
	must(error <= 0);
	if (error != 0)
		return 0;
	must(!cut && descriptors <= 1 && request.in_memfd == (descriptors == 1));
	must_hold(&request, message, size - 1);
	return 0;
}
