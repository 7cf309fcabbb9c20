/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker may send to the library. Each input is messages one after the
 * other, each with its length in front; what is taken from them is read, so
 * that a length that is not true is found.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agentmem.h"
#include "lib/replies.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void read_all(const void *bytes, size_t count)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < count; i++)
		sink = (uint8_t)(sink + at[i]);
}

static void must(int condition)
{
	if (!condition)
		abort();
}

static void look_at(const struct reply *reply)
{
	struct agentmem_agent_line agent;
	struct agentmem_unit_line unit;

	must(reply->head.type > 0 && reply->head.type < BROKER_TYPE_END && reply->head.error <= 0);
	read_all(reply, sizeof(*reply));
	read_all(reply->data, reply->data_bytes);
	if (reply->head.error != 0) {
		must(reply->data_bytes == 0 && reply->unit.unit == 0);
		return;
	}
	if (reply->head.type == BROKER_MAP)
		must(reply->unit.bytes <= BROKER_UNIT_MOST && (reply->data_bytes == 0 || reply->data_bytes == reply->unit.bytes));
	if (reply->head.type == BROKER_READ)
		must(reply->data_bytes == 0 || reply->data_bytes == reply->bytes.bytes);
	if (reply->head.type != BROKER_LIST)
		return;
	/* One more than there are. */
	for (size_t i = 0; i <= reply->listed.count && i < 2000; i++) {
		int first = reply_line(reply, i, &agent, sizeof(agent)), second = reply_line(reply, i, &unit, sizeof(unit));

		must(i < reply->listed.count || (first != 0 && second != 0));
		if (first == 0)
			read_all(&agent, sizeof(agent));
		if (second == 0)
			read_all(&unit, sizeof(unit));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply reply;

	while (size >= 2) {
		size_t bytes = (size_t)data[0] | (size_t)data[1] << 8;
		uint8_t *message;

		data += 2;
		size -= 2;
		if (bytes > size)
			bytes = size;
		/* Of its own, so that one byte beyond is seen. */
		message = malloc(bytes == 0 ? 1 : bytes);
		must(message != NULL);
		memcpy(message, data, bytes);
		/* Mostly the rest is what matters: the head is made right where it is nearly so. */
		if (bytes >= sizeof(struct broker_head) && (message[3] & 1) != 0) {
			struct broker_head head;

			memcpy(&head, message, sizeof(head));
			head.magic = BROKER_MAGIC;
			head.type = (uint16_t)(head.type % (BROKER_TYPE_END + 1));
			head.error = head.error > 0 ? 0 : head.error;
			head.bytes = (uint32_t)(bytes - sizeof(head));
			memcpy(message, &head, sizeof(head));
		}
		if (reply_parse(message, bytes, &reply) == 0)
			look_at(&reply);
		free(message);
		data += bytes;
		size -= bytes;
	}
	return 0;
}
