/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "internal.h"

void warm_learn(struct warm *warm, enum am_kind kind, const void *data, size_t bytes)
{
	(void)warm;
	(void)kind;
	(void)data;
	(void)bytes;
}

size_t warm_dictionary(struct warm *warm, unsigned number, const void **data)
{
	(void)warm;
	(void)number;
	*data = NULL;
	return 0;
}

int warm_add_dictionary(struct warm *warm, unsigned number, const void *data, size_t bytes)
{
	(void)warm;
	(void)number;
	(void)data;
	(void)bytes;
	return -ENOSYS;
}
