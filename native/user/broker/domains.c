/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/domains.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"

static struct domain *domains;
static unsigned count;

uint64_t domain_number(const char *name)
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

struct domain *domain_join(const char *name)
{
	uint64_t number = domain_number(name);
	struct domain *domain = domains;

	while (domain != NULL && domain->number != number)
		domain = domain->next;
	/* By chance alone, once in many ages: no agent rather than a wrong domain. */
	if (domain != NULL && strcmp(domain->name, name) != 0)
		return NULL;
	if (domain == NULL) {
		domain = calloc(1, sizeof(*domain));
		if (domain == NULL)
			return NULL;
		domain->number = number;
		memcpy(domain->name, name, strnlen(name, sizeof(domain->name) - 1));
		domain->next = domains;
		domains = domain;
		count++;
	}
	domain->agents++;
	return domain;
}

void domain_leave(struct domain *domain)
{
	struct domain **at = &domains;

	if (--domain->agents > 0)
		return;
	while (*at != domain)
		at = &(*at)->next;
	*at = domain->next;
	free(domain);
	count--;
}

uint64_t domains_bytes(void)
{
	return count * sizeof(struct domain);
}

void domains_end(void)
{
	while (domains != NULL) {
		struct domain *domain = domains;

		domains = domain->next;
		free(domain);
	}
	count = 0;
}
