/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the guard stands for: their journals and files, open and in memory. */
#include "runs-inner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"
#include "kernel-file.h"
#include "lock.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

struct run runs[RUNS_MOST];

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

bool is_open_journal(const char *name, size_t length)
{
	return length > 5 && memcmp(name + length - 5, ".open", 5) == 0;
}

/* The rename of its journal is what decides a run (docs/journal.md): one that is kept or undone is not ours any more. */
bool run_is_still_open(const struct run *run)
{
	char path[64];
	char real[PATH_MAX];
	struct out out = out_begin(path, sizeof(path));
	ssize_t length;

	out_text(&out, "/proc/self/fd/");
	out_number(&out, (uint64_t)run->journal);
	length = readlink(path, real, sizeof(real));
	return length > 0 && is_open_journal(real, (size_t)length);
}

void runs_look(void)
{
	for (unsigned i = 0; i < RUNS_MOST; i++)
		if ((runs[i].state == RUN_ARMED || runs[i].state == RUN_UNDONE) && !run_is_still_open(&runs[i]))
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

int run_open_file(const struct run *run, const char *path)
{
	uint64_t hash = hash_of(path);

	for (unsigned i = 0; run != NULL && i < run->file_count; i++)
		if (run->files[i].hash == hash && kernel_file_is(run->files[i].fd, path))
			return run->files[i].fd;
	return -1;
}
