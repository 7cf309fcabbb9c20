/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock needs neither root nor namespaces, so it holds whoever started the
 * broker. Reading is left open: settings, /proc and libraries are everywhere.
 */
#include "broker/confine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h, which older systems lack; the numbers are the same on every architecture. */
#define CREATE_RULESET 444
#define ADD_RULE 445
#define RESTRICT_SELF 446
#define ASK_VERSION 1u
#define PATH_BENEATH 1
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_WRITE_FILE (UINT64_C(1) << 1)
#define FS_REMOVE_DIR (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_REG (UINT64_C(1) << 8)
/* Devices, folders, files, sockets, pipes, links. */
#define FS_MAKE_ALL (UINT64_C(0x3f) << 7)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define NET_TCP_ALL UINT64_C(3)

struct ruleset {
	uint64_t fs;
	uint64_t net;	/* since version 4 */
};

struct beneath {
	uint64_t allowed;
	int32_t folder;
} __attribute__((packed));

static int open_folder(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A folder that was just made is on the disk before anything in it counts as kept. */
static void sync_parent(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), up = folder < 0 ? -1 : openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (up >= 0) {
		(void)fsync(up);
		close(up);
	}
	if (folder >= 0)
		close(folder);
}

static void make_folders(const char *path)
{
	char part[PATH_MAX];

	if (snprintf(part, sizeof(part), "%s/", path) >= (int)sizeof(part))
		return;
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0700) == 0)
			sync_parent(part);
		*slash = '/';
	}
}

static bool allow(int rules, int folder, uint64_t allowed)
{
	const struct beneath beneath = { .allowed = allowed, .folder = folder };
	bool done = folder >= 0 && syscall(ADD_RULE, rules, PATH_BENEATH, &beneath, 0u) == 0;

	if (folder >= 0)
		close(folder);
	return done;
}

static bool allow_socket(int rules, const char *socket_path)
{
	char folder[PATH_MAX];
	char *slash;

	if (snprintf(folder, sizeof(folder), "%s", socket_path) >= (int)sizeof(folder))
		return false;
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return false;
	slash[slash == folder ? 1 : 0] = '\0';
	return allow(rules, open_folder(folder), FS_REMOVE_FILE);
}

bool confine(const char *socket_path, const char *store_folder)
{
	long version = syscall(CREATE_RULESET, NULL, 0, ASK_VERSION);
	const uint64_t truncate = version >= 3 ? FS_TRUNCATE : 0;
	const struct ruleset handled = {
		.fs = FS_EXECUTE | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_ALL | truncate, .net = version >= 4 ? NET_TCP_ALL : 0,
	};
	int rules = version < 1 ? -1 : (int)syscall(CREATE_RULESET, &handled, version >= 4 ? sizeof(handled) : sizeof(handled.fs), 0u);
	bool done;

	if (rules < 0)
		return false;
	(void)fcntl(rules, F_SETFD, FD_CLOEXEC);
	done = allow_socket(rules, socket_path);
	if (done && store_folder != NULL) {
		make_folders(store_folder);
		/* One that cannot be opened is none, which the store says in its own words. */
		(void)allow(rules, open_folder(store_folder), FS_WRITE_FILE | FS_MAKE_REG | FS_REMOVE_FILE | truncate);
	}
	done = done && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(RESTRICT_SELF, rules, 0u) == 0;
	close(rules);
	return done;
}
