/* SPDX-License-Identifier: GPL-2.0 */
/* A request on its way: what ioctl.c took in, for who does it. */
#ifndef AM_CALLS_H
#define AM_CALLS_H

#include <linux/types.h>

struct am_agent;
struct am_client;
struct file;

struct am_call {
	struct am_client *client;
	struct am_agent *agent;	/* NULL where the descriptor is none */
	void *args;
	/* A descriptor to give out with the answer, and not before. */
	struct file *file;
	int fd;
};

/* Each gives 0 or a negative errno; what it answers it writes over what was asked. */

/* calls-units.c */
int am_do_alloc(struct am_call *call);
int am_do_append(struct am_call *call);
int am_do_edit(struct am_call *call);
int am_do_fork(struct am_call *call);
int am_do_share(struct am_call *call);
int am_do_mark_hot(struct am_call *call);
int am_do_open(struct am_call *call);
int am_do_read(struct am_call *call);
int am_do_free(struct am_call *call);
int am_do_stat_unit(struct am_call *call);

/* calls-agents.c */
int am_do_state(struct am_call *call);
int am_do_importance(struct am_call *call);
int am_do_stat_agent(struct am_call *call);
int am_do_stat_all(struct am_call *call);
int am_do_list_agents(struct am_call *call);
int am_do_list_units(struct am_call *call);
int am_do_pressure(struct am_call *call);
int am_do_settings(struct am_call *call);
int am_do_backing(struct am_call *call);

#endif
