/* SPDX-License-Identifier: Apache-2.0 */
/* The text files a corpus is made of: which of those below a folder, read whole. */
#include "corpus-inner.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_LEAST_BYTES 400
#define FILE_MOST_BYTES (400 * 1024)
#define TEXT_MOST_BYTES (96u << 20)
#define TEXT_LEAST_BYTES (8u << 20)
/* A line longer than an average source line is generated code: one file of it would be half a corpus. */
#define LINE_MOST_BYTES 200

static bool is_prose(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot != NULL && strcmp(dot, ".md") == 0;
}

static bool is_text(const char *name)
{
	static const char *const kinds[] = { ".js", ".mjs", ".cjs", ".ts", ".md", ".json", ".css", ".html" };
	const char *dot = strrchr(name, '.');

	if (dot == NULL || strstr(name, ".min.") != NULL)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(dot, kinds[i]) == 0)
			return true;
	return false;
}

static bool reads_like_text(const char *text, size_t bytes)
{
	size_t lines = 1;

	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == 0 || c >= 0x80)
			return false;
		lines += c == '\n';
	}
	return bytes / lines < LINE_MOST_BYTES;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool take_file(struct corpus *corpus, const char *path, size_t root_bytes, off_t size)
{
	char *to = corpus->text + corpus->bytes;
	size_t bytes = (size_t)size;
	size_t name_bytes;
	struct file *file;
	int fd;

	if (size < FILE_LEAST_BYTES || size > FILE_MOST_BYTES || corpus->bytes + bytes + 4096 > TEXT_MOST_BYTES)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return true;
	if (read(fd, to, bytes) != size || !reads_like_text(to, bytes)) {
		close(fd);
		return true;
	}
	close(fd);
	if (corpus->count % 1024 == 0) {
		struct file *more = realloc(corpus->files, (corpus->count + 1024) * sizeof(*more));

		if (more == NULL)
			return false;
		corpus->files = more;
	}
	name_bytes = strlen(path + root_bytes) + 1;
	memcpy(to + bytes, path + root_bytes, name_bytes);
	file = &corpus->files[corpus->count++];
	*file = (struct file){ .name = to + bytes, .text = to, .bytes = bytes, .prose = is_prose(path) };
	corpus->bytes += bytes + name_bytes;
	return true;
}

struct corpus *corpus_open(const char *folder)
{
	struct corpus *corpus = calloc(1, sizeof(*corpus));
	char *const roots[] = { (char *)(uintptr_t)folder, NULL };
	FTSENT *entry;
	FTS *walk;
	bool ok = corpus != NULL;

	if (!ok)
		return NULL;
	corpus->text = malloc(TEXT_MOST_BYTES);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	ok = corpus->text != NULL && walk != NULL;
	while (ok && (entry = fts_read(walk)) != NULL)
		if (entry->fts_info == FTS_F && is_text(entry->fts_name))
			ok = take_file(corpus, entry->fts_path, strlen(folder) + 1, entry->fts_statp->st_size);
	if (walk != NULL)
		fts_close(walk);
	if (ok)
		corpus->prose = calloc(corpus->count + 1, sizeof(*corpus->prose));
	if (!ok || corpus->prose == NULL || corpus->bytes < TEXT_LEAST_BYTES) {
		fprintf(stderr, "corpus: expected at least %u MB of text files below %s, got %zu bytes; run npm ci first, or name another folder\n", TEXT_LEAST_BYTES >> 20, folder, corpus->bytes);
		corpus_close(corpus);
		return NULL;
	}
	for (size_t i = 0; i < corpus->count; i++)
		if (corpus->files[i].prose)
			corpus->prose[corpus->prose_count++] = i;
	return corpus;
}

void corpus_close(struct corpus *corpus)
{
	if (corpus == NULL)
		return;
	free(corpus->text);
	free(corpus->files);
	free(corpus->prose);
	free(corpus);
}

size_t corpus_text_bytes(const struct corpus *corpus)
{
	return corpus->bytes;
}
