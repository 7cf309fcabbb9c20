/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The warm tier by itself: how small, how fast, and how fast back.
 *
 *   bench-warm pack|small|unpack|forks FOLDER   conversations made from the text files below FOLDER
 *   bench-warm file FILE                        one of your own
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "bench.h"
#include "corpus.h"
#include "warm-line.h"
#include "warm/warm.h"

#define SEED 7
#define MB 1000000u
#define CONVERSATIONS 4
#define CONVERSATION_BYTES (32 * MB)
#define FORKS 10
#define FORK_BYTES (10 * MB)
#define OWN_BYTES (MB / 5)
#define REPEATS 41
#define SMALL_UNITS 4000
#define SMALL_BYTES 4096

static struct corpus *corpus;

static const struct {
	const char *name;
	enum am_effort effort;
} efforts[] = { { "fast", AM_EFFORT_FAST }, { "normal", AM_EFFORT_NORMAL }, { "thorough", AM_EFFORT_THOROUGH } };

static void print(const char *of, const char *what, double value, const char *unit)
{
	char name[96];

	snprintf(name, sizeof(name), "%s_%s", of, what);
	bench_print(name, value, unit);
}

static void print_line(const char *of, struct line *line)
{
	struct line_figures figures;
	double unpack_us;

	line_check(line, &unpack_us);
	line_figures(line, &figures);
	print(of, "ratio", (double)figures.plain_bytes / (double)figures.stored_bytes, "to-1");
	if (figures.pack_bytes > 0)
		print(of, "pack", (double)figures.pack_bytes / figures.pack_us, "MB/s");
	print(of, "all_steps", (double)figures.plain_bytes / figures.cpu_us, "MB/s");
	print(of, "unpack", (double)figures.pack_bytes / unpack_us, "MB/s");
	print(of, "blocks", (double)figures.blocks, "blocks");
	print(of, "shared", (double)figures.shared_blocks, "blocks");
	print(of, "based", (double)figures.based_blocks, "blocks");
}

static char *conversation(uint64_t number, size_t bytes)
{
	char *text = bench_room(bytes);
	struct corpus_writer writer;

	corpus_begin(&writer, SEED, number);
	corpus_write(corpus, &writer, text, bytes);
	return text;
}

static void pack_texts(char **texts, size_t count, size_t bytes)
{
	for (size_t i = 0; i < sizeof(efforts) / sizeof(efforts[0]); i++) {
		struct line *line = line_open(efforts[i].effort);

		for (size_t j = 0; j < count; j++)
			line_add(line, texts[j], bytes);
		print_line(efforts[i].name, line);
		line_close(line);
	}
}

/* What one would do without the tier, in the same run. */
static void peer(const char *of, char **texts, size_t piece)
{
	size_t room_bytes = ZSTD_compressBound(piece);
	char *room = bench_room(room_bytes);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t packed = 0;
	double began = line_cpu_us();

	if (context == NULL)
		bench_fail("opening zstd");
	for (size_t i = 0; i < CONVERSATIONS; i++)
		for (size_t at = 0; at < CONVERSATION_BYTES; at += piece)
			packed += ZSTD_compressCCtx(context, room, room_bytes, texts[i] + at, CONVERSATION_BYTES - at < piece ? CONVERSATION_BYTES - at : piece, 3);
	print(of, "pack", CONVERSATIONS * CONVERSATION_BYTES / (line_cpu_us() - began), "MB/s");
	print(of, "ratio", (double)CONVERSATIONS * CONVERSATION_BYTES / (double)packed, "to-1");
	ZSTD_freeCCtx(context);
	free(room);
}

static void pack(void)
{
	char *texts[CONVERSATIONS];
	double page;
	double megabyte;
	const char *problem = corpus_problem(corpus, SEED, &page, &megabyte);

	bench_print("corpus_zstd1_page_ratio", page, "to-1");
	bench_print("corpus_zstd3_megabyte_ratio", megabyte, "to-1");
	if (problem != NULL)
		bench_fail(problem);
	for (size_t i = 0; i < CONVERSATIONS; i++)
		texts[i] = conversation(i, CONVERSATION_BYTES);
	peer("peer_zstd3_page", texts, 4096);
	peer("peer_zstd3_megabyte", texts, MB);
	pack_texts(texts, CONVERSATIONS, CONVERSATION_BYTES);
	peer("peer_zstd3_whole", texts, CONVERSATION_BYTES);
	for (size_t i = 0; i < CONVERSATIONS; i++)
		free(texts[i]);
}

