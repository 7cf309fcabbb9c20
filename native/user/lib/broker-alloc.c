/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "broker.h"
#include "common/digest.h"
#include "memfd.h"

/* Below, a proof would cost more messages than it saves memory. */
#define PROOF_LEAST_BYTES ((size_t)256 << 10)

int memfd_of(const void *data, size_t bytes, struct held *memfd)
{
	int fd, error;

	held_begin();
	fd = memfd_new();
	held_end(memfd, fd);
	if (fd < 0)
		return fd == -EMFILE || fd == -ENFILE ? fd : -ENOMEM;
	error = memfd_fill(fd, data, bytes);
	if (error != 0)
		held_close(memfd);
	return error;
}

/* Data in the message, or in a sealed memfd of its own. */
static int put_data(struct call *call, const void *data, size_t bytes, struct held *memfd)
{
	int error = 0;

	if (bytes <= BROKER_INLINE_MOST) {
		call->more = data;
		call->more_bytes = bytes;
	} else {
		error = memfd_of(data, bytes, memfd);
		call->fd = memfd->fd;
	}
	return error;
}

/*
 * Is it known? The broker begins to compute what only who has the bytes can
 * know, while we do; our one look over them gives the digest too. -ENOENT: no.
 */
static int prove(struct broker *broker, struct connection *connection, int kind, const void *data, size_t bytes, struct broker_unit *unit, struct am_digest *digest)
{
	struct broker_ask ask = { .bytes = bytes, .fingerprint = fingerprint_of(data, bytes) };
	struct broker_claim claim = { .kind = (uint32_t)kind };
	struct call question = CALL(.type = BROKER_ASK, .body = &ask, .body_bytes = sizeof(ask));
	struct call answer = CALL(.type = BROKER_CLAIM, .body = &claim, .body_bytes = sizeof(claim));
	struct proof_tag tag;
	int error = connection_call(connection, &question, broker->timeout_ms);

	call_end(&question);
	if (error != 0)
		return error;
	tag = digest_and_proof_of(question.reply.secret.secret, data, bytes, digest);
	claim.question = question.reply.secret.question;
	memcpy(claim.digest, digest->bytes, sizeof(claim.digest));
	claim.tag_low = tag.low;
	claim.tag_high = tag.high;
	error = connection_call(connection, &answer, broker->timeout_ms);
	*unit = answer.reply.unit;
	call_end(&answer);
	return error;
}

static int alloc_known(struct broker *broker, int kind, const void *data, size_t bytes, agentmem_unit_t *number)
{
	struct connection *connection;
	struct am_digest digest;
	struct broker_unit unit;
	uint64_t generation;
	int error;

	/* A connection has one question at a time. */
	pthread_mutex_lock(&broker->asking);
	error = broker_connection(broker, &connection, &generation);
	if (error == 0) {
		error = prove(broker, connection, kind, data, bytes, &unit, &digest);
		connection_put(connection);
	}
	pthread_mutex_unlock(&broker->asking);
	if (error == 0)
		error = known_hold(broker, generation, &unit, &digest, kind == AGENTMEM_CONVERSATION, number);
	return error;
}

static int alloc_whole(struct broker *broker, int kind, struct call *call, size_t bytes, agentmem_unit_t *number)
{
	struct broker_alloc body = { .kind = (uint32_t)kind, .bytes = bytes };
	struct request request = { .call = call, .can_repeat = true };
	int error;

	call->type = BROKER_ALLOC;
	call->body = &body;
	call->body_bytes = sizeof(body);
	error = broker_call(broker, &request);
	if (error == 0)
		error = known_hold(broker, request.generation, &call->reply.unit, NULL, kind == AGENTMEM_CONVERSATION, number);
	call_end(call);
	return error;
}

int broker_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *number)
{
	struct call call = CALL(.type = BROKER_ALLOC);
	struct held memfd = HELD_NONE;
	int error;

	if (bytes >= PROOF_LEAST_BYTES) {
		error = alloc_known(state, kind, data, bytes, number);
		/* Not known; or a broker that ends meanwhile, or has no room for questions: whole, then. */
		if (error != -ENOENT && error != -ECONNRESET && error != -ENOMEM)
			return error;
	}
	error = put_data(&call, data, bytes, &memfd);
	if (error == 0)
		error = alloc_whole(state, kind, &call, bytes, number);
	held_close(&memfd);
	return error;
}

int broker_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *number)
{
	struct call call = CALL(.type = BROKER_ALLOC);

	call.fd = memfd;
	return alloc_whole(state, kind, &call, bytes, number);
}

static int change(struct broker *broker, uint16_t type, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	struct broker_edit body = { .unit = unit, .offset = offset, .old_bytes = old_bytes, .bytes = new_bytes };
	struct call call = CALL(.type = type, .body = &body, .body_bytes = sizeof(body));
	struct request request = { .call = &call, .unit = unit, .remote = &body.unit };
	struct held memfd = HELD_NONE;
	int error = put_data(&call, data, new_bytes, &memfd);

	if (error == 0) {
		known_change_begins(broker, unit);
		error = broker_call(broker, &request);
		known_change_ends(broker, unit, error, request.generation, call.reply.unit.bytes, type == BROKER_APPEND);
	}
	call_end(&call);
	held_close(&memfd);
	return error;
}

int broker_append(void *state, agentmem_unit_t unit, const void *data, size_t bytes)
{
	return change(state, BROKER_APPEND, unit, 0, 0, data, bytes);
}

int broker_edit(void *state, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	if (offset > UNIT_BYTES_MOST || old_bytes > UNIT_BYTES_MOST)
		offset = old_bytes = UNIT_BYTES_MOST;
	return change(state, BROKER_EDIT, unit, offset, old_bytes, data, new_bytes);
}

int broker_fork(void *state, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork)
{
	struct broker *broker = state;
	struct broker_number number = { .unit = unit, .value = prefix_bytes };
	struct call call = CALL(.type = BROKER_FORK, .body = &number, .body_bytes = sizeof(number));
	struct request request = { .call = &call, .unit = unit, .remote = &number.unit, .can_repeat = true };
	int error = broker_call(broker, &request);

	if (error == 0)
		error = known_hold(broker, request.generation, &call.reply.unit, NULL, true, fork);
	call_end(&call);
	return error;
}
