/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

/*
 * SGR: ESC [ < B ; X ; Y M, 9 bytes at least, 18 at most; a few may come at
 * once. X10: ESC [ M and three bytes.
 */
enum { SGR_LEAST = 9, X10_SIZE = 6, BURST_MOST = 64, SIZE_DRIFT = 2 };

static bool may_be_reports(unsigned size)
{
	return (size >= SGR_LEAST && size <= BURST_MOST) || size == X10_SIZE;
}

static bool is_alike(unsigned one, unsigned other)
{
	return one > other ? one - other <= SIZE_DRIFT : other - one <= SIZE_DRIFT;
}

void terminal_begin(struct terminal_rule *rule, unsigned queued)
{
	*rule = (struct terminal_rule){ .queued = queued, .last_ms = -TERMINAL_STREAM_MS };
}

enum terminal_verdict terminal_came(struct terminal_rule *rule, unsigned queued, int64_t now_ms)
{
	unsigned size = queued - rule->queued;
	int64_t pause_ms = now_ms - rule->last_ms;

	if (queued == rule->queued)
		return TERMINAL_STAY;
	/* Less than before: somebody emptied it; what is there now is new. */
	if (queued < rule->queued)
		size = queued;
	rule->queued = queued;
	if (size == 0)
		return TERMINAL_STAY;
	if (!may_be_reports(size) || queued >= TERMINAL_MOST_QUEUED)
		return TERMINAL_WAKE;
	if (pause_ms <= TERMINAL_LOOK_MS && (rule->in_doubt || rule->moving)) {
		rule->moving = true;
		rule->in_doubt = false;
	} else if (rule->moving && pause_ms <= TERMINAL_STREAM_MS && is_alike(size, rule->last_size)) {
		rule->in_doubt = false;
	} else {
		rule->moving = false;
		rule->in_doubt = true;
	}
	rule->last_size = size;
	rule->last_ms = now_ms;
	return rule->in_doubt ? TERMINAL_LOOK_AGAIN : TERMINAL_STAY;
}

enum terminal_verdict terminal_later(struct terminal_rule *rule, unsigned queued, int64_t now_ms)
{
	if (queued != rule->queued)
		return terminal_came(rule, queued, now_ms);
	if (!rule->in_doubt)
		return TERMINAL_STAY;
	return now_ms - rule->last_ms >= TERMINAL_LOOK_MS ? TERMINAL_WAKE : TERMINAL_LOOK_AGAIN;
}
