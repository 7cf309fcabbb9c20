/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	kmod-corpus FOLDER FILE CONVERSATIONS BYTES
 *
 * Writes what the bench of the kernel module reads in its virtual machine as a
 * disk: a prompt of half a million bytes, tool definitions of a million, both
 * padded to 2 MiB in all, then the conversations, each padded to a MiB. Prints
 * how well they pack, which says whether they prove anything.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "corpus.h"
#include "kmod-disk.h"

static void put(int fd, const void *data, size_t bytes, uint64_t at)
{
	if (pwrite(fd, data, bytes, (off_t)at) != (ssize_t)bytes)
		bench_fail("write");
}

int main(int count, char **words)
{
	double page_ratio, megabyte_ratio;
	struct corpus *corpus;
	const char *problem;
	unsigned talks;
	size_t bytes;
	char *room;
	int fd;

	if (count != 5)
		bench_fail("usage: kmod-corpus FOLDER FILE CONVERSATIONS BYTES");
	talks = (unsigned)atoi(words[3]);
	bytes = strtoull(words[4], NULL, 10);
	corpus = corpus_open(words[1]);
	if (corpus == NULL)
		return 2;
	problem = corpus_problem(corpus, 77, &page_ratio, &megabyte_ratio);
	if (problem != NULL) {
		fprintf(stderr, "corpus: %s\n", problem);
		return 2;
	}
	fd = open(words[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		bench_fail("cannot write the disk");
	room = bench_room(bytes > DISK_TOOLS_BYTES ? bytes : DISK_TOOLS_BYTES);
	corpus_prompt(corpus, 1, room, DISK_PROMPT_BYTES);
	put(fd, room, DISK_PROMPT_BYTES, DISK_PROMPT_AT);
	corpus_prompt(corpus, 2, room, DISK_TOOLS_BYTES);
	put(fd, room, DISK_TOOLS_BYTES, DISK_TOOLS_AT);
	for (unsigned i = 0; i < talks; i++) {
		struct corpus_writer writer;

		corpus_begin(&writer, 77, i);
		corpus_write(corpus, &writer, room, bytes);
		put(fd, room, bytes, disk_talk_at(i, bytes));
	}
	if (ftruncate(fd, (off_t)disk_talk_at(talks, bytes)) != 0 || close(fd) != 0)
		bench_fail("write");
	bench_print("corpus-page-ratio", page_ratio, "x");
	bench_print("corpus-megabyte-ratio", megabyte_ratio, "x");
	return 0;
}
