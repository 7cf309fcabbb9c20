/* SPDX-License-Identifier: Apache-2.0 */
/* What is the module's alone: that it is taken first, what it shows, what it sends away, and whose agent a child is. */
#include "lib-kit.h"

#include <sys/wait.h>

static void is_first(void)
{
	struct agentmem_options options = { .size = sizeof(options), .flags = AGENTMEM_NO_START };
	agentmem_t *am;

	GIVES(0, agentmem_open(&am, &options));
	GIVES(AGENTMEM_MODULE, agentmem_backend(am));
	agentmem_close(am);
	options.backend = AGENTMEM_PRIVATE;
	GIVES(0, agentmem_open(&am, &options));
	GIVES(AGENTMEM_PRIVATE, agentmem_backend(am));
	agentmem_close(am);
	options.backend = AGENTMEM_BROKER;
	options.socket_path = "/no/such/socket";
	GIVES(-ENODEV, agentmem_open(&am, &options));
}

/* Who only looks: what all hold, each unit once, in pages of any size. */
static void look_at_all(agentmem_t *watch)
{
	struct agentmem_unit_line all[64], some[3];
	struct agentmem_stat stat = { .size = sizeof(stat) };
	int count = agentmem_units(watch, 0, 0, all, 64), seen = 0, got;
	uint64_t last = 0;

	GIVES(13, count);
	for (int i = 1; i < count; i++)
		CHECK(all[i].unit > all[i - 1].unit || (all[i].unit == all[i - 1].unit && all[i].agent != all[i - 1].agent));
	while ((got = agentmem_units(watch, 0, last, some, 3)) > 0) {
		for (int i = 0; i < got; i++, seen++)
			CHECK(seen < count && some[i].unit == all[seen].unit && some[i].bytes == all[seen].bytes);
		last = some[got - 1].unit;
	}
	GIVES(count, seen);
	GIVES(0, agentmem_stat(watch, &stat));
	CHECK(stat.backend == AGENTMEM_MODULE && stat.agent == 0 && stat.user_agents == 3 && stat.user_units == 18);
}

static void is_seen(void)
{
	agentmem_t *one = kit_open(), *two = kit_open(), *foreign = kit_open_with((struct agentmem_options){ .domain = "foreign" });
	agentmem_t *watch = kit_open_with((struct agentmem_options){ .flags = AGENTMEM_OBSERVER });
	struct agentmem_stat stat = { .size = sizeof(stat) };
	struct agentmem_agent_line agents[4];
	struct agentmem_unit_line lines[8];
	agentmem_unit_t unit;
	char text[24];

	/* Five of two agents, two more of each, and four of another domain by the same numbers. */
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "shared %d", i);
		GIVES(0, agentmem_alloc(one, AGENTMEM_OTHER, text, 8, &unit));
		GIVES(0, agentmem_alloc(two, AGENTMEM_OTHER, text, 8, &unit));
	}
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "alone  %d", i);
		GIVES(0, agentmem_alloc(one, AGENTMEM_OTHER, text, 7 + (size_t)i, &unit));
		GIVES(0, agentmem_alloc(two, AGENTMEM_CONVERSATION, text, 8, &unit));
	}
	for (int i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "alien  %d", i);
		GIVES(0, agentmem_alloc(foreign, AGENTMEM_OTHER, text, 8, &unit));
	}
	look_at_all(watch);
	GIVES(3, agentmem_agents(watch, 0, agents, 4));
	CHECK(agents[0].bytes == agents[0].hot_bytes && agents[0].units == 7 && agents[2].units == 4);
	GIVES(4, agentmem_units(watch, agents[2].agent, 0, lines, 8));
	/* An agent sees its own domain alone. */
	GIVES(-ENOENT, agentmem_units(one, agents[2].agent, 0, lines, 8));
	GIVES(7, agentmem_units(one, agents[1].agent, 0, lines, 8));
	GIVES(7, agentmem_units(one, 0, 0, lines, 8));
	GIVES(0, agentmem_stat(one, &stat));
	CHECK(lines[0].agent == stat.agent);
	agentmem_close(one);
	agentmem_close(two);
	agentmem_close(foreign);
	agentmem_close(watch);
}

