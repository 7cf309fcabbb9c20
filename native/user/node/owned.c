/* SPDX-License-Identifier: Apache-2.0 */
/* Units that JavaScript has to free, and how many times: what is left of them goes with the handle. */
#include <errno.h>
#include <stdlib.h>

#include "handle.h"
#include "lib/host.h"

struct owned {
	struct am_entry entry;		/* by number */
	unsigned holds;
};

static bool add(struct handle *handle, agentmem_unit_t unit)
{
	struct owned *owned;

	if (handle->owned == NULL)
		handle->owned = lib_table();
	if (handle->owned == NULL)
		return false;
	owned = (struct owned *)am_table_find(handle->owned, unit);
	if (owned == NULL) {
		owned = calloc(1, sizeof(*owned));
		if (owned == NULL)
			return false;
		owned->entry.number = unit;
		if (!am_table_add(handle->owned, &owned->entry)) {
			free(owned);
			return false;
		}
	}
	owned->holds++;
	return true;
}

bool handle_own(struct handle *handle, agentmem_unit_t unit)
{
	bool done;

	pthread_mutex_lock(&handle->lock);
	done = add(handle, unit);
	pthread_mutex_unlock(&handle->lock);
	return done;
}

static bool take(struct handle *handle, agentmem_unit_t unit)
{
	struct owned *owned = handle->owned == NULL ? NULL : (struct owned *)am_table_find(handle->owned, unit);

	if (owned == NULL)
		return false;
	if (--owned->holds == 0) {
		am_table_remove(handle->owned, &owned->entry);
		free(owned);
	}
	return true;
}

bool handle_disown(struct handle *handle, agentmem_unit_t unit)
{
	bool done;

	pthread_mutex_lock(&handle->lock);
	done = take(handle, unit);
	pthread_mutex_unlock(&handle->lock);
	return done;
}

struct leaving {
	struct am_table *table;
	agentmem_t *am;
};

/* With a broker that has gone its units have gone: it is not asked, and waited for, once for each. */
static bool is_gone(int error)
{
	return error == -ECONNRESET || error == -ENODEV || error == -ETIMEDOUT || error == -EPROTO || error == -EACCES;
}

static bool leave(void *context, struct am_entry *entry)
{
	struct leaving *leaving = context;
	struct owned *owned = (struct owned *)entry;

	for (; leaving->am != NULL && owned->holds > 0; owned->holds--) {
		if (is_gone(agentmem_free(leaving->am, entry->number)))
			leaving->am = NULL;
	}
	am_table_remove(leaving->table, entry);
	free(owned);
	return true;
}

void handle_free_owned(struct handle *handle, agentmem_t *am)
{
	struct leaving leaving = { .table = handle->owned, .am = am };

	handle->owned = NULL;
	if (leaving.table == NULL)
		return;
	am_table_each(leaving.table, leave, &leaving);
	am_table_close(leaving.table);
}
