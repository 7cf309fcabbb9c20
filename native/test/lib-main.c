/* SPDX-License-Identifier: Apache-2.0 */
/* test-lib BACKEND TEST: with $AGENTMEM_SOCKET and $AGENTMEM_BROKER where the backend is the broker, /dev/agentmem where it is the module. */
#include "lib-kit.h"

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "right", test_right },
	{ "wrong", test_wrong },
	{ "sizes", test_sizes },
	{ "model", test_model },
	{ "threads", test_threads },
	{ "forks", test_forks },
	{ "descriptors", test_descriptors },
	{ "tokens", test_tokens },
	{ "choice", test_choice },
	{ "quota", test_quota },
	{ "close", test_close },
	{ "lost", test_lost },
	{ "kills", test_kills },
	{ "cold", test_cold },
	{ "frozen", test_frozen },
	{ "cancelled", test_cancelled },
	{ "child-ends", test_child_ends },
	{ "hostile", test_hostile },
	{ "module", test_module },
};

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	kit_backend = strcmp(argv[1], "broker") == 0 ? AGENTMEM_BROKER : strcmp(argv[1], "module") == 0 ? AGENTMEM_MODULE : AGENTMEM_PRIVATE;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(argv[2], tests[i].name) != 0)
			continue;
		tests[i].run();
		kit_kill_broker();
		return 0;
	}
	return 2;
}
