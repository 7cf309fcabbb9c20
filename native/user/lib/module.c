/* SPDX-License-Identifier: Apache-2.0 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "held.h"
#include "host.h"

#define DEVICE "/dev/agentmem"
#define FEATURES_NEEDED (AGENTMEM_ABI_FEATURE_CONVERSATIONS | AGENTMEM_ABI_FEATURE_EDIT)

int module_ask(const struct module *module, unsigned long request, void *args)
{
	int result;

	/* What was interrupted has not begun: each call is whole or nothing. */
	do {
		result = ioctl(module->fd, request, args);
	} while (result < 0 && errno == EINTR);
	if (result >= 0)
		return 0;
	switch (errno) {
	case EBADF:
	case ENOTTY:
		/* The program has closed our descriptor, and another one may have its number. */
		return -ECONNRESET;
	case ERANGE:
		return -EINVAL;
	case EPERM:
		return -EACCES;
	default:
		return -errno;
	}
}

/* What says that there is none for us, as in a container without the device. */
static int open_error(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ? -error : -ENODEV;
}

static int open_device(struct module *module)
{
	struct held device = HELD_NONE;
	struct stat st;
	int fd, error = 0;

	/* Until it is ours a child of another thread must not have it. */
	held_begin();
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		error = open_error(errno);
	held_end(&device, fd);
	if (error == 0 && (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode)))
		error = -ENODEV;
	if (error != 0)
		held_close(&device);
	else
		module->fd = held_keep(&device);
	return error;
}

static int check_version(const struct module *module)
{
	struct agentmem_abi_info info = ABI(info);
	int error = module_ask(module, AGENTMEM_IOC_INFO, &info);

	if (error != 0)
		return -ENODEV;
	return info.abi_version == AGENTMEM_ABI_VERSION && (info.features & FEATURES_NEEDED) == FEATURES_NEEDED ? 0 : -EPROTO;
}

static int introduce(const struct module *module, const struct wish *wish)
{
	struct agentmem_abi_register args = ABI(register, .importance = wish->importance, .quota_bytes = wish->quota_bytes);

	if (module->is_observer)
		return 0;
	/* 16 zeros would be a wish for a new agent. */
	if (wish->has_token && memcmp(wish->token, (uint8_t[AGENTMEM_TOKEN_BYTES]){ 0 }, sizeof(wish->token)) == 0)
		return -EACCES;
	if (wish->has_token)
		memcpy(args.token, wish->token, sizeof(args.token));
	memcpy(args.name, wish->name, sizeof(args.name));
	memcpy(args.domain, wish->domain, sizeof(args.domain));
	return module_ask(module, AGENTMEM_IOC_REGISTER, &args);
}

static bool forget(void *context, struct am_entry *entry)
{
	am_table_remove(context, entry);
	return true;
}

static void module_close(void *state)
{
	struct module *module = state;

	maps_orphan(module);
	am_table_each(module->mapped, forget, module->mapped);
	am_table_close(module->mapped);
	if (module->fd >= 0)
		close(module->fd);
	pthread_mutex_destroy(&module->lock);
	free(module);
}

static int module_open(const struct wish *wish, void **state)
{
	struct module *module = calloc(1, sizeof(*module));
	int error;

	if (module == NULL)
		return -ENOMEM;
	module->fd = -1;
	module->is_observer = (wish->flags & AGENTMEM_OBSERVER) != 0;
	module->mapped = lib_table();
	if (module->mapped == NULL) {
		free(module);
		return -ENOMEM;
	}
	pthread_mutex_init(&module->lock, NULL);
	error = open_device(module);
	if (error == 0)
		error = check_version(module);
	if (error == 0)
		error = introduce(module, wish);
	if (error != 0) {
		module_close(module);
		return error;
	}
	*state = module;
	return 0;
}

static int module_set_state(void *state, int how)
{
	struct agentmem_abi_value args = ABI(value, .value = (uint32_t)how);

	return module_ask(state, AGENTMEM_IOC_STATE, &args);
}

static int module_set_importance(void *state, uint32_t importance)
{
	struct agentmem_abi_value args = ABI(value, .value = importance == 0 ? IMPORTANCE_USUAL : importance);

	return module_ask(state, AGENTMEM_IOC_IMPORTANCE, &args);
}

static void module_before_fork(void *state)
{
	struct module *module = state;

	pthread_mutex_lock(&module->lock);
}

static void module_after_fork(void *state, enum fork_side side)
{
	struct module *module = state;

	fork_unlock(&module->lock, side);
}

const struct operations module_operations = {
	.backend = AGENTMEM_MODULE,
	.open = module_open,
	.close = module_close,
	.set_state = module_set_state,
	.set_importance = module_set_importance,
	.alloc = module_alloc,
	.alloc_fd = module_alloc_fd,
	.append = module_append,
	.fork = module_fork,
	.edit = module_edit,
	.share = module_share,
	.find = module_find,
	.mark_hot = module_mark_hot,
	.map = module_map,
	.unmap = module_unmap,
	.read = module_read,
	.stat_unit = module_stat_unit,
	.stat = module_stat,
	.free = module_free,
	.agents = module_agents,
	.units = module_units,
	.settings = module_settings,
	.before_fork = module_before_fork,
	.after_fork = module_after_fork,
};
