/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, and the public functions about the agent as a whole. */
#include <errno.h>
#include <pthread.h>
#include <limits.h>
#include <stdlib.h>

#include "lib.h"
#include "maps.h"
#include "sizes.h"

/* In the order in which AGENTMEM_AUTO tries them. */
static const struct operations *const backends[] = { &module_operations, &broker_operations, &private_operations };

/* What a later backend has to say: that it is not there is no news after a refusal. */
static int worse(int before, int error)
{
	return error == -ENODEV ? before : error;
}

static int open_backend(struct agentmem *am, struct wish *wish, int backend)
{
	int error = -ENODEV;

	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (backend != AGENTMEM_AUTO && backends[i]->backend != (enum agentmem_backend)backend)
			continue;
		/* In private memory nobody is to be looked at, and an agent of a token would be another one: the broker's error is told. */
		if (backend == AGENTMEM_AUTO && backends[i]->backend == AGENTMEM_PRIVATE && (wish->has_token || (wish->flags & AGENTMEM_OBSERVER) != 0))
			break;
		am->operations = backends[i];
		error = worse(error, am->operations->open(wish, &am->state));
		if (error == 0)
			break;
		/* An agent that the module does not have may be one of a broker that runs; a new one has it as little. */
		if (error == -EACCES)
			wish->flags |= AGENTMEM_NO_START;
	}
	return error;
}

int call_begins(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

void call_ends(const int *cancel_before)
{
	pthread_setcancelstate(*cancel_before, NULL);
}

PUBLIC int agentmem_open(agentmem_t **result, const struct agentmem_options *options)
{
	WHOLE_CALL;
	struct agentmem *am;
	struct wish wish;
	int backend, error;

	if (result == NULL)
		return -EINVAL;
	*result = NULL;
	error = wish_of(options, &wish, &backend);
	if (error != 0)
		return error;
	fork_check();
	am = calloc(1, sizeof(*am));
	if (am == NULL)
		return -ENOMEM;
	am->is_observer = (wish.flags & AGENTMEM_OBSERVER) != 0;
	error = open_backend(am, &wish, backend);
	if (error == 0) {
		error = fork_watch(am);
		if (error != 0)
			am->operations->close(am->state);
	}
	if (error != 0) {
		free(am);
		return error;
	}
	*result = am;
	return 0;
}

PUBLIC void agentmem_close(agentmem_t *am)
{
	WHOLE_CALL;
	if (am == NULL)
		return;
	fork_check();
	fork_forget(am);
	am->operations->close(am->state);
	free(am);
}

PUBLIC int agentmem_backend(const agentmem_t *am)
{
	return am == NULL ? -EINVAL : (int)am->operations->backend;
}

PUBLIC int agentmem_unmap(agentmem_t *am, const void *data)
{
	WHOLE_CALL;
	if (data == NULL)
		return -EINVAL;
	if (am == NULL)
		return maps_drop_orphan(data) ? 0 : -EINVAL;
	fork_check();
	return am->operations->unmap(am->state, data);
}

PUBLIC int agentmem_set_state(agentmem_t *am, int state)
{
	WHOLE_CALL;
	if (am == NULL || state < AGENTMEM_ACTIVE || state > AGENTMEM_SUSPENDED)
		return -EINVAL;
	fork_check();
	return am->is_observer ? -ENOENT : am->operations->set_state(am->state, state);
}

PUBLIC int agentmem_set_importance(agentmem_t *am, uint32_t importance)
{
	WHOLE_CALL;
	if (am == NULL || importance > IMPORTANCE_MOST)
		return -EINVAL;
	fork_check();
	return am->is_observer ? -ENOENT : am->operations->set_importance(am->state, importance);
}

PUBLIC int agentmem_stat(agentmem_t *am, struct agentmem_stat *stat)
{
	WHOLE_CALL;
	struct agentmem_stat all = { 0 };
	int error;

	if (am == NULL || stat == NULL || !sized_is_good(stat->size, offsetof(struct agentmem_stat, token)))
		return -EINVAL;
	fork_check();
	error = am->operations->stat(am->state, &all);
	if (error != 0)
		return error;
	all.backend = am->operations->backend;
	sized_out(stat, stat->size, &all, sizeof(all));
	return 0;
}

PUBLIC int agentmem_agents(agentmem_t *am, uint64_t after, struct agentmem_agent_line *lines, unsigned most)
{
	WHOLE_CALL;
	if (am == NULL || (lines == NULL && most > 0))
		return -EINVAL;
	fork_check();
	return most == 0 ? 0 : am->operations->agents(am->state, after, lines, most < INT_MAX ? most : INT_MAX);
}

PUBLIC int agentmem_units(agentmem_t *am, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	WHOLE_CALL;
	if (am == NULL || (lines == NULL && most > 0))
		return -EINVAL;
	fork_check();
	return most == 0 ? 0 : am->operations->units(am->state, agent, after, lines, most < INT_MAX ? most : INT_MAX);
}

PUBLIC int agentmem_settings(agentmem_t *am, struct agentmem_settings *settings)
{
	WHOLE_CALL;
	struct agentmem_settings all = { 0 };
	size_t size;
	int error;

	if (am == NULL || settings == NULL)
		return -EINVAL;
	size = settings->size;
	if (!sized_in(&all, sizeof(all), settings, size, offsetof(struct agentmem_settings, cold_after_ms)))
		return -EINVAL;
	fork_check();
	error = am->operations->settings(am->state, &all);
	if (error == 0)
		sized_out(settings, size, &all, sizeof(all));
	return error;
}
