/* SPDX-License-Identifier: Apache-2.0 */
#include "areas.h"

#include <stddef.h>
#include <string.h>

/* Hexadecimal digits up to `stop`; NULL where there are none, too many, or another character. */
static const char *hex_until(const char *text, char stop, uint64_t *value)
{
	uint64_t sum = 0;
	int digits = 0;

	for (; *text != stop; text++) {
		int digit;

		if (*text >= '0' && *text <= '9')
			digit = *text - '0';
		else if (*text >= 'a' && *text <= 'f')
			digit = *text - 'a' + 10;
		else
			return NULL;
		if (++digits > 16)
			return NULL;
		sum = (sum << 4) | (uint64_t)digit;
	}
	if (digits == 0)
		return NULL;
	*value = sum;
	return text + 1;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* The name is the rest of the line after five fields: "offset dev inode   name". */
static const char *name_of(const char *rest)
{
	for (int field = 0; field < 3; field++) {
		rest += strcspn(rest, " \n");
		rest += strspn(rest, " ");
	}
	return rest;
}

static bool worth_advising(const char *name)
{
	static const char *const not_ours[] = {
		"[vdso]", "[vvar", "[vsyscall]", "[uprobes]", /* the kernel's own pages */
		"/dev/",                                      /* devices: reading or dropping has effects */
		"/anon_hugepage", "/memfd:",                  /* huge pages; sealed memory that others share */
		"/SYSV", "anon_inode:",
	};

	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		if (starts_with(name, not_ours[i]))
			return false;
	return true;
}

bool area_from_maps_line(const char *line, struct area *area)
{
	const char *modes = hex_until(line, '-', &area->start);
	const char *name;

	if (modes == NULL)
		return false;
	modes = hex_until(modes, ' ', &area->end);
	if (modes == NULL || area->start >= area->end)
		return false;
	/* "rwxp": four characters, the last one tells private from shared. */
	if (strnlen(modes, 5) < 5 || modes[4] != ' ' || modes[3] != 'p')
		return false;
	if (modes[0] != 'r' && modes[1] != 'w' && modes[2] != 'x')
		return false;
	/* The vsyscall page lies in the kernel's half; no area of a process does. */
	if (area->end > (uint64_t)1 << 63)
		return false;
	name = name_of(modes + 5);
	area->file = name[0] == '/';
	return worth_advising(name);
}
