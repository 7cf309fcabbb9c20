/* SPDX-License-Identifier: Apache-2.0 */
/* Undoing: when it may begin, all open runs of it, and what is told of each. */
#include "runs-inner.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lock.h"
#include "server.h"
#include "words.h"

#define GIVE_UP_MS 60000
#define LOCK_RETRY_MS 5

static struct {
	bool wanted;
	bool thaws;
	bool memory;
	bool killed; /* the helper, so that the lock becomes free */
	int64_t since_ms;
} undo;

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
	if (tally->partly)
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

		if (run->state != RUN_ARMED || !run_is_still_open(run))
			continue;
		tally = runs_replay(run->journal, run, true, undo.thaws);
		run->state = RUN_UNDONE;
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

		if (!is_open_journal(name, strlen(name)))
			continue;
		fd = openat(folder.fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		tally = runs_replay(fd, NULL, false, true);
		close(fd);
		if (tally.count[UNDO_RESTORED] > 0)
			leave_word("thawed", "The guard had ended and this was still frozen: thawed.", NULL, NULL, NOBODY);
		if (tally.count[UNDO_FAILED] > 0)
			leave_word("problem", "The guard had ended and this could not be thawed.", NULL, NULL, NOBODY);
	}
	close_fd(&folder.fd);
}
