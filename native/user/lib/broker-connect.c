/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/host.h"
#include "broker.h"
#include "start.h"

/* Until a broker listens and has said who we are. */
#define CONNECT_MS 5000
/* After a failure nobody tries again for this long: each call would wait as long as the first. */
#define REST_MS 1000

static int hello(struct broker *broker, struct connection *connection, const uint8_t *token, bool is_again, struct broker_welcome *welcome)
{
	const struct wish *wish = &broker->wish;
	struct broker_hello body = { .version = 1, .importance = wish->importance, .quota_bytes = wish->quota_bytes, .flags = (wish->flags & AGENTMEM_OBSERVER) != 0 ? 1u : is_again && token != NULL ? 2u : 0 };
	struct call call = CALL(.type = BROKER_HELLO, .body = &body, .body_bytes = sizeof(body));
	int error;

	if (token != NULL)
		memcpy(body.token, token, sizeof(body.token));
	memcpy(body.name, wish->name, sizeof(body.name));
	memcpy(body.domain, wish->domain, sizeof(body.domain));
	error = connection_call(connection, &call, CONNECT_MS);
	*welcome = call.reply.welcome;
	call_end(&call);
	if (error == 0 && welcome->version != 1)
		error = -EPROTO;
	return error;
}

/* Says who we are. A broker that does not know our token any more has lost what we had; we are the same agent there. */
static int introduce(struct broker *broker, struct connection *connection, struct broker_welcome *welcome)
{
	bool is_again = atomic_load(&broker->generation) > 0;

	return hello(broker, connection, broker->wish.has_token ? broker->wish.token : NULL, is_again, welcome);
}

static void tell_state(struct broker *broker, struct connection *connection)
{
	struct broker_number number = { .value = (uint64_t)broker->how };
	struct call call = CALL(.type = BROKER_STATE, .body = &number, .body_bytes = sizeof(number));

	if (broker->how == AGENTMEM_ACTIVE)
		return;
	(void)connection_call(connection, &call, broker->timeout_ms);
	call_end(&call);
}

/* With `connecting` held. What `wish` and the numbers say is written by nobody else meanwhile but under `lock`. */
static int connect_anew(struct broker *broker, uint64_t end_ms, struct connection **result)
{
	struct held socket = HELD_NONE;
	struct broker_welcome welcome;
	struct connection *connection;
	uint64_t generation = atomic_load(&broker->generation);
	bool is_new;
	int error = start_connect(broker->wish.socket_path, (broker->wish.flags & AGENTMEM_NO_START) == 0, end_ms, broker->timeout_ms, &socket);

	if (error != 0)
		return error;
	connection = connection_new(&socket);
	if (connection == NULL)
		return -ENOMEM;
	error = introduce(broker, connection, &welcome);
	if (error != 0) {
		connection_break(connection);
		connection_put(connection);
		return error;
	}
	/* Gone for good and the same again is as empty as one of a new broker. */
	is_new = welcome.broker != broker->number || welcome.agent != broker->agent || welcome.is_new != 0;
	if (is_new && generation > 0)
		broker_restore(broker, connection, generation + 1);
	tell_state(broker, connection);
	pthread_mutex_lock(&broker->lock);
	broker->number = welcome.broker;
	broker->agent = welcome.agent;
	memcpy(broker->wish.token, welcome.token, sizeof(broker->wish.token));
	broker->wish.has_token = (broker->wish.flags & AGENTMEM_OBSERVER) == 0;
	if (is_new)
		atomic_store(&broker->generation, generation + 1);
	broker->connection = connection_get(connection);
	pthread_mutex_unlock(&broker->lock);
	*result = connection;
	return 0;
}

void broker_unlink(struct broker *broker, struct connection *connection)
{
	bool is_ours;

	pthread_mutex_lock(&broker->lock);
	is_ours = broker->connection == connection;
	if (is_ours)
		broker->connection = NULL;
	pthread_mutex_unlock(&broker->lock);
	if (is_ours)
		connection_put(connection);
}

struct connection *broker_present(struct broker *broker, uint64_t *generation)
{
	struct connection *connection;

	pthread_mutex_lock(&broker->lock);
	connection = broker->connection;
	if (connection != NULL)
		connection_get(connection);
	*generation = atomic_load(&broker->generation);
	pthread_mutex_unlock(&broker->lock);
	if (connection == NULL || !connection_is_lost(connection))
		return connection;
	broker_unlink(broker, connection);
	connection_put(connection);
	return NULL;
}

int broker_connection(struct broker *broker, struct connection **connection, uint64_t *generation)
{
	int error = 0;

	*connection = broker_present(broker, generation);
	if (*connection != NULL)
		return 0;
	pthread_mutex_lock(&broker->connecting);
	*connection = broker_present(broker, generation);
	if (*connection == NULL && now_ms() < broker->failed_until_ms) {
		error = broker->failed_error;
	} else if (*connection == NULL) {
		uint64_t end_ms = now_ms() + CONNECT_MS;

		/* One that ends while it gets to know us is followed by another. */
		do {
			error = connect_anew(broker, end_ms, connection);
		} while (error == -ECONNRESET && now_ms() < end_ms);
		*generation = atomic_load(&broker->generation);
		broker->failed_error = error;
		broker->failed_until_ms = error == 0 ? 0 : now_ms() + REST_MS;
	}
	pthread_mutex_unlock(&broker->connecting);
	/* There was one, and it could not be started again: later it may. */
	return *generation > 0 && (error == -ENODEV || error == -ETIMEDOUT) ? -ECONNRESET : error;
}
