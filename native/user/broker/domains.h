/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust domains by name. Their numbers come from their names, so that what
 * lies in the cold store means the same domain to the next broker; no two
 * names ever have one number.
 */
#ifndef BROKER_DOMAINS_H
#define BROKER_DOMAINS_H

#include <stdint.h>

struct domain {
	uint64_t number;	/* not 0 */
	char name[64];		/* "": the user's common one */
};

/* Stays where it is until the broker ends. NULL with errno ENOMEM or ENOSPC (too many). */
const struct domain *domain_named(const char *name);
uint64_t domains_bytes(void);
void domains_end(void);

#endif
