/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about agents and the broker as a whole: greeting, figures, lists, settings. */
#ifndef BROKER_LOOK_H
#define BROKER_LOOK_H

#include <stddef.h>

#include "broker/client.h"
#include "broker/parse.h"

void look_hello(struct client *client, const struct request *request);
void look_stat(struct client *client, const struct request *request);
void look_list(struct client *client, const struct request *request);
void look_settings(struct client *client, const struct request *request);
/* 0 or a negative errno. */
int look_random(void *room, size_t bytes);

#endif