/* Forks of one conversation: `from` gives each its text; each goes on by itself for a little. */
static void fork_line(const char *of, void (*from)(char *text, size_t fork, struct corpus_writer *writer))
{
	struct line *line = line_open(AM_EFFORT_NORMAL);
	char *texts[FORKS];

	for (size_t i = 0; i < FORKS; i++) {
		struct corpus_writer writer;

		texts[i] = bench_room(FORK_BYTES + OWN_BYTES);
		from(texts[i], i, &writer);
		/* Its own future. */
		writer.seed += i;
		corpus_write(corpus, &writer, texts[i] + FORK_BYTES, OWN_BYTES);
		line_add(line, texts[i], FORK_BYTES + OWN_BYTES);
	}
	print_line(of, line);
	line_close(line);
	for (size_t i = 0; i < FORKS; i++)
		free(texts[i]);
}

static void as_it_is(char *text, size_t fork, struct corpus_writer *writer)
{
	(void)fork;
	corpus_begin(writer, SEED, 0);
	corpus_write(corpus, writer, text, FORK_BYTES);
}

/* Its beginning is the parent's: 60 to 96 % of it. */
static void from_before_the_end(char *text, size_t fork, struct corpus_writer *writer)
{
	size_t shared = FORK_BYTES / 100 * (60 + 4 * fork);

	corpus_begin(writer, SEED, 0);
	corpus_write(corpus, writer, text, shared);
	writer->seed += fork;
	corpus_write(corpus, writer, text + shared, FORK_BYTES - shared);
}

static void with_other_session(char *text, size_t fork, struct corpus_writer *writer)
{
	char session[37];

	as_it_is(text, fork, writer);
	memcpy(session, writer->session, sizeof(session));
	if (fork > 0)
		corpus_rewrite_ids(text, FORK_BYTES, session, SEED + fork);
}

/* Each id of each line is another: session, line, parent, tool. */
static void with_all_ids_new(char *text, size_t fork, struct corpus_writer *writer)
{
	corpus_begin(writer, SEED, 0);
	if (fork > 0) {
		writer->ids += fork * UINT64_C(0x9e3779b97f4a7c15) / 3;
		writer->new_line_ids = true;
	}
	corpus_write(corpus, writer, text, FORK_BYTES);
}

static void forks(void)
{
	fork_line("forks", as_it_is);
	fork_line("forks_inside", from_before_the_end);
	fork_line("forks_session", with_other_session);
	fork_line("forks_all_ids", with_all_ids_new);
}

static void unpack(void)
{
	char *text = conversation(0, MB);
	char *room = bench_room(MB);
	size_t packed_room = ZSTD_compressBound(MB);
	char *packed = bench_room(packed_room);
	ZSTD_CCtx *as_zstd = ZSTD_createCCtx();
	size_t packed_bytes;
	ZSTD_DCtx *context = ZSTD_createDCtx();
	struct warm *warm = warm_open();
	struct warm_piece *piece;
	double ours[REPEATS];
	double first[REPEATS];
	double peer[REPEATS];

	if (warm == NULL || context == NULL || as_zstd == NULL)
		bench_fail("opening the warm tier");
	/* As the program zstd does it: with a checksum, looked at when unpacked. */
	ZSTD_CCtx_setParameter(as_zstd, ZSTD_c_checksumFlag, 1);
	packed_bytes = ZSTD_compress2(as_zstd, packed, packed_room, text, MB);
	ZSTD_freeCCtx(as_zstd);
	bench_must(warm_pack(warm, AM_EFFORT_NORMAL, AM_KIND_CONVERSATION, text, MB, NULL, 0, &piece), "packing");
	for (size_t i = 0; i < REPEATS; i++) {
		double at = bench_now_us();

		bench_must(warm_unpack(warm, piece, NULL, 0, room), "unpacking");
		ours[i] = bench_now_us() - at;
		warm_rest(warm);
		at = bench_now_us();
		bench_must(warm_unpack(warm, piece, NULL, 0, room), "unpacking");
		first[i] = bench_now_us() - at;
		if (memcmp(room, text, MB) != 0)
			bench_fail("reading back what went in");
		at = bench_now_us();
		if (ZSTD_decompressDCtx(context, room, MB, packed, packed_bytes) != MB)
			bench_fail("unpacking with zstd");
		peer[i] = bench_now_us() - at;
	}
	bench_print("unpack_1MB", bench_median(ours, REPEATS) / 1000, "ms");
	bench_print("unpack_1MB_after_rest", bench_median(first, REPEATS) / 1000, "ms");
	bench_print("peer_zstd_d_1MB", bench_median(peer, REPEATS) / 1000, "ms");
	warm_drop(warm, piece);
	warm_close(warm);
	ZSTD_freeDCtx(context);
	free(packed);
	free(room);
	free(text);
}

