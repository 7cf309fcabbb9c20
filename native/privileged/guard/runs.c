/* SPDX-License-Identifier: Apache-2.0 */
#include "runs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "journal.h"
#include "kernel-file.h"
#include "lock.h"
#include "server.h"
#include "text.h"
#include "words.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

#define RUNS_MOST 16
#define FILES_MOST 32
#define GIVE_UP_MS 60000
#define LOCK_RETRY_MS 5

struct target_file {
	int fd;
	uint64_t hash; /* of its path; the path itself is read from the kernel again */
};

struct run {
	enum { RUN_FREE, RUN_MAKING, RUN_ARMED, RUN_UNDONE } state;
	char id[NAME_MOST + 1];
	int64_t uid;
	int journal;
	void *pinned; /* NULL: could not be mapped */
	unsigned file_count;
	struct target_file files[FILES_MOST];
};

static struct run runs[RUNS_MOST];
static struct journal parsed;

static struct {
	bool wanted;
	bool thaws;
	bool memory;
	bool killed; /* the helper, so that the lock becomes free */
	int64_t since_ms;
} undo;

static struct run *find(const char *id)
{
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if (runs[i].state != RUN_FREE && strcmp(runs[i].id, id) == 0)
			return &runs[i];
	return NULL;
}

static uint64_t hash_of(const char *path)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

	for (; *path != '\0'; path++)
		hash = (hash ^ (unsigned char)*path) * 0x100000001b3u;
	return hash;
}

static void forget(struct run *run)
{
	for (unsigned i = 0; i < run->file_count; i++)
		close_fd(&run->files[i].fd);
	if (run->pinned != NULL)
		munmap(run->pinned, JOURNAL_MOST_BYTES);
	run->pinned = NULL;
	close_fd(&run->journal);
	run->file_count = 0;
	run->state = RUN_FREE;
}

/* In the folder given at start and nowhere else, and nobody else's. */
static int open_journal(const char *path)
{
	size_t length = strlen(settings.journal_dir);
	struct stat file;
	int fd;

	if (strncmp(path, settings.journal_dir, length) != 0 || path[length] != '/' || strstr(path, "/../") != NULL)
		return -1;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0 && (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) || file.st_uid != geteuid()))
		close_fd(&fd);
	return fd;
}

const char *run_begin(const char *id, int64_t uid, const char *journal)
{
	struct run *free_run = NULL;

	if (find(id) != NULL)
		return "exists this run is armed already";
	for (unsigned i = 0; i < RUNS_MOST && free_run == NULL; i++)
		if (runs[i].state == RUN_FREE)
			free_run = &runs[i];
	if (free_run == NULL)
		return "full the guard stands for 16 runs already";
	free_run->journal = open_journal(journal);
	if (free_run->journal < 0)
		return "refused the journal cannot be opened: expected a file of our own in the folder of the journals";
	strcpy(free_run->id, id);
	free_run->uid = uid;
	free_run->file_count = 0;
	free_run->pinned = mmap(NULL, JOURNAL_MOST_BYTES, PROT_READ, MAP_SHARED, free_run->journal, 0);
	if (free_run->pinned == MAP_FAILED)
		free_run->pinned = NULL;
	free_run->state = RUN_MAKING;
	return NULL;
}

const char *run_file(const char *id, const char *path)
{
	struct run *run = find(id);
	int fd;

	if (run == NULL || run->state != RUN_MAKING)
		return "unknown no run of this name is being armed";
	if (run->file_count == FILES_MOST)
		return "full 32 files of one run at most";
	/* One the guard would never write needs not be open: what undoes it is the helper. */
	if (!kernel_file_allowed(path))
		return NULL;
	fd = kernel_file_open(path);
	if (fd < 0)
		return errno == ENOENT ? NULL : "refused a file of the run cannot be opened for writing";
	run->files[run->file_count++] = (struct target_file){ .fd = fd, .hash = hash_of(path) };
	return NULL;
}

const char *run_armed(const char *id)
{
	struct run *run = find(id);

	if (run == NULL || run->state != RUN_MAKING)
		return "unknown no run of this name is being armed";
	run->state = RUN_ARMED;
	lock_prepare(settings.journal_dir);
	runs_pin();
	return NULL;
}

