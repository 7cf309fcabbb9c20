/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place of the kernel module's backend, /dev/agentmem. This library cannot
 * speak to it yet, so it is never there.
 */
#include <errno.h>

#include "lib.h"

static int module_open(const struct wish *wish, void **state)
{
	(void)wish;
	*state = NULL;
	return -ENODEV;
}

const struct operations module_operations = { .backend = AGENTMEM_MODULE, .open = module_open };
