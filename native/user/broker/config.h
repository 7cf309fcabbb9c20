/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker.conf in the user's folder of settings: lines of "name=value", with #
 * before a comment. A line that is not understood is told and left out; the
 * broker runs with the defaults for it, since a wrong letter in a file must
 * not cost an agent its memory.
 *
 *	enabled=yes|no		no: every program keeps its memory to itself
 *	cold=yes|no		no: nothing more goes to disk; what is there can be read
 *	warm_after_ms, cold_after_ms, thorough_after_ms
 *	hot_most_bytes, warm_most_bytes, cold_most_bytes, quota_bytes	0: no limit of its own
 */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"

struct broker_config {
	bool enabled;
	bool cold;
	struct am_policy policy;
	uint64_t cold_most_bytes;
	uint64_t quota_bytes;
};

void config_default(struct broker_config *config);
/* All but the switch. */
bool config_same(const struct broker_config *one, const struct broker_config *other);
/* How many lines were not understood; `told` gets a sentence for each. `text` is changed. */
unsigned config_read(struct broker_config *config, char *text, void (*told)(const char *sentence));
/* $XDG_CONFIG_HOME/agentmem/broker.conf, else ~/.config/...; false where there is none, which is usual. */
bool config_load(struct broker_config *config, void (*told)(const char *sentence));

#endif
