/* SPDX-License-Identifier: Apache-2.0 */
/* What the guard saw and did, for the window and the desktop. */
#ifndef GUARD_WORDS_H
#define GUARD_WORDS_H

#include <stdint.h>

#include "text.h"

#define WORD_LINE_MOST 768
#define NOBODY (-1)

/* Opens the file, 0644; a path that cannot be opened is no reason not to guard. */
void words_open(const char *path);
/*
 * Tells the clients at once and keeps the word; the file gets it with
 * words_write, after what had to be done is done. `run` and `agent` may be NULL.
 */
void leave_word(const char *what, const char *text, const char *run, const char *agent, int64_t uid);
void words_write(void);
/* The newest, 50 at most, as JSON objects with commas between. */
void words_list(struct out *out);

#endif