/* Text of words, which packs. */
static char *words(size_t bytes)
{
	static const char *const known[] = { "memory ", "agent ", "unit ", "page ", "tool ", "prompt ", "answer ", "line\n" };
	char *text = malloc(bytes + 8);
	uint64_t seed = 11;

	CHECK(text != NULL);
	for (size_t at = 0; at < bytes;)
		at += (size_t)snprintf(text + at, 8, "%s", known[kit_random(&seed) % 8]);
	return text;
}

static void is_sent_away(void)
{
	agentmem_t *am = kit_open();
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	char *text = words(1000000), *buffer = malloc(1000000);
	agentmem_unit_t unit;
	const void *mapped;
	size_t bytes;

	GIVES(0, agentmem_alloc(am, AGENTMEM_TOOL_RESULT, text, 1000000, &unit));
	GIVES(0, agentmem_map(am, unit, &mapped, &bytes));
	GIVES(0, agentmem_set_state(am, AGENTMEM_SUSPENDED));
	GIVES(0, agentmem_stat_unit(am, unit, &stat));
	CHECK(stat.tier == AGENTMEM_WARM && stat.warm_bytes == 1000000 && stat.stored_bytes < 500000);
	/* Touched it comes back by itself. */
	CHECK(memcmp(mapped, text, 1000000) == 0);
	GIVES(0, agentmem_set_state(am, AGENTMEM_IDLE));
	GIVES(0, agentmem_set_state(am, AGENTMEM_SUSPENDED));
	GIVES(1000000, agentmem_read(am, unit, 0, buffer, 1000000));
	CHECK(memcmp(buffer, text, 1000000) == 0);
	GIVES(0, agentmem_set_state(am, AGENTMEM_ACTIVE));
	GIVES(0, agentmem_stat_unit(am, unit, &stat));
	CHECK(stat.tier == AGENTMEM_HOT && stat.hot_bytes == 1000000);
	GIVES(0, agentmem_unmap(am, mapped));
	agentmem_close(am);
	free(buffer);
	free(text);
}

/* What an agent holds already costs it nothing, however little it may have. */
static void is_known(void)
{
	agentmem_t *am = kit_open_with((struct agentmem_options){ .quota_bytes = 100000 });
	uint8_t *data = kit_bytes(7, 100000);
	agentmem_unit_t unit, again, talk;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100000, &unit));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100000, &again));
	CHECK(again == unit);
	GIVES(-EDQUOT, agentmem_alloc(am, AGENTMEM_OTHER, data, 99999, &again));
	GIVES(-EDQUOT, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 1, &talk));
	GIVES(-ENOENT, agentmem_share(am, unit, 0));
	free(data);
	agentmem_close(am);
}

/* A child is the agent too, from the first moment on and until it is another program. */
static void has_children(void)
{
	struct agentmem_agent_line lines[4];
	agentmem_t *watch = kit_open_with((struct agentmem_options){ .flags = AGENTMEM_OBSERVER });
	int left[2], told[2], status;
	pid_t child;
	char byte;

	CHECK(pipe(left) == 0 && pipe(told) == 0);
	child = fork();
	if (child == 0) {
		agentmem_t *am = kit_open();
		agentmem_unit_t unit;

		GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
		if (fork() != 0)
			_exit(0);
		/* As one that goes to the background: its parent has gone, and it has not called yet. */
		CHECK(read(left[0], &byte, 1) == 1);
		GIVES(1, agentmem_read(am, unit, 0, &byte, 1));
		CHECK(byte == 'x' && write(told[1], "x", 1) == 1);
		CHECK(read(left[0], &byte, 1) == 1);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	GIVES(1, agentmem_agents(watch, 0, lines, 4));
	CHECK(lines[0].units == 1 && write(left[1], "a", 1) == 1);
	close(told[1]);
	CHECK(read(told[0], &byte, 1) == 1 && write(left[1], "b", 1) == 1);
	for (int i = 0; i < 500 && agentmem_agents(watch, 0, lines, 4) > 0; i++)
		usleep(10000);
	GIVES(0, agentmem_agents(watch, 0, lines, 4));
	close(told[0]);
	close(left[0]);
	close(left[1]);
	agentmem_close(watch);
}

void test_module(void)
{
	is_first();
	is_seen();
	is_sent_away();
	is_known();
	has_children();
}
