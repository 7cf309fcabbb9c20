/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "broker.h"

/* Brokers that may end on one call before it fails. */
#define TRIES_MOST 3

static int try_once(struct broker *broker, struct request *request, struct connection *connection)
{
	int error = 0;

	if (request->unit != 0)
		error = known_resolve(broker, connection, request->generation, request->unit, request->remote);
	request->call->was_sent = false;
	if (error != 0) {
		request->call->is_lost = error == -ECONNRESET;
		return error;
	}
	return connection_call(connection, request->call, broker->timeout_ms);
}

/* The broker ended and what it did is not known: does it still have the unit? */
static int look_after(struct broker *broker, const struct request *request)
{
	struct connection *connection;
	uint64_t generation, remote;
	int error = broker_connection(broker, &connection, &generation);

	if (error != 0)
		return -ECONNRESET;
	error = request->unit == 0 ? 0 : known_resolve(broker, connection, generation, request->unit, &remote);
	connection_put(connection);
	return error == -ESTALE ? -ESTALE : -ECONNRESET;
}

int broker_call(struct broker *broker, struct request *request)
{
	struct connection *connection;
	int error;

	for (unsigned tries = 0; tries < TRIES_MOST; tries++) {
		error = broker_connection(broker, &connection, &request->generation);
		if (error != 0)
			return error;
		error = try_once(broker, request, connection);
		connection_put(connection);
		if (!request->call->is_lost)
			return error;
		call_end(request->call);
		if (request->call->was_sent && !request->can_repeat)
			return look_after(broker, request);
		request->was_repeated |= request->call->was_sent;
	}
	return -ECONNRESET;
}

int broker_tell(struct broker *broker, uint16_t type, agentmem_unit_t unit, uint64_t value, bool can_repeat)
{
	struct broker_number number = { .unit = unit, .value = value };
	struct call call = CALL(.type = type, .body = &number, .body_bytes = sizeof(number));
	struct request request = { .call = &call, .unit = unit, .remote = &number.unit, .can_repeat = can_repeat };
	int error = broker_call(broker, &request);

	call_end(&call);
	return error;
}
