/* SPDX-License-Identifier: Apache-2.0 */
/* When a process began: what tells it from another that has its number later. */
#include "start-ticks.h"

#include <stddef.h>
#include <string.h>

bool start_ticks_of(const char *stat, uint64_t *ticks)
{
	const char *at = strrchr(stat, ')');
	uint64_t value = 0;

	if (at == NULL)
		return false;
	at++;
	/* Field 3 follows the name; 22 is nineteen fields further. */
	for (int field = 3; field <= 22; field++) {
		if (*at != ' ')
			return false;
		at++;
		if (field < 22)
			at += strcspn(at, " ");
	}
	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ticks = value;
	return *at == ' ' || *at == '\n' || *at == '\0';
}
