/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests under way: within the limits of their agent, answered when the
 * content has done them. What nobody is there for any more is given back.
 */
#ifndef BROKER_PENDING_H
#define BROKER_PENDING_H

#include <stdint.h>

#include "broker/client.h"
#include "broker/parse.h"

/* Starts the request, or answers why not. `fd`: a checked memfd that is taken over, or -1. */
void pending_start(struct client *client, const struct request *request, int fd);
/* Its requests are finished silently. */
void pending_client_gone(struct client *client);
/* Gives a hold of this life of the agent back with the next pending_settle(): not inside of what the content is doing. */
void pending_later_free(uint64_t agent, uint64_t life, uint64_t unit);
void pending_settle(void);
/* What a reply says about a unit. */
void reply_unit(const struct content_result *result, struct broker_unit *unit);
/* Requests under way, of connections that are gone too. */
unsigned pending_total(void);
/* After the content is closed. */
void pending_finish(void);

#endif
