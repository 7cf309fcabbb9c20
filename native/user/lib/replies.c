/* SPDX-License-Identifier: Apache-2.0 */
#include "replies.h"

#include <errno.h>
#include <string.h>

#include "agentmem.h"

#define ERROR_MOST 4095

/* Bytes behind the head, and whether more may follow. A body that nothing follows may be longer than ours. */
static const struct {
	size_t bytes;
	bool has_data;
} shapes[BROKER_TYPE_END] = {
	[BROKER_HELLO] = { sizeof(struct broker_welcome), false },
	[BROKER_ASK] = { sizeof(struct broker_secret), false },
	[BROKER_CLAIM] = { sizeof(struct broker_unit), false },
	[BROKER_ALLOC] = { sizeof(struct broker_unit), false },
	[BROKER_APPEND] = { sizeof(struct broker_unit), false },
	[BROKER_FORK] = { sizeof(struct broker_unit), false },
	[BROKER_EDIT] = { sizeof(struct broker_unit), false },
	[BROKER_FIND] = { sizeof(struct broker_unit), false },
	[BROKER_MAP] = { sizeof(struct broker_unit), true },
	[BROKER_READ] = { sizeof(struct broker_bytes), true },
	[BROKER_STAT_UNIT] = { sizeof(struct broker_unit_stat), false },
	[BROKER_STAT] = { sizeof(struct broker_stat), false },
	[BROKER_LIST] = { sizeof(struct broker_listed), true },
	[BROKER_SETTINGS] = { sizeof(struct broker_settings), false },
};

static bool unit_is_sound(const struct broker_unit *unit)
{
	return unit->unit != 0 && unit->bytes <= BROKER_UNIT_MOST && unit->kind >= AGENTMEM_CONVERSATION && unit->kind <= AGENTMEM_OTHER;
}

static bool body_is_sound(const struct reply *reply)
{
	switch (reply->head.type) {
	case BROKER_CLAIM:
	case BROKER_ALLOC:
	case BROKER_APPEND:
	case BROKER_FORK:
	case BROKER_EDIT:
	case BROKER_FIND:
		return unit_is_sound(&reply->unit);
	case BROKER_MAP:
		return unit_is_sound(&reply->unit) && (reply->data_bytes == 0 || reply->data_bytes == reply->unit.bytes);
	case BROKER_READ:
		return reply->bytes.bytes <= BROKER_UNIT_MOST && (reply->data_bytes == 0 || reply->data_bytes == reply->bytes.bytes);
	case BROKER_STAT_UNIT:
		return reply->unit_stat.bytes <= BROKER_UNIT_MOST;
	case BROKER_LIST:
		return (uint64_t)reply->listed.count * reply->listed.line_bytes == reply->data_bytes && (reply->listed.count == 0 || reply->listed.line_bytes > 0);
	default:
		return true;
	}
}

int reply_parse(const void *message, size_t bytes, struct reply *reply)
{
	const uint8_t *at = message;
	size_t body_bytes;

	memset(reply, 0, sizeof(*reply));
	if (bytes < sizeof(reply->head))
		return -EPROTO;
	memcpy(&reply->head, at, sizeof(reply->head));
	at += sizeof(reply->head);
	bytes -= sizeof(reply->head);
	if (reply->head.magic != BROKER_MAGIC || reply->head.type == 0 || reply->head.type >= BROKER_TYPE_END)
		return -EPROTO;
	if (reply->head.bytes != bytes || reply->head.error > 0 || reply->head.error < -ERROR_MOST)
		return -EPROTO;
	if (reply->head.error != 0)
		return 0;
	body_bytes = shapes[reply->head.type].bytes;
	if (bytes < body_bytes)
		return -EPROTO;
	memcpy(&reply->welcome, at, body_bytes);
	if (shapes[reply->head.type].has_data) {
		reply->data = at + body_bytes;
		reply->data_bytes = bytes - body_bytes;
	}
	return body_is_sound(reply) ? 0 : -EPROTO;
}

int reply_line(const struct reply *reply, size_t index, void *line, size_t line_bytes)
{
	if (index >= reply->listed.count || reply->listed.line_bytes < line_bytes)
		return -EPROTO;
	memcpy(line, (const uint8_t *)reply->data + index * reply->listed.line_bytes, line_bytes);
	return 0;
}
