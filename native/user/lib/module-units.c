/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "common/digest.h"
#include "memfd.h"

/* What this agent holds already, once more. */
static int hold_known(struct module *module, int kind, const uint8_t *digest, agentmem_unit_t *unit)
{
	struct agentmem_abi_alloc args = ABI(alloc, .flags = AGENTMEM_ABI_BY_DIGEST, .kind = (uint32_t)kind);
	int error;

	memcpy(args.digest, digest, sizeof(args.digest));
	error = module_ask(module, AGENTMEM_IOC_ALLOC, &args);
	if (error == 0)
		*unit = args.unit;
	return error;
}

int module_alloc(void *state, int kind, const void *data, size_t bytes, agentmem_unit_t *unit)
{
	struct agentmem_abi_alloc args = ABI(alloc, .kind = (uint32_t)kind, .data = (uintptr_t)data, .bytes = bytes);
	struct am_digest digest;
	int error = module_ask(state, AGENTMEM_IOC_ALLOC, &args);

	if (error == 0)
		*unit = args.unit;
	if (error != -EDQUOT || kind == AGENTMEM_CONVERSATION)
		return error;
	/* What is on its way counts in the module; what it holds already costs this agent nothing. */
	digest_of(data, bytes, &digest);
	return hold_known(state, kind, digest.bytes, unit) == 0 ? 0 : -EDQUOT;
}

int module_alloc_fd(void *state, int kind, int memfd, size_t bytes, agentmem_unit_t *unit)
{
	void *data = memfd_map(memfd, bytes);
	int error;

	if (data == NULL)
		return -ENOMEM;
	error = module_alloc(state, kind, data, bytes, unit);
	munmap(data, bytes);
	return error;
}

int module_append(void *state, agentmem_unit_t unit, const void *data, size_t bytes)
{
	struct agentmem_abi_edit args = ABI(edit, .unit = unit, .data = (uintptr_t)data, .bytes = bytes);

	return module_ask(state, AGENTMEM_IOC_APPEND, &args);
}

int module_edit(void *state, agentmem_unit_t unit, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	struct agentmem_abi_edit args = ABI(edit, .unit = unit, .offset = offset, .old_bytes = old_bytes, .data = (uintptr_t)data, .bytes = new_bytes);

	return module_ask(state, AGENTMEM_IOC_EDIT, &args);
}

int module_fork(void *state, agentmem_unit_t unit, uint64_t prefix_bytes, agentmem_unit_t *fork)
{
	struct agentmem_abi_fork args = ABI(fork, .unit = unit, .prefix_bytes = prefix_bytes);
	int error = module_ask(state, AGENTMEM_IOC_FORK, &args);

	if (error == 0)
		*fork = args.fork;
	return error;
}

int module_share(void *state, agentmem_unit_t unit, uint64_t agent)
{
	struct agentmem_abi_share args = ABI(share, .unit = unit, .agent = agent, .fd = -1);

	/* To the module it would mean to take what a descriptor is of. */
	return agent == 0 ? -ENOENT : module_ask(state, AGENTMEM_IOC_SHARE, &args);
}

int module_find(void *state, const uint8_t *digest, agentmem_unit_t *unit)
{
	int error = hold_known(state, AGENTMEM_OTHER, digest, unit);

	if (error == -ENOENT)
		error = hold_known(state, AGENTMEM_CONVERSATION, digest, unit);
	/* Looking is no hold. */
	if (error == 0)
		(void)module_free(state, *unit);
	return error;
}

int module_mark_hot(void *state, agentmem_unit_t unit)
{
	struct agentmem_abi_unit args = ABI(unit, .unit = unit);

	return module_ask(state, AGENTMEM_IOC_MARK_HOT, &args);
}

ssize_t module_read(void *state, agentmem_unit_t unit, uint64_t offset, void *buffer, size_t bytes)
{
	struct agentmem_abi_read args = ABI(read, .unit = unit);
	size_t done = 0;

	do {
		int error;

		args.offset = offset > UINT64_MAX - done ? UINT64_MAX : offset + done;
		args.data = (uintptr_t)buffer + done;
		args.bytes = bytes - done;
		error = module_ask(state, AGENTMEM_IOC_READ, &args);
		if (error != 0)
			return error;
		done += (size_t)args.bytes;
	} while (args.bytes > 0 && done < bytes);
	return (ssize_t)done;
}

int module_free(void *state, agentmem_unit_t unit)
{
	struct agentmem_abi_unit args = ABI(unit, .unit = unit);

	return module_ask(state, AGENTMEM_IOC_FREE, &args);
}
