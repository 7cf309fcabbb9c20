/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's one main thread: an epoll loop over the listener, connections,
 * processes of agents and the content's results. Whatever takes long happens
 * on threads of the content's.
 */
#ifndef BROKER_FRONT_H
#define BROKER_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/content.h"

/* Stands first in whatever the loop waits for. */
struct watch {
	void (*ready)(struct watch *watch, uint32_t events);
	int fd;
};

struct front_options {
	const char *socket_path;
	int listener;
	bool activated;			/* the socket is systemd's: it stays when the broker ends */
	const char *store_folder;	/* NULL: no cold tier */
	unsigned workers;
	uint64_t grace_ms, linger_ms, stuck_ms;
};

struct front {
	struct front_options options;
	struct content *content;
	struct broker_settings settings;
	uint64_t number;	/* of this broker, drawn at its start */
	uint64_t now_ms;	/* CLOCK_MONOTONIC, read once a turn */
	uint8_t secret[32];	/* hides digests in lists */
};

extern struct front front;

/* Runs until it is told to end or nothing is left to stay for. The exit status. */
int front_run(const struct front_options *options);

/* False with errno. */
bool front_watch(struct watch *watch, uint32_t events);
void front_change(struct watch *watch, uint32_t events);
void front_unwatch(struct watch *watch);
/* Freed once no event of this turn can still name it. */
void front_free_later(void *memory);
/* The content is asked soon what it has to do by its clock. */
void front_step_soon(void);
void front_apply_settings(void);
/* What the user wrote into broker.conf since it was last read is in force from here on. */
void front_look_at_file(void);
/* False where the user has switched the broker off: agents that are there stay, new ones keep their memory to themselves. */
bool front_is_enabled(void);

#endif
