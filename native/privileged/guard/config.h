/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_CONFIG_H
#define GUARD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Values of an installation without a configuration file. */
void config_default(void);
/* Takes `text`, which is changed, into `settings`; false at the first line that is not understood, whose number is `line`. */
bool config_parse(char *text, unsigned *line);
/*
 * Reads the file: root's or our own, and writable by nobody else. One that is
 * absent means the defaults. Otherwise a sentence on what is wrong; NULL: all is well.
 */
const char *config_read(const char *path);

#endif
