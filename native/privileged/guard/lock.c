/* SPDX-License-Identifier: Apache-2.0 */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base.h"
#include "text.h"

#define TEXT_MOST 96

static struct {
	bool ready;
	bool held;
	char text[TEXT_MOST];
	char path[PATH_MAX]; /* the lock */
	char own[PATH_MAX]; /* what is linked to it */
	char aside[PATH_MAX];
} lock;

struct holder {
	pid_t pid;
	uint64_t ticks;
	char boot[40];
};

static bool parse_holder(char *text, struct holder *holder)
{
	char *parts[3];
	uint64_t pid;
	size_t length = strlen(text);

	if (length == 0 || text[length - 1] != '\n')
		return false;
	text[length - 1] = '\0';
	if (split(text, parts, 3) != 3 || strlen(parts[2]) >= sizeof(holder->boot))
		return false;
	if (!number_from_text(parts[0], INT_MAX, &pid) || pid == 0 || !number_from_text(parts[1], UINT64_MAX, &holder->ticks))
		return false;
	holder->pid = (pid_t)pid;
	strcpy(holder->boot, parts[2]);
	return true;
}

/* The lock's text as it stands, and whether that very process lives. False where there is no lock. */
static bool look(const char *path, char *text, struct holder *holder, bool *alive)
{
	char copy[TEXT_MOST];
	int pidfd;

	*alive = false;
	holder->pid = 0;
	if (read_at(AT_FDCWD, path, text, TEXT_MOST) < 0)
		return false;
	strcpy(copy, text);
	if (!parse_holder(copy, holder) || strcmp(holder->boot, boot_id) != 0)
		return true;
	pidfd = process_open(holder->pid, holder->ticks);
	*alive = pidfd >= 0;
	close_fd(&pidfd);
	return true;
}

static void join(char *path, const char *dir, const char *name, bool with_pid)
{
	struct out out = out_begin(path, PATH_MAX);

	out_text(&out, dir);
	out_text(&out, name);
	if (with_pid)
		out_number(&out, (uint64_t)getpid());
	if (out.cut)
		path[0] = '\0';
}

void lock_prepare(const char *journal_dir)
{
	struct out out;
	uint64_t ticks = 0;
	int fd;

	/* Before anything is written: this comes again with each run. */
	if (lock.ready)
		return;
	out = out_begin(lock.text, sizeof(lock.text));
	/* STATE/journal: the lock lies in STATE. */
	join(lock.path, journal_dir, "/../lock", false);
	join(lock.own, journal_dir, "/../lock.", true);
	join(lock.aside, journal_dir, "/../lock.stale.", true);
	process_ticks(getpid(), &ticks);
	out_number(&out, (uint64_t)getpid());
	out_text(&out, " ");
	out_number(&out, ticks);
	out_text(&out, " ");
	out_text(&out, boot_id);
	out_text(&out, "\n");
	/* One of an earlier process with our number is nobody's. */
	unlink(lock.own);
	fd = open(lock.own, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	lock.ready = write(fd, lock.text, out.used) == (ssize_t)out.used;
	close(fd);
}

enum lock_outcome lock_take(void)
{
	if (lock.held)
		return LOCK_TAKEN;
	if (!lock.ready)
		lock_prepare(settings.journal_dir);
	if (!lock.ready)
		return LOCK_BROKEN;
	for (int attempt = 0; attempt < 5; attempt++) {
		char text[TEXT_MOST];
		char moved[TEXT_MOST];
		struct holder holder;
		bool alive;

		if (link(lock.own, lock.path) == 0) {
			lock.held = true;
			return LOCK_TAKEN;
		}
		if (errno != EEXIST)
			return LOCK_BROKEN;
		if (!look(lock.path, text, &holder, &alive))
			continue;
		if (alive)
			return LOCK_BUSY;
		/* Moved away and looked at again, so that two who find a dead one cannot both take it. */
		if (rename(lock.path, lock.aside) != 0)
			continue;
		if (look(lock.aside, moved, &holder, &alive) && alive && strcmp(moved, text) != 0 && link(lock.aside, lock.path) != 0 && errno != EEXIST)
			return LOCK_BROKEN;
		unlink(lock.aside);
	}
	return LOCK_BUSY;
}

void lock_release(void)
{
	char text[TEXT_MOST];

	if (lock.held && read_at(AT_FDCWD, lock.path, text, sizeof(text)) > 0 && strcmp(text, lock.text) == 0)
		unlink(lock.path);
	lock.held = false;
}

bool lock_is_held_by(pid_t pid, uint64_t ticks)
{
	char text[TEXT_MOST];
	struct holder holder;
	bool alive;

	if (lock.path[0] == '\0')
		join(lock.path, settings.journal_dir, "/../lock", false);
	return look(lock.path, text, &holder, &alive) && alive && holder.pid == pid && holder.ticks == ticks;
}

void lock_end(void)
{
	lock_release();
	if (lock.ready)
		unlink(lock.own);
	lock.ready = false;
}
