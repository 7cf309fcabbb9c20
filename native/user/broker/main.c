/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-broker: keeps the memory units of one user's agents.
 *
 * Trust: the user's own processes that can debug each other or read the
 * user's files are no strangers to one another, and the broker hides nothing
 * from those: it stays readable for the user's tools, which measure it, and
 * its store is the user's own folder. What domains keep apart are agents that
 * are confined to this socket, and those ask through it alone. Content does
 * not get into core files.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker/confine.h"
#include "broker/front.h"
#include "broker/limits.h"
#include "broker/place.h"

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define TRIM_BYTES (64 * 1024)
#define LARGE_BYTES (128 * 1024)

static const char usage_text[] =
	"usage: agentmem-broker [--socket PATH] [--store FOLDER | --no-store] [--foreground]\n"
	"Keeps memory units of this user's agents. Without --foreground it goes to the background once it listens.\n";

static int usage(const char *problem, const char *about)
{
	fprintf(stderr, "agentmem-broker: %s %s\n%s", problem, about, usage_text);
	return EXIT_USAGE;
}

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static int parse_options(int argc, char **argv, struct front_options *options, bool *foreground, bool *no_store)
{
	for (int i = 1; i < argc; i++) {
		uint64_t number;

		if (strcmp(argv[i], "--foreground") == 0) {
			*foreground = true;
			continue;
		}
		if (strcmp(argv[i], "--no-store") == 0) {
			*no_store = true;
			continue;
		}
		if (i + 1 == argc)
			return usage("expected a value behind, or does not know,", argv[i]);
		if (strcmp(argv[i], "--socket") == 0) {
			options->socket_path = argv[++i];
			continue;
		}
		if (strcmp(argv[i], "--store") == 0) {
			options->store_folder = argv[++i];
			continue;
		}
		/* The others are for tests. */
		if (!parse_number(argv[i + 1], &number) || number > INT_MAX)
			return usage("expected a number behind, or does not know,", argv[i]);
		if (strcmp(argv[i], "--grace-ms") == 0)
			options->grace_ms = number;
		else if (strcmp(argv[i], "--linger-ms") == 0)
			options->linger_ms = number;
		else if (strcmp(argv[i], "--stuck-ms") == 0)
			options->stuck_ms = number;
		else if (strcmp(argv[i], "--workers") == 0)
			options->workers = (unsigned)number;
		else
			return usage("does not know", argv[i]);
		i++;
	}
	if (options->socket_path != NULL && options->socket_path[0] != '/')
		return usage("expected an absolute path behind", "--socket");
	if (options->store_folder != NULL && options->store_folder[0] != '/')
		return usage("expected an absolute path behind", "--store");
	return EXIT_FINE;
}

/* $AGENTMEM_SOCKET, else in the runtime folder. */
static bool default_socket(char *path, size_t room)
{
	const char *named = getenv("AGENTMEM_SOCKET"), *folder = getenv("XDG_RUNTIME_DIR");
	int length = -1;

	if (named != NULL && named[0] == '/')
		length = snprintf(path, room, "%s", named);
	else if (folder != NULL && folder[0] == '/')
		length = snprintf(path, room, "%s/agentmem/broker.sock", folder);
	return length > 0 && (size_t)length < room;
}

/* In the user's folder of state, whose parts may still be missing. */
static bool default_store(char *path, size_t room)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int length = -1;

	if (state != NULL && state[0] == '/')
		length = snprintf(path, room, "%s/agentmem/store", state);
	else if (home != NULL && home[0] == '/')
		length = snprintf(path, room, "%s/.local/state/agentmem/store", home);
	if (length <= 0 || (size_t)length >= room)
		return false;
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	return true;
}

/* As many descriptors as may be had: two a process that is there, one or more a unit that is mapped. */
static void allow_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	limit = (struct rlimit){ 0, 0 };
	(void)setrlimit(RLIMIT_CORE, &limit);
}

/* A program that was marked to go first may have started it: the broker stands for many, and goes like any other. */
static void be_ordinary(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		/* Refused below what the session was given, which then stays. */
		(void)!write(fd, "0", 1);
		close(fd);
	}
}

/* The shim for agents is not for what serves them. */
static void without_preload(char **argv)
{
	if (getenv("LD_PRELOAD") == NULL)
		return;
	unsetenv("LD_PRELOAD");
	execv("/proc/self/exe", argv);
}

static void close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0) == 0)
		return;
#endif
	for (int fd = first; fd < 65536; fd++)
		close(fd);
}

/* The parent ends once somebody listens: who started it can connect. */
static int into_background(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t child = null < 0 ? -1 : fork();

	if (child < 0)
		return -errno;
	if (child > 0)
		_exit(EXIT_FINE);
	setsid();
	for (int fd = 0; fd < 3; fd++)
		(void)dup2(null, fd);
	close(null);
	return 0;
}

static int listen_there(struct front_options *options)
{
	int error = place_lock(options->socket_path);

	/* One that was started by hand keeps serving who is connected to it; who comes now comes here. */
	if (options->activated && error != 0) {
		fprintf(stderr, "agentmem-broker: an earlier broker of %s is still there\n", options->socket_path);
		error = 0;
	}
	if (error == -EEXIST) {
		fprintf(stderr, "agentmem-broker: another broker answers on %s\n", options->socket_path);
		return EXIT_FINE;
	}
	if (error == 0 && !options->activated) {
		options->listener = place_listen(options->socket_path);
		error = options->listener < 0 ? options->listener : 0;
	}
	if (error == 0)
		return EXIT_FINE;
	fprintf(stderr, "agentmem-broker: cannot listen on %s: %s\n", options->socket_path, error == -EPERM ? "others may write in its folder" : strerror(-error));
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static char socket_path[PATH_MAX], store_path[PATH_MAX];
	struct front_options options = { .listener = -1, .grace_ms = GRACE_MS, .linger_ms = LINGER_MS, .stuck_ms = STUCK_MS };
	bool foreground = false, no_store = false;
	int status;

	without_preload(argv);
	status = parse_options(argc, argv, &options, &foreground, &no_store);
	if (status != EXIT_FINE)
		return status;
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	umask(077);
	options.listener = place_activated(socket_path, sizeof(socket_path));
	options.activated = options.listener >= 0;
	/* Whoever started it may have left open what it never meant to share. */
	close_from(options.activated ? options.listener + 1 : 3);
	if (options.activated)
		options.socket_path = socket_path;
	else if (options.socket_path == NULL && default_socket(socket_path, sizeof(socket_path)))
		options.socket_path = socket_path;
	if (options.socket_path == NULL)
		return usage("expected --socket, AGENTMEM_SOCKET or", "XDG_RUNTIME_DIR");
	if (no_store)
		options.store_folder = NULL;
	else if (options.store_folder == NULL && default_store(store_path, sizeof(store_path)))
		options.store_folder = store_path;
	if (chdir("/") != 0)
		return EXIT_FAILED;
	allow_files();
	be_ordinary();
	status = listen_there(&options);
	if (status != EXIT_FINE || options.listener < 0)
		return status;
	if (!foreground && !options.activated && into_background() != 0) {
		fprintf(stderr, "agentmem-broker: cannot go to the background: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	/* Where the kernel cannot, it is as trusted as what its user starts. */
	(void)confine(options.socket_path, options.store_folder);
	return front_run(&options);
}