/* Units of a page each, from as many places of the conversation as there are. */
static void small_with(const char *of, enum am_effort effort, const char *text, int learn)
{
	static struct warm_piece *pieces[SMALL_UNITS];
	struct warm *warm = warm_open();
	struct warm_stats stats;
	double began = bench_now_us();
	char room[SMALL_BYTES];

	if (warm == NULL)
		bench_fail("opening the warm tier");
	for (size_t i = 0; i < SMALL_UNITS; i++) {
		const char *unit = text + i * SMALL_BYTES;

		if (learn)
			warm_learn(warm, AM_KIND_CONVERSATION, unit, SMALL_BYTES);
		bench_must(warm_pack(warm, effort, AM_KIND_CONVERSATION, unit, SMALL_BYTES, NULL, 0, &pieces[i]), "packing");
	}
	print(of, "pack", SMALL_UNITS * SMALL_BYTES / (bench_now_us() - began), "MB/s");
	warm_rest(warm);
	warm_stats(warm, &stats);
	print(of, "ratio", (double)stats.plain_bytes / (double)stats.pool_bytes, "to-1");
	print(of, "pool_over_stored", 100.0 * (double)(stats.pool_bytes - stats.stored_bytes) / (double)stats.stored_bytes, "percent");
	print(of, "own_at_rest", (double)stats.own_bytes / 1024, "KiB");
	began = bench_now_us();
	for (size_t i = 0; i < SMALL_UNITS; i++) {
		bench_must(warm_unpack(warm, pieces[i], NULL, 0, room), "unpacking");
		if (memcmp(room, text + i * SMALL_BYTES, SMALL_BYTES) != 0)
			bench_fail("reading back what went in");
	}
	print(of, "unpack", (bench_now_us() - began) / SMALL_UNITS, "us");
	for (size_t i = 0; i < SMALL_UNITS; i++)
		warm_drop(warm, pieces[i]);
	warm_close(warm);
}

static void small(void)
{
	char *text = conversation(0, SMALL_UNITS * SMALL_BYTES);

	small_with("small_alone", AM_EFFORT_NORMAL, text, 0);
	small_with("small", AM_EFFORT_NORMAL, text, 1);
	small_with("small_thorough", AM_EFFORT_THOROUGH, text, 1);
	free(text);
}

static void one_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat stat;
	char *text;

	if (file == NULL || fstat(fileno(file), &stat) != 0 || stat.st_size == 0)
		bench_fail("reading the file");
	text = bench_room((size_t)stat.st_size);
	if (fread(text, 1, (size_t)stat.st_size, file) != (size_t)stat.st_size)
		bench_fail("reading the file");
	fclose(file);
	pack_texts(&text, 1, (size_t)stat.st_size);
	free(text);
}

int main(int count, char **words)
{
	const char *what = count == 3 ? words[1] : "";

	if (strcmp(what, "file") == 0) {
		one_file(words[2]);
		return 0;
	}
	if (count != 3 || (corpus = corpus_open(words[2])) == NULL)
		bench_fail("usage: bench-warm pack|small|unpack|forks FOLDER, or file FILE");
	if (strcmp(what, "pack") == 0)
		pack();
	else if (strcmp(what, "small") == 0)
		small();
	else if (strcmp(what, "unpack") == 0)
		unpack();
	else if (strcmp(what, "forks") == 0)
		forks();
	else
		bench_fail("usage: bench-warm pack|small|unpack|forks FOLDER, or file FILE");
	corpus_close(corpus);
	return 0;
}
