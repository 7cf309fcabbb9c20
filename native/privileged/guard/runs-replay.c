/* SPDX-License-Identifier: Apache-2.0 */
/* The replay of a journal: each `now` record taken back, where the file still says what was written. */
#include "runs-inner.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "journal.h"
#include "kernel-file.h"

static struct journal parsed;

/* What an earlier line for the same file names: then this change was never made. */
static bool named_earlier(size_t index, const char *value)
{
	const struct record *record = &parsed.records[index];

	for (size_t i = 0; i < index; i++) {
		const struct record *other = &parsed.records[i];

		if (strcmp(other->verb, record->verb) == 0 && strcmp(other->target, record->target) == 0 &&
		    (strcmp(other->value, value) == 0 || (other->old != NULL && strcmp(other->old, value) == 0)))
			return true;
	}
	return false;
}

static enum undone undo_value(int fd, size_t index)
{
	const struct record *record = &parsed.records[index];
	char buffer[VALUE_MOST];
	const char *found = kernel_file_value(fd, buffer);

	if (found == NULL || record->old == NULL)
		return UNDO_LEFT;
	if (strcmp(found, record->old) == 0)
		return UNDO_ALREADY;
	if (strcmp(found, record->value) != 0)
		return named_earlier(index, found) ? UNDO_ALREADY : UNDO_LEFT;
	if (!kernel_value_allowed(record->target, record->old) || !kernel_file_write(fd, record->old))
		return UNDO_FAILED;
	found = kernel_file_value(fd, buffer);
	return found != NULL && strcmp(found, record->old) == 0 ? UNDO_RESTORED : UNDO_FAILED;
}

/* OLD is "20%": bytes of 0 cannot be written; what held is the ratio, and writing that takes the bytes away. */
static enum undone undo_bytes(const struct run *run, int fd, const struct record *record, const char *ratio_path)
{
	int open_fd = run_open_file(run, ratio_path);
	int ratio_fd = open_fd >= 0 ? open_fd : kernel_file_open(ratio_path);
	char bytes[VALUE_MOST];
	char ratio[VALUE_MOST];
	char percent[4];
	size_t length = strlen(record->old) - 1;
	const char *found;
	const char *holds;
	enum undone outcome = UNDO_FAILED;

	if (length == 0 || length >= sizeof(percent) || strspn(record->old, "0123456789") != length || ratio_fd < 0)
		goto out;
	memcpy(percent, record->old, length);
	percent[length] = '\0';
	found = kernel_file_value(fd, bytes);
	holds = kernel_file_value(ratio_fd, ratio);
	if (found == NULL || holds == NULL)
		outcome = UNDO_LEFT;
	else if (strcmp(found, "0") == 0 && strcmp(holds, percent) == 0)
		outcome = UNDO_ALREADY;
	else if (strcmp(found, record->value) != 0)
		outcome = UNDO_LEFT;
	else if (kernel_file_write(ratio_fd, percent)) {
		found = kernel_file_value(fd, bytes);
		holds = kernel_file_value(ratio_fd, ratio);
		if (found != NULL && holds != NULL && strcmp(found, "0") == 0 && strcmp(holds, percent) == 0)
			outcome = UNDO_RESTORED;
	}
out:
	if (open_fd < 0 && ratio_fd >= 0)
		close(ratio_fd);
	return outcome;
}

static bool is_percent(const struct record *record)
{
	size_t length = record->old == NULL ? 0 : strlen(record->old);

	return length > 0 && record->old[length - 1] == '%';
}

static enum undone undo_record(const struct run *run, size_t index)
{
	const struct record *record = &parsed.records[index];
	const char *ratio_path = kernel_file_ratio(record->target);
	enum undone outcome;
	int open_fd = run_open_file(run, record->target);
	int fd = open_fd >= 0 ? open_fd : kernel_file_open(record->target);

	if (fd < 0)
		return errno == ENOENT ? UNDO_LEFT : UNDO_FAILED;
	outcome = is_percent(record) && ratio_path != NULL ? undo_bytes(run, fd, record, ratio_path) : undo_value(fd, index);
	if (open_fd < 0)
		close(fd);
	return outcome;
}

struct tally runs_replay(int journal, const struct run *run, bool writes, bool thaws)
{
	struct tally tally = { .readable = false };
	ssize_t length = read_again(journal, scratch, JOURNAL_MOST_BYTES);

	if (length < 0 || !journal_parse(scratch, (size_t)length, &parsed))
		return tally;
	tally.readable = true;
	parsed.too_long = parsed.too_long || length == JOURNAL_MOST_BYTES - 1;
	tally.partly = parsed.damaged > 0 || parsed.too_long;
	tally.other_boot = strcmp(parsed.boot, boot_id) != 0;
	for (size_t i = parsed.count; i > 0 && !tally.other_boot; i--) {
		const struct record *record = &parsed.records[i - 1];
		bool thaw = strcmp(record->verb, "thaw") == 0;

		if (record->now && ((writes && strcmp(record->verb, "write") == 0) || (thaws && thaw && is_freeze_path(record->target))))
			tally.count[undo_record(run, i - 1)]++;
	}
	return tally;
}
