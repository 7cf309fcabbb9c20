/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/parse.h"

#include <errno.h>
#include <string.h>

#include "core/policy.h"

/* Bytes of what follows the head; 0 in this table: no such request. */
struct shape {
	uint16_t bytes;
	bool data;	/* more follows, or comes in a memfd */
	bool known;
};

static const struct shape shapes[BROKER_TYPE_END] = {
	[BROKER_HELLO] = { sizeof(struct broker_hello), false, true },
	[BROKER_STATE] = { sizeof(struct broker_number), false, true },
	[BROKER_IMPORTANCE] = { sizeof(struct broker_number), false, true },
	[BROKER_ASK] = { sizeof(struct broker_ask), false, true },
	[BROKER_CLAIM] = { sizeof(struct broker_claim), false, true },
	[BROKER_ALLOC] = { sizeof(struct broker_alloc), true, true },
	[BROKER_APPEND] = { sizeof(struct broker_edit), true, true },
	[BROKER_FORK] = { sizeof(struct broker_number), false, true },
	[BROKER_EDIT] = { sizeof(struct broker_edit), true, true },
	[BROKER_SHARE] = { sizeof(struct broker_number), false, true },
	[BROKER_FIND] = { sizeof(struct broker_find), false, true },
	[BROKER_MARK_HOT] = { sizeof(struct broker_number), false, true },
	[BROKER_MAP] = { sizeof(struct broker_number), false, true },
	[BROKER_UNMAP] = { sizeof(struct broker_number), false, true },
	[BROKER_READ] = { sizeof(struct broker_read), false, true },
	[BROKER_STAT_UNIT] = { sizeof(struct broker_number), false, true },
	[BROKER_STAT] = { 0, false, true },
	[BROKER_FREE] = { sizeof(struct broker_number), false, true },
	[BROKER_LIST] = { sizeof(struct broker_list), false, true },
	[BROKER_SETTINGS] = { sizeof(struct broker_settings), false, true },
};

/* Ends inside of its field and holds nothing that a terminal would act on. */
static bool is_text(const char *text, size_t room)
{
	size_t length = strnlen(text, room);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return length < room;
}

static int check_kind(uint32_t kind, uint32_t reserved, uint64_t bytes)
{
	if (kind < AM_KIND_CONVERSATION || kind >= AM_KIND_END || reserved != 0)
		return -EINVAL;
	/* Only what can grow may begin with nothing. */
	return bytes == 0 && kind != AM_KIND_CONVERSATION ? -EINVAL : 0;
}

/* Said bytes are the ones that came, or as many as a memfd is to have. */
static int check_data(struct request *request, uint64_t said_bytes, uint64_t came_bytes)
{
	if (said_bytes > BROKER_UNIT_MOST)
		return -E2BIG;
	if (request->in_memfd ? came_bytes != 0 || said_bytes == 0 : came_bytes != said_bytes)
		return -EBADMSG;
	if (came_bytes > BROKER_INLINE_MOST)
		return -EMSGSIZE;
	request->data_bytes = said_bytes;
	return 0;
}

static int check_edit(const struct request *request)
{
	const struct broker_edit *edit = &request->edit;

	if (request->head.type == BROKER_APPEND)
		return edit->offset == 0 && edit->old_bytes == 0 ? 0 : -EINVAL;
	if (edit->offset > BROKER_UNIT_MOST || edit->old_bytes > BROKER_UNIT_MOST)
		return -EINVAL;
	return 0;
}

static int check_hello(struct broker_hello *hello)
{
	if (hello->version != 1)
		return -EPROTO;
	if (hello->importance > AM_IMPORTANCE_MOST || (hello->flags & ~3u) != 0 || hello->reserved != 0)
		return -EINVAL;
	return is_text(hello->name, sizeof(hello->name)) && is_text(hello->domain, sizeof(hello->domain)) ? 0 : -EINVAL;
}

static int check_settings(const struct broker_settings *settings)
{
	for (size_t i = 0; i < sizeof(settings->reserved) / sizeof(settings->reserved[0]); i++)
		if (settings->reserved[i] != 0)
			return -EINVAL;
	return 0;
}

static int check_body(struct request *request, uint64_t came_bytes)
{
	int error;

	switch (request->head.type) {
	case BROKER_HELLO:
		return check_hello(&request->hello);
	case BROKER_STATE:
		return request->number.unit == 0 && request->number.value >= AM_STATE_ACTIVE && request->number.value < AM_STATE_END ? 0 : -EINVAL;
	case BROKER_IMPORTANCE:
		return request->number.unit == 0 && request->number.value <= AM_IMPORTANCE_MOST ? 0 : -EINVAL;
	case BROKER_ASK:
		return request->ask.bytes > BROKER_UNIT_MOST ? -E2BIG : request->ask.bytes == 0 ? -EINVAL : 0;
	case BROKER_CLAIM:
		return check_kind(request->claim.kind, request->claim.reserved, 1);
	case BROKER_ALLOC:
		error = check_data(request, request->alloc.bytes, came_bytes);
		return error != 0 ? error : check_kind(request->alloc.kind, request->alloc.reserved, request->alloc.bytes);
	case BROKER_APPEND:
	case BROKER_EDIT:
		error = check_data(request, request->edit.bytes, came_bytes);
		return error != 0 ? error : check_edit(request);
	case BROKER_LIST:
		return request->list.what <= 1 && request->list.reserved == 0 ? 0 : -EINVAL;
	case BROKER_SETTINGS:
		return check_settings(&request->settings);
	default:
		return 0;
	}
}

int parse_request(const void *message, size_t bytes, bool cut, unsigned descriptors, struct request *request)
{
	const uint8_t *at = message;
	const struct shape *shape;

	memset(request, 0, sizeof(*request));
	if (bytes < sizeof(request->head)) {
		request->ends = true;
		return -EPROTO;
	}
	memcpy(&request->head, at, sizeof(request->head));
	at += sizeof(request->head);
	bytes -= sizeof(request->head);
	if (request->head.magic != BROKER_MAGIC) {
		request->ends = true;
		return -EPROTO;
	}
	if (cut || request->head.bytes > BROKER_MESSAGE_MOST)
		return -EMSGSIZE;
	if (request->head.bytes != bytes)
		return -EBADMSG;
	if (request->head.flags != 0 || request->head.error != 0)
		return -EINVAL;
	if (request->head.type >= BROKER_TYPE_END || !shapes[request->head.type].known)
		return -EOPNOTSUPP;
	shape = &shapes[request->head.type];
	if (descriptors > 1 || (descriptors == 1 && !shape->data))
		return -EINVAL;
	if (shape->data ? bytes < shape->bytes : bytes != shape->bytes)
		return -EBADMSG;
	memcpy(&request->hello, at, shape->bytes);
	request->in_memfd = descriptors == 1;
	request->data = at + shape->bytes;
	return check_body(request, bytes - shape->bytes);
}
