/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations as agents log them: JSON lines with roles, tool calls, code
 * and command output, made from a seed over the text files of installed npm
 * packages. The same seed, conversation and files give the same bytes.
 */
#ifndef BENCH_CORPUS_H
#define BENCH_CORPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct corpus;

/* One conversation being written. Copied by assignment: a fork goes on from there. */
struct corpus_writer {
	uint64_t seed;		/* draws what is said */
	uint64_t line;
	uint64_t clock_ms;
	char session[37];	/* on each line */
	char parent[37];	/* the line before */
	bool new_line_ids;	/* of a fork: session id and line ids drawn anew on each line */
	uint64_t ids;		/* draws ids, apart from what is said */
	uint32_t project;	/* which part of the files it works on */
};

/* Text files below `folder`, in the order of their names. NULL with a message on stderr where there is less than 8 MB of them. */
struct corpus *corpus_open(const char *folder);
void corpus_close(struct corpus *corpus);
size_t corpus_text_bytes(const struct corpus *corpus);

void corpus_begin(struct corpus_writer *writer, uint64_t seed, uint64_t conversation);
/* Whole lines up to `bytes`, filled up with one short line so that it is exactly as long. */
void corpus_write(const struct corpus *corpus, struct corpus_writer *writer, char *out, size_t bytes);
/*
 * Gives a conversation that was written to `text` another session id on every
 * line in place, as agents do when they fork: the length stays.
 */
void corpus_rewrite_ids(char *text, size_t bytes, const char old_session[37], uint64_t seed);
/* A system prompt or tool definitions: prose and JSON schemas. */
void corpus_prompt(const struct corpus *corpus, uint64_t seed, char *out, size_t bytes);

/*
 * Why this corpus proves nothing, or NULL: zstd -1 by 4 KiB page must give 2.8
 * to 3.1 and zstd -3 by 1 MB 4.1 to 4.5. Both ratios are filled in.
 */
const char *corpus_problem(const struct corpus *corpus, uint64_t seed, double *page_ratio, double *megabyte_ratio);

#endif
