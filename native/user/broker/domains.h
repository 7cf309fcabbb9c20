/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trust domains by name. A number comes from the name, so that what lies in
 * the cold store means the same domain to the next broker, and no name ever
 * gets the number of another.
 */
#ifndef BROKER_DOMAINS_H
#define BROKER_DOMAINS_H

#include <stdint.h>

struct domain {
	struct domain *next;
	uint64_t number;	/* not 0 */
	unsigned agents;
	char name[64];		/* "": the user's common one */
};

/* Of the domain with this name; not 0. */
uint64_t domain_number(const char *name);
/* One agent more; NULL without memory. Two agents are of one domain where this gave them the same. */
struct domain *domain_join(const char *name);
/* One less. */
void domain_leave(struct domain *domain);
uint64_t domains_bytes(void);
void domains_end(void);

#endif
