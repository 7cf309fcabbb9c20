/* SPDX-License-Identifier: Apache-2.0 */
#include "broker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* A broker that has said nothing for so long hangs; digests of 4 GiB and slow disks take less. */
#define TIMEOUT_MS 120000
/* Of mapped memfds, and of what the process may have: what is beyond is copied if the broker is lost. */
#define KEPT_FDS_MOST 1024
#define KEPT_FDS_PART 8

static uint64_t timeout_ms(void)
{
	const char *asked = secure_getenv("AGENTMEM_TIMEOUT_MS");
	unsigned long ms = asked == NULL ? 0 : strtoul(asked, NULL, 10);

	return ms == 0 || ms > 24 * 3600 * 1000 ? TIMEOUT_MS : ms;
}

static unsigned kept_fds_most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / KEPT_FDS_PART > KEPT_FDS_MOST)
		return KEPT_FDS_MOST;
	return (unsigned)(limit.rlim_cur / KEPT_FDS_PART);
}

static void new_locks(struct broker *broker)
{
	pthread_mutexattr_t spinning;

	pthread_mutex_init(&broker->asking, NULL);
	pthread_mutex_init(&broker->connecting, NULL);
	pthread_mutex_init(&broker->lock, NULL);
	/* Held for less than a message takes, and never across one. */
	pthread_mutexattr_init(&spinning);
	pthread_mutexattr_settype(&spinning, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(&broker->units_lock, &spinning);
	pthread_mutexattr_destroy(&spinning);
}

static void broker_close(void *state)
{
	struct broker *broker = state;
	struct connection *connection = broker->connection;

	broker_orphan_maps(broker);
	if (connection != NULL) {
		connection_break(connection);
		connection_put(connection);
	}
	known_close(broker);
	pthread_mutex_destroy(&broker->units_lock);
	pthread_mutex_destroy(&broker->lock);
	pthread_mutex_destroy(&broker->connecting);
	pthread_mutex_destroy(&broker->asking);
	free(broker);
}

static int broker_open(const struct wish *wish, void **state)
{
	struct broker *broker = calloc(1, sizeof(*broker));
	struct connection *connection;
	uint64_t generation;
	int error;

	if (broker == NULL)
		return -ENOMEM;
	broker->wish = *wish;
	broker->timeout_ms = timeout_ms();
	broker->how = AGENTMEM_ACTIVE;
	broker->kept_fds_most = kept_fds_most();
	atomic_store(&broker->has_company, wish->has_token);
	error = known_open(broker);
	if (error != 0) {
		free(broker);
		return error;
	}
	new_locks(broker);
	error = broker_connection(broker, &connection, &generation);
	if (error != 0) {
		broker_close(broker);
		/* By which a token is refused that nobody has. */
		return error == -ENOENT ? -EACCES : error == -ECONNRESET ? -ENODEV : error;
	}
	connection_put(connection);
	*state = broker;
	return 0;
}

static int broker_set_state(void *state, int how)
{
	struct broker *broker = state;
	int error = broker_tell(broker, BROKER_STATE, 0, (uint64_t)how, true);

	if (error == 0) {
		pthread_mutex_lock(&broker->connecting);
		broker->how = how;
		pthread_mutex_unlock(&broker->connecting);
	}
	return error;
}

static int broker_set_importance(void *state, uint32_t importance)
{
	struct broker *broker = state;
	int error = broker_tell(broker, BROKER_IMPORTANCE, 0, importance, true);

	if (error == 0) {
		pthread_mutex_lock(&broker->connecting);
		broker->wish.importance = importance == 0 ? IMPORTANCE_USUAL : importance;
		pthread_mutex_unlock(&broker->connecting);
	}
	return error;
}

static int broker_share(void *state, agentmem_unit_t unit, uint64_t agent)
{
	known_not_own(state, unit);
	/* Twice is a hold too many of the other's, which ends with it. */
	return broker_tell(state, BROKER_SHARE, unit, agent, true);
}

static int broker_mark_hot(void *state, agentmem_unit_t unit)
{
	return broker_tell(state, BROKER_MARK_HOT, unit, 0, true);
}

static int broker_free(void *state, agentmem_unit_t unit)
{
	return known_free(state, unit);
}

static int broker_stat_told(void *state, struct agentmem_stat *stat)
{
	struct broker *broker = state;

	/* From now on the caller may hand it to another process. */
	atomic_store(&broker->has_company, true);
	return broker_stat(state, stat);
}

static void broker_before_fork(void *state)
{
	struct broker *broker = state;

	atomic_store(&broker->has_company, true);
	pthread_mutex_lock(&broker->lock);
	pthread_mutex_lock(&broker->units_lock);
	if (broker->connection != NULL)
		connection_before_fork(broker->connection);
}

static void uncount(void *context, struct mapping *mapping)
{
	(void)context;
	mapping->is_counted = false;
}

static void broker_after_fork(void *state, enum fork_side side)
{
	struct broker *broker = state;

	if (broker->connection != NULL)
		connection_after_fork(broker->connection, side);
	fork_unlock(&broker->units_lock, side);
	fork_unlock(&broker->lock, side);
	if (side == FORK_PARENT)
		return;
	/* Held across messages by threads that are not here. */
	pthread_mutex_init(&broker->asking, NULL);
	pthread_mutex_init(&broker->connecting, NULL);
	broker->connection = NULL;
	broker->failed_until_ms = 0;
	atomic_store(&broker->has_company, true);
	/* Its mappings are there as before; the broker counts the parent's. */
	maps_each(broker, uncount, NULL);
}

const struct operations broker_operations = {
	.backend = AGENTMEM_BROKER,
	.open = broker_open,
	.close = broker_close,
	.set_state = broker_set_state,
	.set_importance = broker_set_importance,
	.alloc = broker_alloc,
	.alloc_fd = broker_alloc_fd,
	.append = broker_append,
	.fork = broker_fork,
	.edit = broker_edit,
	.share = broker_share,
	.find = broker_find,
	.mark_hot = broker_mark_hot,
	.map = broker_map,
	.unmap = broker_unmap,
	.read = broker_read,
	.stat_unit = broker_stat_unit,
	.stat = broker_stat_told,
	.free = broker_free,
	.agents = broker_agents,
	.units = broker_units,
	.settings = broker_settings,
	.before_fork = broker_before_fork,
	.after_fork = broker_after_fork,
};
