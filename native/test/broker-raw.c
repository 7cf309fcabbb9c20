/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	broker-raw SOCKET SCENARIO
 *
 * Plays a client of the broker. Exit status 0 where all was as it must be, 77
 * where this kernel cannot show it, else 1 with what was expected on stderr.
 */
#include <string.h>
#include <unistd.h>

#include "broker-kit.h"
#include "broker-raw.h"

static const struct {
	const char *name;
	void (*play)(void);
} scenarios[] = {
	{ "requests", play_requests }, { "wrong", play_wrong }, { "domains", play_domains }, { "claims", play_claims },
	{ "quotas", play_quotas }, { "lists", play_lists }, { "settings", play_settings },
	{ "tokens", play_tokens }, { "death", play_death }, { "forked", play_forked }, { "gone", play_gone }, { "race", play_race },
	{ "remember", play_remember }, { "return", play_return }, { "closed", play_closed },
	{ "descriptors", play_descriptors }, { "many-descriptors", play_many_descriptors }, { "fuzz", play_fuzz }, { "deaf", play_deaf },
	{ "hasty", play_hasty }, { "many", play_many }, { "killed", play_killed }, { "refused", play_refused }, { "shortage", play_shortage },
};

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
		scenarios[i].play();
		return 0;
	}
	fprintf(stderr, "there is no scenario %s\n", argv[2]);
	return 2;
}
