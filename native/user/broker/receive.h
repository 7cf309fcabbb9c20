/* SPDX-License-Identifier: Apache-2.0 */
/* One message with its descriptors off a connection. */
#ifndef BROKER_RECEIVE_H
#define BROKER_RECEIVE_H

#include <stdbool.h>

#include "broker/client.h"

/* False when there is none for now, or never again (then the connection is doomed). */
bool receive_one(struct client *client);

#endif
