/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the front outlives the broker: a record an agent, kept by the
 * content with its cold units. Of the token only its hash is written down.
 */
#ifndef BROKER_SAVED_H
#define BROKER_SAVED_H

#include "broker/agents.h"

void saved_write(const struct agent *agent);
/* Agents of earlier brokers, with their processes that still run. */
void saved_read_agents(void);

#endif
