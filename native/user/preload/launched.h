/* SPDX-License-Identifier: Apache-2.0 */
/* What every library that agentmem-run preloads asks first: is this the program it was set for? */
#ifndef PRELOAD_LAUNCHED_H
#define PRELOAD_LAUNCHED_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The launched process keeps its number through any chain of exec (sh, env,
 * node); its children have others. They are programs of their own, mostly no
 * agents: nothing is set up in them, and theirs start without us.
 */
static inline bool launched_is_this(const char *variable)
{
	const char *number = getenv(variable);

	return number != NULL && strtol(number, NULL, 10) == (long)getpid();
}

/* Takes the library out of LD_PRELOAD, where it stands whatever the folder; false where it is not in it. */
static inline bool launched_leave_preload(const char *library)
{
	char *list = getenv("LD_PRELOAD");
	char *found = list == NULL ? NULL : strstr(list, library);
	char *start = found;
	char *rest;

	if (found == NULL)
		return false;
	while (start > list && start[-1] != ':' && start[-1] != ' ')
		start--;
	rest = found + strcspn(found, ": ");
	rest += strspn(rest, ": ");
	memmove(start, rest, strlen(rest) + 1);
	if (list[0] == '\0')
		unsetenv("LD_PRELOAD");
	return true;
}

#endif