const char *run_done(const char *id)
{
	struct run *run = find(id);

	if (run == NULL)
		return "unknown no run of this name is armed";
	forget(run);
	return NULL;
}

static unsigned in_state(int one, int other)
{
	unsigned count = 0;

	for (unsigned i = 0; i < RUNS_MOST; i++)
		count += (int)runs[i].state == one || (int)runs[i].state == other;
	return count;
}

void runs_list(struct out *out)
{
	bool any = false;

	for (unsigned i = 0; i < RUNS_MOST; i++) {
		if (runs[i].state != RUN_ARMED && runs[i].state != RUN_UNDONE)
			continue;
		if (any)
			out_text(out, ",");
		any = true;
		out_json(out, runs[i].id);
	}
}

void runs_drop_made(void)
{
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if (runs[i].state == RUN_MAKING)
			forget(&runs[i]);
}

unsigned runs_armed(void)
{
	return in_state(RUN_ARMED, RUN_UNDONE);
}

unsigned runs_open(void)
{
	return in_state(RUN_ARMED, RUN_ARMED);
}

/* The rename of its journal is what decides a run (docs/journal.md): one that is kept or undone is not ours any more. */
static bool is_still_open(const struct run *run)
{
	char path[64];
	char real[PATH_MAX];
	struct out out = out_begin(path, sizeof(path));
	ssize_t length;

	out_text(&out, "/proc/self/fd/");
	out_number(&out, (uint64_t)run->journal);
	length = readlink(path, real, sizeof(real));
	return length > 5 && memcmp(real + length - 5, ".open", 5) == 0;
}

void runs_look(void)
{
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if ((runs[i].state == RUN_ARMED || runs[i].state == RUN_UNDONE) && !is_still_open(&runs[i]))
			forget(&runs[i]);
	runs_pin();
}

void runs_pin(void)
{
	for (unsigned i = 0; i < RUNS_MOST; i++) {
		struct stat file;
		size_t length;

		if (runs[i].state != RUN_ARMED || runs[i].pinned == NULL || fstat(runs[i].journal, &file) != 0)
			continue;
		length = file.st_size < JOURNAL_MOST_BYTES ? (size_t)file.st_size : JOURNAL_MOST_BYTES;
		/* Failing means only that it may have to be read from disk. */
		if (length > 0)
			(void)!madvise(runs[i].pinned, length, MADV_POPULATE_READ);
	}
}

enum undone { UNDO_RESTORED, UNDO_ALREADY, UNDO_LEFT, UNDO_FAILED };

static int find_file(const struct run *run, const char *path)
{
	uint64_t hash = hash_of(path);

	for (unsigned i = 0; run != NULL && i < run->file_count; i++)
		if (run->files[i].hash == hash && kernel_file_is(run->files[i].fd, path))
			return run->files[i].fd;
	return -1;
}

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
	int open_fd = find_file(run, ratio_path);
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
	int open_fd = find_file(run, record->target);
	int fd = open_fd >= 0 ? open_fd : kernel_file_open(record->target);

	if (fd < 0)
		return errno == ENOENT ? UNDO_LEFT : UNDO_FAILED;
	outcome = is_percent(record) && ratio_path != NULL ? undo_bytes(run, fd, record, ratio_path) : undo_value(fd, index);
	if (open_fd < 0)
		close(fd);
	return outcome;
}

struct tally {
	unsigned count[4];
	bool readable;
	bool other_boot;
};

/* Last first, each looking at what is there: doing it twice is harmless. */
static struct tally replay(int journal, const struct run *run, bool writes, bool thaws)
{
	struct tally tally = { .readable = false };
	ssize_t length = read_again(journal, scratch, JOURNAL_MOST_BYTES);

	if (length < 0 || !journal_parse(scratch, (size_t)length, &parsed))
		return tally;
	tally.readable = true;
	parsed.too_long = parsed.too_long || length == JOURNAL_MOST_BYTES - 1;
	tally.other_boot = strcmp(parsed.boot, boot_id) != 0;
	for (size_t i = parsed.count; i > 0 && !tally.other_boot; i--) {
		const struct record *record = &parsed.records[i - 1];
		bool thaw = strcmp(record->verb, "thaw") == 0;

		if (record->now && ((writes && strcmp(record->verb, "write") == 0) || (thaws && thaw && is_freeze_path(record->target))))
			tally.count[undo_record(run, i - 1)]++;
	}
	return tally;
}

