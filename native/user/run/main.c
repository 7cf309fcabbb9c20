/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-run: lets the kernel merge equal pages of a program and all its
 * children (KSM), with --trim lets it be asked for memory it holds free, with
 * --share lets it share what it reads with others, then becomes that program.
 * Whatever goes wrong with any, the program runs as it would have without us.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef PR_SET_MEMORY_MERGE
#define PR_SET_MEMORY_MERGE 67 /* Linux 6.4 */
#endif

/* As shells have them; 125 is our own usage, as of env and nice. */
enum { EXIT_USAGE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

static bool verbose(void)
{
	const char *value = getenv("AGENTMEM_VERBOSE");

	return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0;
}

/* True before 6.7, where exec puts the opt-in out again. */
static bool lost_at_exec(const char *release)
{
	int major;
	int minor;

	return sscanf(release, "%d.%d", &major, &minor) == 2 && (major < 6 || (major == 6 && minor < 7));
}

static void opt_in(void)
{
	struct utsname kernel;
	bool known = uname(&kernel) == 0;

	if (prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0) != 0) {
		int error = errno;

		if (verbose())
			fprintf(stderr, "agentmem-run: memory is not merged: needs Linux 6.4 with CONFIG_KSM, this is %s (%s)\n",
				known ? kernel.release : "unknown", strerror(error));
	} else if (known && lost_at_exec(kernel.release) && verbose()) {
		fprintf(stderr, "agentmem-run: memory is not merged: before Linux 6.7 starting a program ends it, this is %s\n",
			kernel.release);
	}
}

/* A shim stands beside this program, and only who could change this program may change it. */
static void preload(const char *name, const char *variable)
{
	char path[PATH_MAX];
	char list[2 * PATH_MAX];
	char number[24];
	const char *others = getenv("LD_PRELOAD");
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - strlen(name) - 1);
	struct stat own;
	struct stat shim;
	char *slash;

	if (length <= 0)
		return;
	path[length] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL || stat(path, &own) != 0)
		return;
	memcpy(slash, name, strlen(name) + 1);
	if (stat(path, &shim) != 0 || shim.st_uid != own.st_uid || (shim.st_mode & S_IWOTH) != 0 || strpbrk(path, ": ") != NULL) {
		if (verbose())
			fprintf(stderr, "agentmem-run: %s is not there as it should be; started without it\n", path);
		return;
	}
	if (others != NULL && others[0] != '\0') {
		if ((size_t)snprintf(list, sizeof(list), "%s:%s", path, others) < sizeof(list))
			setenv("LD_PRELOAD", list, 1);
	} else
		setenv("LD_PRELOAD", path, 1);
	/* Tells the program, whatever it becomes by exec, from its children. */
	snprintf(number, sizeof(number), "%ld", (long)getpid());
	setenv(variable, number, 1);
}

int main(int argc, char **argv)
{
	bool merge = true;
	bool share = false;
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--") == 0) {
			at++;
			break;
		}
		if (strcmp(argv[at], "--trim") == 0) {
			preload("/agentmem-trim.so", "AGENTMEM_TRIM_PID");
			continue;
		}
		if (strcmp(argv[at], "--share") == 0) {
			preload("/agentmem-share.so", "AGENTMEM_SHARE_PID");
			share = true;
			continue;
		}
		if (strcmp(argv[at], "--no-merge") != 0) {
			fprintf(stderr, "agentmem-run: unknown option %s\n", argv[at]);
			at = argc;
			break;
		}
		merge = false;
	}
	if (at >= argc) {
		fputs("usage: agentmem-run [--no-merge] [--trim] [--share] -- COMMAND [ARGUMENT...]\n", stderr);
		return EXIT_USAGE;
	}
	if (merge)
		opt_in();
	/* Where starting the program ends the opt-in, the shim opts in again. */
	if (merge && share)
		setenv("AGENTMEM_SHARE_MERGE", "1", 1);
	execvp(argv[at], argv + at);
	/* Read errno before printing may change it. */
	int error = errno;

	fprintf(stderr, "agentmem-run: %s: %s\n", argv[at], strerror(error));
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
