/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/domains.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/limits.h"
#include "common/digest.h"

static struct domain **domains;
static unsigned count;

static uint64_t number_of(const char *name)
{
	struct {
		char what[16];
		char name[64];
	} text = { .what = "agentmem domain" };
	struct am_digest digest;
	uint64_t number;

	memcpy(text.name, name, strnlen(name, sizeof(text.name) - 1));
	digest_of(&text, sizeof(text), &digest);
	memcpy(&number, digest.bytes, sizeof(number));
	return number == 0 ? 1 : number;
}

const struct domain *domain_named(const char *name)
{
	uint64_t number = number_of(name);
	struct domain *domain;

	for (unsigned i = 0; i < count; i++) {
		if (domains[i]->number != number)
			continue;
		if (strcmp(domains[i]->name, name) == 0)
			return domains[i];
		errno = ENOSPC;
		return NULL;
	}
	if (count >= DOMAINS_MOST) {
		errno = ENOSPC;
		return NULL;
	}
	if (domains == NULL)
		domains = calloc(DOMAINS_MOST, sizeof(struct domain *));
	domain = domains == NULL ? NULL : calloc(1, sizeof(*domain));
	if (domain == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	domain->number = number;
	memcpy(domain->name, name, strnlen(name, sizeof(domain->name) - 1));
	domains[count++] = domain;
	return domain;
}

uint64_t domains_bytes(void)
{
	return count * (sizeof(struct domain) + sizeof(struct domain *));
}

void domains_end(void)
{
	for (unsigned i = 0; i < count; i++)
		free(domains[i]);
	free(domains);
	domains = NULL;
	count = 0;
}
