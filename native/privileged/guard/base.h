/* SPDX-License-Identifier: Apache-2.0 */
/* What every part of the guard uses: clock, settings, events, processes. */
#ifndef GUARD_BASE_H
#define GUARD_BASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NAME_MOST 96 /* of an agent's or a run's id */
#define SERVICES_MOST 16 /* names in the settings */

/* Never again later: `next` of a step that has nothing to wait for. */
#define NEVER_MS INT64_MAX

/* Times are of CLOCK_MONOTONIC, but for those in words. */
int64_t now_us(void);
int64_t now_ms(void);
int64_t unix_ms(void);
int64_t sooner(int64_t one_ms, int64_t other_ms);

struct settings {
	bool system; /* role: system, or one user's session */
	const char *socket;
	const char *journal_dir;
	const char *words;
	const char *config; /* NULL: none */
	bool recover_held;
	/* Of the configuration file, see docs/guard.md. */
	unsigned grace_ms;
	unsigned holder_grace_ms;
	unsigned prefault_ms;
	unsigned prefault_first_ms; /* of these, before thawing */
	unsigned psi_some_percent;
	unsigned psi_full_percent;
	unsigned low_memory_mib;
	unsigned stuck_s;
	char services[SERVICES_MOST][16]; /* as the kernel names programs: 15 bytes */
	unsigned service_count;
};
extern struct settings settings;
extern char boot_id[40];

/* Which descriptor an event is about; the index is that of its table. */
enum source { FROM_LISTENER, FROM_SIGNAL, FROM_CLIENT, FROM_TERMINAL, FROM_CGROUP, FROM_SERVICE, FROM_HOLDER, FROM_PRESSURE };
/* Adds `fd` to the one epoll; false where the kernel refuses. */
bool listen_to(int fd, uint32_t events, enum source source, unsigned index);

/*
 * One buffer for everything that is read, used and done with at once: a
 * journal being replayed, /proc/vmstat, the answer to `status`.
 */
#define SCRATCH_MOST (64 * 1024)
extern char scratch[SCRATCH_MOST + 1];

/* One name of a folder read by folder_next. */
struct folder {
	int fd;
	long got;
	long at;
	char buffer[4096];
};
/* The next name, or NULL. By getdents64 into a buffer of our own: opendir would allocate. */
const char *folder_next(struct folder *folder);

/* A file read whole, up to size - 1 bytes, with a zero byte behind it; -1 and errno where it cannot be. */
ssize_t read_at(int dir, const char *path, char *text, size_t size);
ssize_t read_again(int fd, char *text, size_t size);
void close_fd(int *fd);

/* "/proc/PID/NAME" in `path` of at least 64 bytes. */
void proc_path(char *path, pid_t pid, const char *name);
/* Opens a pidfd when pid and start time are one live process; -1 otherwise. */
int process_open(pid_t pid, uint64_t ticks);
bool process_ticks(pid_t pid, uint64_t *ticks);
/* Ended: its last thread has left the kernel. */
bool process_ended(int pidfd);
bool process_kill(int pidfd);

#endif
