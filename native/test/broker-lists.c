/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of agents and units, page by page. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"
#include "common/digest.h"

void play_lists(void)
{
	enum { AGENTS = 300, UNITS = 600 };
	struct raw *agents[AGENTS], *looker = raw_connect(), *holder = raw_open("holder", "");
	struct am_digest digest;
	uint64_t after = 0, first = 0, unit;
	unsigned seen = 0, pages = 0;

	EQUAL(raw_hello(looker, "window", "", NULL, 0, 1), 0);
	EQUAL(looker->welcome.agent, 0);
	for (unsigned i = 0; i < AGENTS; i++)
		agents[i] = raw_open("one of many", i % 2 == 0 ? "" : "other");
	for (unsigned i = 0; i < UNITS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "unit %u", i);
		EQUAL(raw_alloc(holder, AGENTMEM_OTHER, text, strlen(text), &unit), 0);
		first = i == 0 ? unit : first;
	}
	for (bool more = true; more; pages++) {
		const struct broker_listed *listed = (const struct broker_listed *)looker->body;
		const struct broker_agent_line *lines = (const struct broker_agent_line *)(listed + 1);

		EQUAL(raw_list(looker, 0, 0, after), 0);
		EQUAL(listed->line_bytes, sizeof(*lines));
		EQUAL(looker->bytes, sizeof(*listed) + listed->count * sizeof(*lines));
		for (unsigned i = 0; i < listed->count; i++) {
			CHECK(lines[i].agent > after);
			after = lines[i].agent;
			EQUAL(lines[i].pid, getpid());
			EQUAL(lines[i].processes, 1);
			if (lines[i].agent == holder->welcome.agent)
				EQUAL(lines[i].units, UNITS);
			else
				CHECK(strcmp(lines[i].name, "one of many") == 0 && lines[i].units == 0);
			seen++;
		}
		more = listed->more != 0;
	}
	EQUAL(seen, AGENTS + 1);
	CHECK(pages > 1);
	seen = 0;
	after = 0;
	for (bool more = true; more;) {
		const struct broker_listed *listed = (const struct broker_listed *)looker->body;
		const struct broker_unit_line *lines = (const struct broker_unit_line *)(listed + 1);

		EQUAL(raw_list(looker, 1, holder->welcome.agent, after), 0);
		for (unsigned i = 0; i < listed->count; i++) {
			CHECK(lines[i].unit > after);
			after = lines[i].unit;
			seen++;
		}
		more = listed->more != 0;
	}
	EQUAL(seen, UNITS);
	/* Who guesses content finds it by no list; its holder knows it anyway. */
	digest_of("unit 0", 6, &digest);
	EQUAL(raw_list(looker, 1, holder->welcome.agent, first - 1), 0);
	CHECK(memcmp(((struct broker_unit_line *)(looker->body + sizeof(struct broker_listed)))->digest, digest.bytes, 8) != 0);
	EQUAL(raw_list(holder, 1, 0, first - 1), 0);
	CHECK(memcmp(((struct broker_unit_line *)(holder->body + sizeof(struct broker_listed)))->digest, digest.bytes, 8) == 0);
	EQUAL(raw_list(agents[0], 1, 0, 0), 0);
	EQUAL(((struct broker_listed *)agents[0]->body)->count, 0);
	/* Who only looks is no agent. */
	EQUAL(raw_alloc(looker, AGENTMEM_OTHER, "x", 1, &unit), -ENOENT);
	EQUAL(raw_number(looker, BROKER_STATE, 0, AGENTMEM_IDLE), -ENOENT);
	EQUAL(raw_stat(looker)->agent, 0);
	EQUAL(raw_stat(looker)->user_agents, AGENTS + 1);
	for (unsigned i = 0; i < AGENTS; i++)
		raw_close(agents[i]);
	raw_close(holder);
	raw_close(looker);
}
