/* SPDX-License-Identifier: GPL-2.0 */
/* What is run for long, or on debug kernels alone. As root, in a machine of its own. */
#ifndef TORTURE_H
#define TORTURE_H

#include "../selftest/kit.h"

/* Fails each call's memory once, at its first allocation, its second, and so on; every `step`-th of them. */
void torture_inject(unsigned step);
/* Processes that work on the same units, are killed, and hand descriptors on. */
void torture_race(unsigned seconds, uint64_t seed);
/* Anything at all, from many processes at once. */
void torture_fuzz(unsigned seconds, uint64_t seed);

/* Writes a word to a file; true where it was taken. */
bool torture_put(const char *path, const char *text);
/* Waits until nothing is stored any more; counts a failure where something stays. */
void torture_nothing_left(const char *when);
void torture_settings(uint64_t warm_after_ms, uint64_t hot_most_bytes, uint64_t user_most_bytes);

#endif
