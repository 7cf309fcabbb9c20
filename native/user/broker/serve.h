/* SPDX-License-Identifier: Apache-2.0 */
/* What each request does: rights and limits here, the rest is the content's. */
#ifndef BROKER_SERVE_H
#define BROKER_SERVE_H

#include <stdint.h>

#include "broker/client.h"
#include "broker/parse.h"

/* `fd`: a checked memfd that is taken over, or -1. */
void serve_request(struct client *client, const struct request *request, int fd);
/* Its question is forgotten; what it asked the content for is still answered. */
void serve_agent_left(struct client *client);
/* Its requests are finished silently. */
void serve_client_gone(struct client *client);
/* Gives a hold of this life of the agent back with the next serve_settle(): not inside of what the content is doing. */
void serve_later_free(uint64_t agent, uint64_t life, uint64_t unit);
void serve_settle(void);
/* Requests under way, of connections that are gone too. */
unsigned serve_outstanding(void);
void serve_end(void);

#endif
