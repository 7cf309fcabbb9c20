/* SPDX-License-Identifier: Apache-2.0 */
/* Lists. What the module gives has another form than what the library gives. */
#include "module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Lines of the module's that are asked for at once. */
#define STEP 64u
/* Of all agents so many at a time; who wants more asks again. */
#define ALL_MOST 4096u

static int list_agents(const struct module *module, uint64_t after, struct agentmem_abi_agent_line *lines, unsigned most)
{
	struct agentmem_abi_list args = ABI(list, .after = after, .lines = (uintptr_t)lines, .most = most, .line_bytes = sizeof(*lines));
	int error = module_ask(module, AGENTMEM_IOC_LIST_AGENTS, &args);

	return error != 0 ? error : (int)args.count;
}

static void copy_agent(struct agentmem_agent_line *to, const struct agentmem_abi_agent_line *from)
{
	*to = (struct agentmem_agent_line){
		.agent = from->agent, .pid = from->pid, .state = from->state, .importance = from->importance, .processes = from->processes, .units = from->units, .bytes = from->bytes,
		.shared_bytes = from->shared_bytes, .hot_bytes = from->hot_bytes, .warm_bytes = from->warm_bytes, .cold_bytes = from->cold_bytes, .idle_ms = from->idle_ms,
	};
	memcpy(to->name, from->name, sizeof(to->name));
	memcpy(to->domain, from->domain, sizeof(to->domain));
	to->name[sizeof(to->name) - 1] = '\0';
	to->domain[sizeof(to->domain) - 1] = '\0';
}

int module_agents(void *state, uint64_t after, struct agentmem_agent_line *lines, unsigned most)
{
	struct agentmem_abi_agent_line some[STEP];
	unsigned done = 0;

	while (done < most) {
		unsigned step = most - done < STEP ? most - done : STEP;
		int count = list_agents(state, after, some, step);

		if (count < 0)
			return count;
		for (int i = 0; i < count; i++)
			copy_agent(&lines[done++], &some[i]);
		if (count == 0)
			break;
		after = lines[done - 1].agent;
	}
	return (int)done;
}

static void copy_unit(struct agentmem_unit_line *to, const struct agentmem_abi_unit_line *from)
{
	*to = (struct agentmem_unit_line){
		.unit = from->unit, .agent = from->agent, .bytes = from->bytes, .stored_bytes = from->stored_bytes, .idle_ms = from->idle_ms,
		.kind = from->kind, .tier = from->tier, .sharers = from->sharers, .importance = from->importance,
	};
	memcpy(to->digest, from->digest, sizeof(to->digest));
}

static int units_of(const struct module *module, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	struct agentmem_abi_unit_line some[STEP];
	unsigned done = 0;

	while (done < most) {
		struct agentmem_abi_list args = ABI(list, .agent = agent, .after = after, .lines = (uintptr_t)some, .most = most - done < STEP ? most - done : STEP, .line_bytes = sizeof(some[0]));
		int error = module_ask(module, AGENTMEM_IOC_LIST_UNITS, &args);

		if (error != 0)
			return error;
		for (unsigned i = 0; i < args.count; i++)
			copy_unit(&lines[done++], &some[i]);
		if (args.count == 0)
			break;
		after = lines[done - 1].unit;
	}
	return (int)done;
}

/* A unit of somebody's: its number is one of its domain's. */
struct one {
	struct agentmem_unit_line line;
	unsigned domain;
};

struct all {
	struct one *ones;
	struct agentmem_unit_line *room;	/* of one agent */
	char (*domains)[AGENTMEM_NAME_BYTES];
	unsigned count, most, domain_count;
	uint64_t cut;			/* the first number that was left out; 0: none was */
};

static int by_number(const void *a, const void *b)
{
	const struct one *one = a, *other = b;

	if (one->line.unit != other->line.unit)
		return one->line.unit < other->line.unit ? -1 : 1;
	return one->domain == other->domain ? 0 : one->domain < other->domain ? -1 : 1;
}

static bool is_same(const struct one *one, const struct one *other)
{
	return by_number(one, other) == 0 && one->line.kind == other->line.kind && one->line.bytes == other->line.bytes;
}

/* In order, each unit once, and no more than there is room for. */
static void tidy(struct all *all)
{
	unsigned kept = 0;

	qsort(all->ones, all->count, sizeof(*all->ones), by_number);
	for (unsigned i = 0; i < all->count; i++) {
		if (kept > 0 && is_same(&all->ones[kept - 1], &all->ones[i]))
			continue;
		if (kept == all->most) {
			all->cut = all->ones[i].line.unit;
			break;
		}
		all->ones[kept++] = all->ones[i];
	}
	all->count = kept;
}

/* -1 without memory. */
static int domain_of(struct all *all, const char *name)
{
	char (*more)[AGENTMEM_NAME_BYTES];

	for (unsigned i = 0; i < all->domain_count; i++) {
		if (strncmp(all->domains[i], name, AGENTMEM_NAME_BYTES) == 0)
			return (int)i;
	}
	more = realloc(all->domains, (all->domain_count + 1) * sizeof(*more));
	if (more == NULL)
		return -1;
	all->domains = more;
	memcpy(more[all->domain_count], name, AGENTMEM_NAME_BYTES);
	return (int)all->domain_count++;
}

static int add_agent(const struct module *module, struct all *all, const struct agentmem_abi_agent_line *agent, uint64_t after)
{
	int domain = domain_of(all, agent->domain), count;

	if (domain < 0)
		return -ENOMEM;
	count = units_of(module, agent->agent, after, all->room, all->most);
	/* It has gone since. */
	if (count < 0)
		return count == -ENOENT ? 0 : count;
	for (int i = 0; i < count; i++)
		all->ones[all->count++] = (struct one){ .line = all->room[i], .domain = (unsigned)domain };
	tidy(all);
	return 0;
}

static int add_all(const struct module *module, struct all *all, uint64_t after)
{
	struct agentmem_abi_agent_line agents[STEP];
	uint64_t last = 0;
	int count, error = 0;

	do {
		count = list_agents(module, last, agents, STEP);
		for (int i = 0; i < count && error == 0; i++)
			error = add_agent(module, all, &agents[i], after);
		if (count > 0)
			last = agents[count - 1].agent;
	} while (count > 0 && error == 0);
	return count < 0 ? count : error;
}

/* Who looks at all of them, as an observer does. */
static int units_of_all(const struct module *module, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	struct all all = { .most = most < ALL_MOST ? most : ALL_MOST };
	int error = -ENOMEM;

	all.ones = calloc(2 * (size_t)all.most, sizeof(*all.ones));
	all.room = calloc(all.most, sizeof(*all.room));
	if (all.ones != NULL && all.room != NULL)
		error = add_all(module, &all, after);
	/* A number that several domains have is told whole, or with the next lines. */
	if (error == 0 && all.cut != 0 && all.ones[0].line.unit != all.cut)
		while (all.ones[all.count - 1].line.unit == all.cut)
			all.count--;
	for (unsigned i = 0; i < all.count && error == 0; i++)
		lines[i] = all.ones[i].line;
	free(all.domains);
	free(all.room);
	free(all.ones);
	return error != 0 ? error : (int)all.count;
}

int module_units(void *state, uint64_t agent, uint64_t after, struct agentmem_unit_line *lines, unsigned most)
{
	const struct module *module = state;

	if (agent == 0 && module->is_observer)
		return units_of_all(module, after, lines, most);
	return units_of(module, agent, after, lines, most);
}
