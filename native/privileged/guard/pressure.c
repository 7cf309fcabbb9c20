/* SPDX-License-Identifier: Apache-2.0 */
/* Memory pressure, and what of it was there before. */
#include "pressure.h"

#include <string.h>

#include "text.h"

/* Of "some avg10=12.34 avg60=..."; `name` with its equals sign. */
static bool read_average(const char *text, const char *line_name, const char *name, uint64_t *percent)
{
	const char *line = strstr(text, line_name);
	const char *field;

	if (line == NULL)
		return false;
	field = strstr(line, name);
	return field != NULL && field_of(field, name, 10, percent);
}

bool pressure_now(const char *text, struct pressure *now)
{
	*now = (struct pressure){ 0 };
	if (!read_average(text, "some ", "avg10=", &now->some))
		return false;
	/* Without `full`, `some` decides. */
	(void)!read_average(text, "full ", "avg10=", &now->full);
	return true;
}

static uint64_t more_of(const char *text, const char *line_name)
{
	uint64_t ten = 0;
	uint64_t sixty = 0;

	(void)!read_average(text, line_name, "avg10=", &ten);
	(void)!read_average(text, line_name, "avg60=", &sixty);
	return ten > sixty ? ten : sixty;
}

struct pressure pressure_before(const char *text)
{
	return (struct pressure){ .some = more_of(text, "some "), .full = more_of(text, "full ") };
}

uint64_t pressure_limit(uint64_t limit, uint64_t before)
{
	uint64_t more = before + before / 4 + 5;

	return more > limit ? more : limit;
}
