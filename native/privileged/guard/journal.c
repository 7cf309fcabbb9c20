/* SPDX-License-Identifier: Apache-2.0 */
#include "journal.h"

#include <stdint.h>
#include <string.h>

#include "text.h"

enum { HEADER_PARTS = 5, RECORD_PARTS = 6, LONGEST_SEQ = 9 };

static const char *const verbs[] = { "write", "swapoff", "swapon", "zram-reset", "unlink", "thaw", "move", "rmmod", "backing" };

/* Cuts the sum off; false where it is not that of what stands before it. Exactly eight lower-case digits. */
static bool take_sum(char *line)
{
	char *space = strrchr(line, ' ');
	uint64_t sum;

	if (space == NULL || strlen(space + 1) != 8 || strpbrk(space + 1, "ABCDEF") != NULL || hex_until(space + 1, '\0', UINT32_MAX, &sum) == NULL)
		return false;
	if (crc32_of(line, (size_t)(space - line)) != (uint32_t)sum)
		return false;
	*space = '\0';
	return true;
}

/* "-" is NULL, "%" the empty text; false where it cannot be a path or value. */
static bool take_field(char *field, const char **text)
{
	if (strcmp(field, "-") == 0) {
		*text = NULL;
		return true;
	}
	if (strcmp(field, "%") == 0)
		field[0] = '\0';
	*text = field;
	return unescape(field);
}

static bool parse_header(char *line, struct journal *journal)
{
	char *parts[HEADER_PARTS];

	if (!take_sum(line) || split(line, parts, HEADER_PARTS) != HEADER_PARTS)
		return false;
	if (strcmp(parts[0], "agentmem-journal") != 0 || strcmp(parts[1], "1") != 0)
		return false;
	if (strcmp(parts[4], "system") != 0 && strcmp(parts[4], "session") != 0)
		return false;
	journal->boot = parts[2];
	journal->run = parts[3];
	return true;
}

static bool parse_record(char *line, struct record *record)
{
	char *parts[RECORD_PARTS];
	uint64_t seq;

	if (!take_sum(line) || split(line, parts, RECORD_PARTS) != RECORD_PARTS)
		return false;
	if (strlen(parts[0]) > LONGEST_SEQ || !number_from_text(parts[0], UINT32_MAX, &seq))
		return false;
	record->now = strcmp(parts[1], "now") == 0;
	if (!record->now && strcmp(parts[1], "when-it-fits") != 0)
		return false;
	record->verb = NULL;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(parts[2], verbs[i]) == 0)
			record->verb = verbs[i];
	if (record->verb == NULL)
		return false;
	if (!take_field(parts[3], &record->target) || !take_field(parts[4], &record->old) || !take_field(parts[5], &record->value))
		return false;
	if (record->target == NULL)
		record->target = "";
	if (record->value == NULL)
		record->value = "";
	return true;
}

bool journal_parse(char *text, size_t length, struct journal *journal)
{
	char *line = text;
	bool first = true;

	journal->boot = journal->run = "";
	journal->count = 0;
	journal->damaged = 0;
	journal->torn = journal->too_long = false;
	text[length] = '\0';
	/* A zero byte stands in no journal: what follows it is not read. */
	length = strlen(text);
	if (length == 0)
		return false;
	while (*line != '\0') {
		char *end = strchr(line, '\n');
		bool whole = end != NULL;
		char *next = whole ? end + 1 : line + strlen(line);
		bool last = *next == '\0';

		if (whole)
			*end = '\0';
		if (first) {
			/* Whole or not, as the helper reads it: the sum decides. */
			if (!parse_header(line, journal))
				return false;
			first = false;
		} else if (journal->count == JOURNAL_MOST_RECORDS) {
			journal->too_long = true;
			return true;
		} else if (whole && parse_record(line, &journal->records[journal->count])) {
			journal->count++;
		} else if (last) {
			journal->torn = true;
		} else {
			journal->damaged++;
		}
		line = next;
	}
	return true;
}