static void tell(const struct run *run, const struct tally *tally)
{
	char line[256];
	struct out out = out_begin(line, sizeof(line));

	if (!tally->readable) {
		leave_word("problem", "The journal of an open run cannot be read; the helper takes it back when it starts.", run->id, NULL, run->uid);
		return;
	}
	out_text(&out, "Took back ");
	out_number(&out, tally->count[UNDO_RESTORED]);
	out_text(&out, tally->count[UNDO_RESTORED] == 1 ? " setting" : " settings");
	if (tally->count[UNDO_LEFT] > 0) {
		out_text(&out, "; left alone ");
		out_number(&out, tally->count[UNDO_LEFT]);
		out_text(&out, " that somebody else changed since");
	}
	if (tally->count[UNDO_FAILED] > 0) {
		out_text(&out, "; the kernel refused ");
		out_number(&out, tally->count[UNDO_FAILED]);
	}
	if (parsed.damaged > 0 || parsed.too_long)
		out_text(&out, "; a part of the journal could not be used");
	out_text(&out, ".");
	leave_word(tally->count[UNDO_FAILED] > 0 ? "problem" : "undone", line, run->id, NULL, run->uid);
}

void runs_undo(bool thaws, bool memory)
{
	if (runs_open() == 0)
		return;
	if (!undo.wanted)
		undo.since_ms = now_ms();
	undo.wanted = true;
	undo.thaws = undo.thaws || thaws;
	undo.memory = undo.memory || memory;
}

static void undo_all(void)
{
	/* Newest first would need their times; records of different runs seldom share a file, and each looks first. */
	for (unsigned i = RUNS_MOST; i > 0; i--) {
		struct run *run = &runs[i - 1];
		struct tally tally;

		if (run->state != RUN_ARMED || !is_still_open(run))
			continue;
		tally = replay(run->journal, run, true, undo.thaws);
		run->state = RUN_UNDONE;
		/* Told while `parsed` is still this run's; the file is written later. */
		tell(run, &tally);
	}
}

int64_t runs_step(int64_t at_ms)
{
	enum lock_outcome taken;

	if (!undo.wanted)
		return NEVER_MS;
	taken = lock_take();
	if (taken == LOCK_BUSY && at_ms - undo.since_ms < GIVE_UP_MS) {
		/* Silent or hindered: it must not write any more once undoing begins. */
		if (!undo.killed)
			undo.killed = server_end_helper(undo.memory);
		return at_ms + LOCK_RETRY_MS * (at_ms - undo.since_ms > 1000 ? 20 : 1);
	}
	if (taken == LOCK_BUSY)
		leave_word("problem", "Another program holds the undoer's lock and does not end; it has to take the open run back.", NULL, NULL, NOBODY);
	else
		undo_all();
	if (taken == LOCK_BROKEN)
		leave_word("problem", "The undoer's lock could not be taken; the open run was taken back without it.", NULL, NULL, NOBODY);
	lock_release();
	undo.wanted = undo.thaws = undo.memory = undo.killed = false;
	return NEVER_MS;
}

static bool is_open_journal(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && strcmp(name + length - 5, ".open") == 0;
}

void runs_recover_held(void)
{
	static struct folder folder;
	char path[PATH_MAX];
	struct out out = out_begin(path, sizeof(path));
	const char *name;

	out_text(&out, settings.journal_dir);
	out_text(&out, "/agents");
	folder.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	while (folder.fd >= 0 && (name = folder_next(&folder)) != NULL) {
		struct tally tally;
		int fd;

		if (!is_open_journal(name))
			continue;
		fd = openat(folder.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		tally = replay(fd, NULL, false, true);
		close(fd);
		if (tally.count[UNDO_RESTORED] > 0)
			leave_word("thawed", "The guard had ended and this was still frozen: thawed.", NULL, NULL, NOBODY);
		if (tally.count[UNDO_FAILED] > 0)
			leave_word("problem", "The guard had ended and this could not be thawed.", NULL, NULL, NOBODY);
	}
	close_fd(&folder.fd);
}
