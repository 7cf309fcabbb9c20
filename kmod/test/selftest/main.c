// SPDX-License-Identifier: GPL-2.0
/* `selftest`: a line for each test; `selftest --exit N`: ends the virtual machine with N. */
#include "kit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "info", test_info },
	{ "growth of structs", test_growth },
	{ "register", test_register },
	{ "allocate", test_alloc },
	{ "domains", test_domains },
	{ "share", test_share },
	{ "map", test_map },
	{ "compress", test_compress },
	{ "idle", test_idle },
	{ "append", test_talk },
	{ "fork", test_fork },
	{ "edit", test_edit },
	{ "runs", test_runs },
	{ "limits", test_limits },
	{ "statistics", test_stats },
	{ "lists", test_list },
	{ "hostile", test_hostile },
	{ "random calls", test_random },
	{ "death", test_death },
	{ "shrink", test_shrink },
	{ "cgroup", test_cgroup },
	{ "frozen", test_frozen },
	{ "far node", test_far },
	{ "sums", test_sums },
	{ "backing", test_backing },
	{ "cold", test_cold },
	{ "cold by pressure", test_cold_pressure },
	{ "cold full", test_cold_full },
	{ "cold spoilt", test_cold_spoilt },
	{ "cold refused", test_cold_refused },
	{ "cold device", test_cold_device },
	{ "cold device spoilt", test_cold_device_spoilt },
	{ "race", test_race },
	{ "unload", test_unload },
	{ "backing left", test_cold_left },
};

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc == 3 && strcmp(argv[1], "--exit") == 0) {
		if (ioperm(0x501, 4, 1) == 0)
			outl((unsigned)atoi(argv[2]), 0x501);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		struct agentmem_abi_all_stat left;
		int device;

		if (argc == 2 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		kit_failed = 0;
		tests[i].run();
		/* Each test takes back all that it made. */
		device = kit_device();
		CHECK(kit_nothing_left(device, &left));
		close(device);
		printf("%s %s\n", kit_failed ? "not ok" : "ok", tests[i].name);
		fflush(stdout);
		failed += kit_failed ? 1 : 0;
	}
	return failed ? 1 : 0;
}
