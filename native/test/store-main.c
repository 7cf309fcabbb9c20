/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the cold store: `test-store WHAT FOLDER [NUMBER]`. 77: cannot be tested here, the reason on stdout. */
#include "store-kit.h"

static unsigned number_of(int argc, char **argv, unsigned otherwise)
{
	return argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const char *folder = argc > 2 ? argv[2] : "";

	if (folder[0] == '\0') {
		fprintf(stderr, "usage: test-store WHAT FOLDER [NUMBER]\n");
		return 2;
	}
	if (strcmp(what, "parts") == 0)
		return test_parts(folder);
	if (strcmp(what, "model") == 0)
		return test_model(folder, number_of(argc, argv, 10));
	if (strcmp(what, "power") == 0)
		return test_power(folder, number_of(argc, argv, 200));
	if (strcmp(what, "tears") == 0)
		return test_tears(folder);
	if (strcmp(what, "between") == 0)
		return test_between(folder, number_of(argc, argv, 500));
	if (strcmp(what, "errors") == 0)
		return test_errors(folder, number_of(argc, argv, 1));
	if (strcmp(what, "kill") == 0)
		return test_kill(folder, number_of(argc, argv, 100));
	if (strcmp(what, "threads") == 0)
		return test_threads(folder, number_of(argc, argv, 300));
	if (strcmp(what, "full") == 0)
		return test_full(folder);
	if (strcmp(what, "refused") == 0)
		return test_refused(folder);
	if (strcmp(what, "sparse") == 0)
		return test_sparse(folder);
	fprintf(stderr, "test-store: no test is called %s\n", what);
	return 2;
}
