/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"
#include "server.h"

#define KEPT 64
#define SHOWN 50
#define FILE_MOST_BYTES (64 * 1024)

static struct {
	int fd;
	const char *path;
	char lines[KEPT][WORD_LINE_MOST];
	unsigned count; /* all that were ever left: the newest is count - 1 */
	unsigned written;
} words = { .fd = -1 };

void words_open(const char *path)
{
	words.path = path;
	/* Not opened through a link; where it is one somebody else made it. */
	words.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0644);
	if (words.fd >= 0 && fchmod(words.fd, 0644) != 0)
		close_fd(&words.fd);
}

static void begin_anew(void)
{
	char old[PATH_MAX];
	struct out name = out_begin(old, sizeof(old));

	out_text(&name, words.path);
	out_text(&name, ".old");
	if (name.cut || rename(words.path, old) != 0)
		return;
	close_fd(&words.fd);
	words_open(words.path);
}

static void named(struct out *out, const char *name, const char *text)
{
	out_text(out, name);
	if (text == NULL)
		out_text(out, "null");
	else
		out_json(out, text);
}

void leave_word(const char *what, const char *text, const char *run, const char *agent, int64_t uid)
{
	char *line = words.lines[words.count % KEPT];
	struct out out = out_begin(line, WORD_LINE_MOST);

	out_text(&out, "{\"atMs\":");
	out_number(&out, (uint64_t)unix_ms());
	named(&out, ",\"what\":", what);
	named(&out, ",\"text\":", text);
	named(&out, ",\"runId\":", run);
	named(&out, ",\"agentId\":", agent);
	out_text(&out, ",\"uid\":");
	if (uid == NOBODY)
		out_text(&out, "null");
	else
		out_number(&out, (uint64_t)uid);
	out_text(&out, "}");
	words.count++;
	server_tell("word ", line, true);
}

void words_write(void)
{
	struct stat file;

	if (words.count - words.written > KEPT)
		words.written = words.count - KEPT;
	for (; words.written < words.count; words.written++) {
		char line[WORD_LINE_MOST + 1];
		struct out out = out_begin(line, sizeof(line));

		out_text(&out, words.lines[words.written % KEPT]);
		out_text(&out, "\n");
		if (words.fd >= 0 && fstat(words.fd, &file) == 0 && file.st_size + (off_t)out.used > FILE_MOST_BYTES)
			begin_anew();
		/* Half a line stays half: whoever reads it passes it over. A full disk is no reason to stop. */
		if (words.fd >= 0 && write(words.fd, line, out.used) < 0 && errno != ENOSPC)
			close_fd(&words.fd);
	}
}

void words_list(struct out *out)
{
	unsigned first = words.count > SHOWN ? words.count - SHOWN : 0;

	for (unsigned i = first; i < words.count; i++) {
		if (i > first)
			out_text(out, ",");
		out_text(out, words.lines[i % KEPT]);
	}
}
