/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and mouse motion told apart by how much came, since nothing may be
 * read. Whatever is in doubt wakes: a lost key is worse than a needless wake.
 */
#ifndef GUARD_TERMINAL_H
#define GUARD_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

/* How long to wait for the next report of a movement before a burst counts as typed. */
#define TERMINAL_LOOK_MS 150
/* A pause within one movement of the mouse. */
#define TERMINAL_STREAM_MS 2000
/* The terminal keeps 4095 bytes and drops what comes then: keys must not be lost behind reports. */
#define TERMINAL_MOST_QUEUED 3072

struct terminal_rule {
	unsigned queued; /* bytes seen so far */
	unsigned last_size; /* of the last burst that may be a report */
	int64_t last_ms;
	bool moving; /* two bursts of that kind came in a row */
	bool in_doubt; /* one came, and what follows decides */
};

enum terminal_verdict { TERMINAL_STAY, TERMINAL_WAKE, TERMINAL_LOOK_AGAIN };

void terminal_begin(struct terminal_rule *rule, unsigned queued);
/* Called when bytes came; `queued` is what FIONREAD says. LOOK_AGAIN: call terminal_later after TERMINAL_LOOK_MS. */
enum terminal_verdict terminal_came(struct terminal_rule *rule, unsigned queued, int64_t now_ms);
enum terminal_verdict terminal_later(struct terminal_rule *rule, unsigned queued, int64_t now_ms);

#endif
