/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions about units: arguments are checked here, once for all backends. */
#include <errno.h>
#include <limits.h>

#include "lib.h"
#include "memfd.h"
#include "sizes.h"

/* The error of a call about units before a backend is asked; 0 to go on. */
static int early(const agentmem_t *am, bool is_sound)
{
	if (am == NULL || !is_sound)
		return -EINVAL;
	fork_check();
	return am->is_observer ? -ENOENT : 0;
}

static bool is_kind(int kind)
{
	return kind >= AGENTMEM_CONVERSATION && kind <= AGENTMEM_OTHER;
}

PUBLIC int agentmem_alloc(agentmem_t *am, int kind, const void *data, size_t bytes, agentmem_unit_t *unit)
{
	WHOLE_CALL;
	bool has_bytes = bytes > 0 ? data != NULL : kind == AGENTMEM_CONVERSATION;
	int error = early(am, is_kind(kind) && has_bytes && unit != NULL);

	if (error != 0)
		return error;
	*unit = 0;
	if (bytes > UNIT_BYTES_MOST)
		return -E2BIG;
	return am->operations->alloc(am->state, kind, data, bytes, unit);
}

PUBLIC int agentmem_alloc_fd(agentmem_t *am, int kind, int memfd, agentmem_unit_t *unit)
{
	WHOLE_CALL;
	int error = early(am, is_kind(kind) && unit != NULL);
	uint64_t bytes;

	if (error != 0)
		return error;
	*unit = 0;
	error = memfd_is_sealed(memfd, &bytes);
	if (error != 0)
		return error;
	if (bytes > UNIT_BYTES_MOST)
		return -E2BIG;
	if (bytes == 0)
		return kind == AGENTMEM_CONVERSATION ? am->operations->alloc(am->state, kind, NULL, 0, unit) : -EINVAL;
	return am->operations->alloc_fd(am->state, kind, memfd, (size_t)bytes, unit);
}

PUBLIC int agentmem_append(agentmem_t *am, agentmem_unit_t unit, const void *data, size_t bytes)
{
	WHOLE_CALL;
	int error = early(am, bytes == 0 || data != NULL);

	if (error != 0)
		return error;
	return bytes > UNIT_BYTES_MOST ? -E2BIG : am->operations->append(am->state, unit, data, bytes);
}

PUBLIC int agentmem_fork(agentmem_t *am, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork)
{
	WHOLE_CALL;
	int error = early(am, fork != NULL);

	if (error != 0)
		return error;
	*fork = 0;
	return am->operations->fork(am->state, unit, prefix_bytes == SIZE_MAX ? UINT64_MAX : prefix_bytes, fork);
}

PUBLIC int agentmem_edit(agentmem_t *am, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	WHOLE_CALL;
	int error = early(am, new_bytes == 0 || data != NULL);

	if (error != 0)
		return error;
	return new_bytes > UNIT_BYTES_MOST ? -E2BIG : am->operations->edit(am->state, unit, offset, old_bytes, data, new_bytes);
}

PUBLIC int agentmem_share(agentmem_t *am, agentmem_unit_t unit, uint64_t agent)
{
	WHOLE_CALL;
	int error = early(am, true);

	return error != 0 ? error : am->operations->share(am->state, unit, agent);
}

PUBLIC int agentmem_find(agentmem_t *am, const uint8_t digest[AGENTMEM_DIGEST_BYTES], agentmem_unit_t *unit)
{
	WHOLE_CALL;
	int error = early(am, digest != NULL && unit != NULL);

	if (error != 0)
		return error;
	*unit = 0;
	return am->operations->find(am->state, digest, unit);
}

PUBLIC int agentmem_mark_hot(agentmem_t *am, agentmem_unit_t unit)
{
	WHOLE_CALL;
	int error = early(am, true);

	return error != 0 ? error : am->operations->mark_hot(am->state, unit);
}

PUBLIC int agentmem_map(agentmem_t *am, agentmem_unit_t unit, const void **data, size_t *bytes)
{
	WHOLE_CALL;
	int error = early(am, data != NULL && bytes != NULL);

	if (error != 0)
		return error;
	*data = NULL;
	*bytes = 0;
	return am->operations->map(am->state, unit, data, bytes);
}

PUBLIC ssize_t agentmem_read(agentmem_t *am, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes)
{
	WHOLE_CALL;
	int error = early(am, bytes == 0 || buffer != NULL);

	if (error != 0)
		return error;
	return am->operations->read(am->state, unit, offset, buffer, bytes < SSIZE_MAX ? bytes : SSIZE_MAX);
}

PUBLIC int agentmem_stat_unit(agentmem_t *am, agentmem_unit_t unit, struct agentmem_unit_stat *stat)
{
	WHOLE_CALL;
	struct agentmem_unit_stat all = { 0 };
	int error = early(am, stat != NULL && sized_is_good(stat->size, offsetof(struct agentmem_unit_stat, stored_bytes)));

	if (error == 0)
		error = am->operations->stat_unit(am->state, unit, &all);
	if (error == 0)
		sized_out(stat, stat->size, &all, sizeof(all));
	return error;
}

PUBLIC int agentmem_free(agentmem_t *am, agentmem_unit_t unit)
{
	WHOLE_CALL;
	int error = early(am, true);

	return error != 0 ? error : am->operations->free(am->state, unit);
}
