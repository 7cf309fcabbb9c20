/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	broker-raw SOCKET SCENARIO
 *
 * Plays a client of the broker. Exit status 0 where all was as it must be, 77
 * where this kernel cannot show it, else 1 with what was expected on stderr.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "broker-kit.h"
#include "broker-raw.h"

static const struct scenario {
	const char *name;
	void (*play)(void);
	bool as_it_is;	/* finds the broker as it is; others wait until agents of earlier scenarios have gone */
} scenarios[] = {
	{ "requests", play_requests, false }, { "wrong", play_wrong, false }, { "domains", play_domains, false }, { "claims", play_claims, false },
	{ "quotas", play_quotas, false }, { "lists", play_lists, false }, { "settings", play_settings, false },
	{ "tokens", play_tokens, false }, { "death", play_death, false }, { "forked", play_forked, false }, { "gone", play_gone, false }, { "again", play_again, false }, { "afterlife", play_afterlife, false }, { "anew", play_anew, false }, { "race", play_race, false },
	{ "remember", play_remember, false }, { "return", play_return, true }, { "closed", play_closed, false },
	{ "descriptors", play_descriptors, false }, { "many-descriptors", play_many_descriptors, false }, { "fuzz", play_fuzz, false }, { "deaf", play_deaf, false },
	{ "hasty", play_hasty, false }, { "many", play_many, false }, { "crowd", play_crowd, false }, { "killed", play_killed, false }, { "refused", play_refused, true }, { "shortage", play_shortage, false },
};

static void wait_until_alone(void)
{
	struct raw *raw = raw_connect();

	EQUAL(raw_hello(raw, "waits", "", NULL, 0, 1), 0);
	while (raw_stat(raw)->user_agents > 0)
		nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
	raw_close(raw);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	socket_path = argv[1];
	/* Nothing hangs for long: a broker that does not answer is a failure. */
	alarm(60);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (strcmp(scenarios[i].name, argv[2]) != 0)
			continue;
		if (!scenarios[i].as_it_is)
			wait_until_alone();
		scenarios[i].play();
		return 0;
	}
	fprintf(stderr, "there is no scenario %s\n", argv[2]);
	return 2;
}
