/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of corpus.h, for the files corpus*.c alone: the files read, what is drawn, what is put together. */
#ifndef BENCH_CORPUS_INNER_H
#define BENCH_CORPUS_INNER_H

#include "corpus.h"

struct file {
	const char *name;
	const char *text;
	size_t bytes;
	bool prose;
};

struct corpus {
	char *text;
	size_t bytes;
	struct file *files;
	size_t count;
	size_t *prose;
	size_t prose_count;
};

struct out {
	char *at;
	char *end;
	bool full;
};

uint64_t corpus_mix(uint64_t value);
uint64_t corpus_draw(uint64_t *state);
uint32_t corpus_below(uint64_t *state, uint32_t most);
void corpus_uuid(char to[37], uint64_t *state);

/* Whole lines from somewhere in the file. */
void corpus_excerpt(const struct file *file, uint64_t *state, size_t most, const char **text, size_t *bytes);

void corpus_put(struct out *out, const char *text, size_t bytes);
void corpus_put_text(struct out *out, const char *text);
void corpus_put_number(struct out *out, uint64_t number);
/* Inside a JSON string, with the names of a project. */
void corpus_put_quoted(struct out *out, const char *text, size_t bytes, uint64_t project);

#endif
