/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"

/* Asked for at once: the broker keeps so much plain for a moment. */
#define STEP_BYTES ((size_t)16 << 20)

/* From the own mapping, which stays meanwhile; -ENOENT where there is none. */
static ssize_t read_mapped(struct broker *broker, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes)
{
	struct mapping *mapping;

	pthread_mutex_lock(&broker->units_lock);
	mapping = broker_use_mapping(broker, unit);
	pthread_mutex_unlock(&broker->units_lock);
	if (mapping == NULL)
		return -ENOENT;
	if (offset >= mapping->bytes)
		bytes = 0;
	else if (bytes > mapping->bytes - offset)
		bytes = mapping->bytes - (size_t)offset;
	if (bytes > 0)
		memcpy(buffer, (const char *)mapping->data + offset, bytes);
	(void)broker_unmap(broker, mapping->data);
	return (ssize_t)bytes;
}

static int read_memfd(int fd, char *buffer, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t part = pread(fd, buffer + done, bytes - done, (off_t)done);

		if (part < 0 && errno == EINTR)
			continue;
		if (part <= 0)
			return part < 0 && errno == EFAULT ? -EFAULT : -EPROTO;
		done += (size_t)part;
	}
	return 0;
}

/* One question: how much there was, 0 at the end. */
static ssize_t read_some(struct broker *broker, agentmem_unit_t unit, uint64_t offset, char *buffer, size_t bytes)
{
	struct broker_read body = { .unit = unit, .offset = offset, .bytes = bytes };
	struct call call = CALL(.type = BROKER_READ, .body = &body, .body_bytes = sizeof(body), .room = buffer, .room_bytes = bytes);
	struct request request = { .call = &call, .unit = unit, .remote = &body.unit, .can_repeat = true };
	uint64_t there;
	int error = broker_call(broker, &request);

	there = call.reply.bytes.bytes;
	if (error == 0 && there > bytes)
		error = -EPROTO;
	else if (error == 0 && there > 0 && call.reply_fd.fd >= 0)
		error = read_memfd(call.reply_fd.fd, buffer, (size_t)there);
	else if (error == 0 && call.reply.data_bytes != there)
		error = -EPROTO;
	call_end(&call);
	return error != 0 ? error : (ssize_t)there;
}

ssize_t broker_read(void *state, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes)
{
	struct broker *broker = state;
	ssize_t part = read_mapped(broker, unit, offset, buffer, bytes);
	size_t done = 0;

	if (part != -ENOENT)
		return part;
	do {
		size_t step = bytes - done < STEP_BYTES ? bytes - done : STEP_BYTES;

		part = read_some(broker, unit, offset + done, (char *)buffer + done, step);
		if (part < 0)
			return part;
		done += (size_t)part;
	} while (part > 0 && done < bytes);
	return (ssize_t)done;
}
