/* SPDX-License-Identifier: Apache-2.0 */
/* What each request does: rights here, limits in pending.h, the rest is the content's. */
#ifndef BROKER_SERVE_H
#define BROKER_SERVE_H

#include "broker/client.h"
#include "broker/parse.h"

/* `fd`: a checked memfd that is taken over, or -1. */
void serve_request(struct client *client, const struct request *request, int fd);
/* Its question is forgotten; what it asked the content for is still answered. */
void serve_agent_left(struct client *client);

#endif
