/* SPDX-License-Identifier: Apache-2.0 */
#include "corpus.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define FILE_LEAST_BYTES 400
#define FILE_MOST_BYTES (400 * 1024)
#define TEXT_MOST_BYTES (96u << 20)
#define TEXT_LEAST_BYTES (8u << 20)
/* A line longer than an average source line is generated code: one file of it would be half a corpus. */
#define LINE_MOST_BYTES 200
/* Of tool results; the sum of those before in each. */
#define PLAIN_PERCENT 12
#define NUMBERED_PERCENT 30
#define FOUND_PERCENT 87
#define RESULT_LEAST_BYTES 1000
#define RESULT_MORE_BYTES 30000
#define OWN_WORD_LEAST 5
#define OWN_WORDS_OF_16 9
#define EPOCH_LINES 500
#define PROJECT_FILES 6000

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

static uint64_t mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static uint64_t draw(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return mix(*state);
}

static uint32_t below(uint64_t *state, uint32_t most)
{
	return (uint32_t)(((draw(state) >> 32) * most) >> 32);
}

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

static void put(struct out *out, const char *text, size_t bytes)
{
	if ((size_t)(out->end - out->at) < bytes) {
		out->full = true;
		return;
	}
	memcpy(out->at, text, bytes);
	out->at += bytes;
}

static void put_text(struct out *out, const char *text)
{
	put(out, text, strlen(text));
}

static void put_number(struct out *out, uint64_t number)
{
	char digits[24];

	put(out, digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number));
}

static void hex(char *to, uint64_t value, int digits)
{
	for (int i = 0; i < digits; i++)
		to[i] = "0123456789abcdef"[value >> (4 * i) & 15];
}

static void uuid(char to[37], uint64_t *state)
{
	uint64_t a = draw(state);
	uint64_t b = draw(state);

	hex(to, a, 8);
	to[8] = '-';
	hex(to + 9, a >> 32, 4);
	to[13] = '-';
	to[14] = '4';
	hex(to + 15, a >> 48, 3);
	to[18] = '-';
	to[19] = "89ab"[b & 3];
	hex(to + 20, b >> 2, 3);
	to[23] = '-';
	hex(to + 24, b >> 14, 12);
	to[36] = '\0';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * Every project has names of its own: of the long words of the files a part is
 * replaced by made-up ones of the same length, always the same within a
 * project. So two projects share the shape of code, not its text.
 */
static void put_word(struct out *out, const char *word, size_t bytes, uint64_t project)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char *to = out->at;

	put(out, word, bytes);
	if (bytes < OWN_WORD_LEAST || out->full)
		return;
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)word[i]) * UINT64_C(0x100000001b3);
	hash = mix(hash ^ project);
	if ((hash & 15) >= OWN_WORDS_OF_16)
		return;
	for (size_t i = 0; i < bytes; i++) {
		char c = (i & 1) == (hash >> 63) ? "aeiou"[(hash >> (3 * (i % 16))) % 5] : "bcdfghjklmnprstv"[hash >> (3 * (i % 16)) & 15];

		to[i] = word[i] >= 'a' ? c : (char)(c - 'a' + 'A');
	}
}

/* Inside a JSON string. */
static void put_quoted(struct out *out, const char *text, size_t bytes, uint64_t project)
{
	if ((size_t)(out->end - out->at) < 2 * bytes + 16) {
		out->full = true;
		return;
	}
	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];

		if (is_letter(c)) {
			size_t from = i;

			while (i + 1 < bytes && is_letter(text[i + 1]))
				i++;
			put_word(out, text + from, i + 1 - from, project);
		} else if (c == '\n') {
			put(out, "\\n", 2);
		} else if (c == '\t') {
			put(out, "\\t", 2);
		} else if (c == '"' || c == '\\') {
			put(out, "\\", 1);
			put(out, &c, 1);
		} else if ((unsigned char)c >= 0x20) {
			*out->at++ = c;
		}
	}
}

/* Whole lines from somewhere in the file. */
static void excerpt(const struct file *file, uint64_t *state, size_t most, const char **text, size_t *bytes)
{
	size_t from = file->bytes > most ? below(state, (uint32_t)(file->bytes - most)) : 0;
	const char *line = memchr(file->text + from, '\n', file->bytes - from);
	const char *end;

	if (from == 0 || line == NULL)
		line = file->text + from - (from == 0 ? 0 : 0);
	else
		line++;
	*text = line;
	*bytes = (size_t)(file->text + file->bytes - line);
	if (*bytes > most) {
		*bytes = most;
		end = memrchr(line, '\n', most);
		if (end != NULL && end > line)
			*bytes = (size_t)(end - line + 1);
	}
}

static const struct file *project_file(const struct corpus *corpus, struct corpus_writer *writer)
{
	uint32_t nth = below(&writer->seed, PROJECT_FILES);

	/* Of the files of a project some are looked at again and again. */
	if (below(&writer->seed, 4) == 0)
		nth %= 200;
	return &corpus->files[mix(writer->project * UINT64_C(7919) + nth) % corpus->count];
}

/* Code changes while one works on it. */
static uint64_t project_now(const struct corpus_writer *writer)
{
	return writer->project * UINT64_C(7919) + writer->line / EPOCH_LINES;
}

static void begin_line(struct out *out, struct corpus_writer *writer, const char *type)
{
	char id[37];

	if (writer->new_line_ids)
		uuid(writer->session, &writer->ids);
	uuid(id, &writer->ids);
	writer->clock_ms += 200 + below(&writer->seed, 20000);
	put_text(out, "{\"parentUuid\":\"");
	put_text(out, writer->parent);
	put_text(out, "\",\"sessionId\":\"");
	put_text(out, writer->session);
	put_text(out, "\",\"uuid\":\"");
	put_text(out, id);
	put_text(out, "\",\"timestamp\":");
	put_number(out, writer->clock_ms);
	put_text(out, ",\"type\":\"");
	put_text(out, type);
	put_text(out, "\",\"message\":{\"role\":\"");
	memcpy(writer->parent, id, sizeof(id));
}

static void put_numbered(struct out *out, const char *text, size_t bytes, uint64_t first, uint64_t project)
{
	char number[16];

	while (bytes > 0 && !out->full) {
		const char *end = memchr(text, '\n', bytes);
		size_t length = end == NULL ? bytes : (size_t)(end - text + 1);

		put(out, number, (size_t)snprintf(number, sizeof(number), "%6llu\\t", (unsigned long long)first++));
		put_quoted(out, text, length, project);
		text += length;
		bytes -= length;
	}
}

static void tool_id(struct out *out, struct corpus_writer *writer)
{
	char id[24];
	uint64_t a = draw(&writer->ids);
	uint64_t b = draw(&writer->ids);

	for (int i = 0; i < 22; i++)
		id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"[(i < 10 ? a >> (6 * i) : b >> (5 * (i - 10))) & 63];
	put_text(out, "toolu_");
	put(out, id, 22);
}

static void user_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out)
{
	uint64_t project = project_now(writer);
	const struct file *file = &corpus->files[corpus->prose_count == 0 ? below(&writer->seed, (uint32_t)corpus->count) : corpus->prose[below(&writer->seed, (uint32_t)corpus->prose_count)]];
	const char *text;
	size_t bytes;

	excerpt(file, &writer->seed, 60 + below(&writer->seed, 700), &text, &bytes);
	begin_line(out, writer, "user");
	put_text(out, "user\",\"content\":\"");
	put_quoted(out, text, bytes, project);
	put_text(out, "\"}}\n");
}

static void assistant_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, const struct file *about)
{
	uint64_t project = project_now(writer);
	static const char *const tools[] = { "Read", "Bash", "Grep", "Edit", "Write" };
	const struct file *file = corpus->prose_count == 0 ? about : &corpus->files[corpus->prose[below(&writer->seed, (uint32_t)corpus->prose_count)]];
	const char *text;
	size_t bytes;
	uint32_t tool = below(&writer->seed, 5);

	begin_line(out, writer, "assistant");
	put_text(out, "assistant\",\"model\":\"model-4-large\",\"content\":[{\"type\":\"text\",\"text\":\"");
	excerpt(file, &writer->seed, 80 + below(&writer->seed, 1200), &text, &bytes);
	put_quoted(out, text, bytes, project);
	put_text(out, "\"},{\"type\":\"tool_use\",\"id\":\"");
	tool_id(out, writer);
	put_text(out, "\",\"name\":\"");
	put_text(out, tools[tool]);
	put_text(out, "\",\"input\":{\"file_path\":\"/home/dev/work/");
	put_text(out, about->name);
	if (tool >= 3) {
		put_text(out, "\",\"new_string\":\"");
		excerpt(about, &writer->seed, 200 + below(&writer->seed, 1600), &text, &bytes);
		put_quoted(out, text, bytes, project);
	}
	put_text(out, "\"}}],\"usage\":{\"input_tokens\":");
	put_number(out, below(&writer->seed, 150000));
	put_text(out, ",\"output_tokens\":");
	put_number(out, below(&writer->seed, 4000));
	put_text(out, "}}}\n");
}

/* As grep -n shows it: the path in front of each line. */
static void put_found(struct out *out, uint64_t *state, const struct file *file, const char *text, size_t bytes, uint64_t project)
{
	uint64_t number = 1;

	while (bytes > 0 && !out->full) {
		const char *end = memchr(text, '\n', bytes);
		size_t length = end == NULL ? bytes : (size_t)(end - text + 1);

		number += 1 + below(state, 12);
		put_text(out, file->name);
		put_text(out, ":");
		put_number(out, number);
		put_text(out, ":");
		put_quoted(out, text, length, project);
		text += length;
		bytes -= length;
	}
}

/* A run of tests or a build: one line a file. */
static void put_output(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, unsigned lines)
{
	uint64_t at = draw(&writer->seed);

	for (unsigned i = 0; i < lines && !out->full; i++) {
		put_text(out, below(&writer->seed, 40) == 0 ? "not ok " : "ok ");
		put_number(out, i + 1);
		put_text(out, " - ");
		put_text(out, corpus->files[(at + i) % corpus->count].name);
		put_text(out, " # duration_ms ");
		put_number(out, below(&writer->seed, 900));
		put_text(out, "\\n");
	}
}

static void result_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, const struct file *about)
{
	uint64_t project = project_now(writer);
	const char *text;
	size_t bytes;
	size_t most = RESULT_LEAST_BYTES + below(&writer->seed, RESULT_MORE_BYTES);
	uint32_t how = below(&writer->seed, 100);

	begin_line(out, writer, "user");
	put_text(out, "user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"");
	tool_id(out, writer);
	put_text(out, "\",\"content\":\"");
	excerpt(about, &writer->seed, most, &text, &bytes);
	if (how < PLAIN_PERCENT)
		put_quoted(out, text, bytes, project);
	else if (how < NUMBERED_PERCENT)
		put_numbered(out, text, bytes, 1 + below(&writer->seed, 900), project);
	else if (how < FOUND_PERCENT)
		put_found(out, &writer->seed, about, text, bytes, project);
	else
		put_output(corpus, writer, out, 10 + below(&writer->seed, 120));
	put_text(out, "\",\"is_error\":false}]},\"durationMs\":");
	put_number(out, below(&writer->seed, 9000));
	put_text(out, "}\n");
}

void corpus_begin(struct corpus_writer *writer, uint64_t seed, uint64_t conversation)
{
	*writer = (struct corpus_writer){
		.seed = mix(seed * UINT64_C(1000003) + conversation),
		.ids = mix(~seed ^ (conversation << 20)),
		.clock_ms = UINT64_C(1760000000000) + conversation * 7919000,
		.project = (uint32_t)mix(seed + conversation * 31),
	};
	uuid(writer->session, &writer->ids);
	uuid(writer->parent, &writer->ids);
}

static void fill_up(char *at, size_t bytes)
{
	memset(at, ' ', bytes);
	if (bytes > 0)
		at[bytes - 1] = '\n';
}

void corpus_write(const struct corpus *corpus, struct corpus_writer *writer, char *out_bytes, size_t bytes)
{
	struct out out = { .at = out_bytes, .end = out_bytes + bytes };

	while (!out.full) {
		struct corpus_writer before = *writer;
		char *at = out.at;
		const struct file *about = project_file(corpus, writer);
		uint64_t turn = writer->line % 12;

		if (turn == 0)
			user_line(corpus, writer, &out);
		else if (turn % 2 == 1)
			assistant_line(corpus, writer, &out, about);
		else
			result_line(corpus, writer, &out, about);
		writer->line++;
		if (out.full) {
			/* What did not fit is said at the next call. */
			out.at = at;
			*writer = before;
		}
	}
	fill_up(out.at, (size_t)(out.end - out.at));
}

void corpus_rewrite_ids(char *text, size_t bytes, const char old_session[37], uint64_t seed)
{
	char *end = text + bytes;

	for (char *at = text; (at = memmem(at, (size_t)(end - at), old_session, 36)) != NULL; at += 36) {
		char id[37];

		uuid(id, &seed);
		memcpy(at, id, 36);
	}
}

void corpus_prompt(const struct corpus *corpus, uint64_t seed, char *out_bytes, size_t bytes)
{
	struct out out = { .at = out_bytes, .end = out_bytes + bytes };
	uint64_t state = mix(seed ^ UINT64_C(0x70726f6d7074));

	while (!out.full) {
		bool tool = below(&state, 2) == 0;
		const struct file *file = &corpus->files[tool || corpus->prose_count == 0 ? below(&state, (uint32_t)corpus->count) : corpus->prose[below(&state, (uint32_t)corpus->prose_count)]];
		char *at = out.at;
		const char *text;
		size_t length;

		excerpt(file, &state, 400 + below(&state, 4000), &text, &length);
		if (tool) {
			put_text(&out, "{\"name\":\"");
			put_text(&out, file->name);
			put_text(&out, "\",\"description\":\"");
			put_quoted(&out, text, length, seed);
			put_text(&out, "\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}}\n");
		} else {
			put(&out, text, length);
		}
		if (out.full)
			out.at = at;
	}
	fill_up(out.at, (size_t)(out.end - out.at));
}

/* Sum of the sizes of all pieces packed one by one. */
static size_t packed(ZSTD_CCtx *context, const char *text, size_t bytes, size_t piece, int level, char *room, size_t room_bytes)
{
	size_t sum = 0;

	for (size_t at = 0; at < bytes; at += piece)
		sum += ZSTD_compressCCtx(context, room, room_bytes, text + at, bytes - at < piece ? bytes - at : piece, level);
	return sum;
}

const char *corpus_problem(const struct corpus *corpus, uint64_t seed, double *page_ratio, double *megabyte_ratio)
{
	static char text[200];
	const size_t bytes = 8000000;
	const size_t room_bytes = ZSTD_compressBound(1000000);
	char *sample = malloc(bytes);
	char *room = malloc(room_bytes);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t pages = 0;
	size_t megabytes = 0;
	size_t plain = 0;

	if (sample == NULL || room == NULL || context == NULL)
		return "out of memory";
	for (uint64_t conversation = 0; conversation < 4; conversation++) {
		struct corpus_writer writer;

		corpus_begin(&writer, seed, conversation);
		corpus_write(corpus, &writer, sample, bytes);
		pages += packed(context, sample, bytes, 4096, 1, room, room_bytes);
		megabytes += packed(context, sample, bytes, 1000000, 3, room, room_bytes);
		plain += bytes;
	}
	*page_ratio = (double)plain / (double)pages;
	*megabyte_ratio = (double)plain / (double)megabytes;
	free(sample);
	free(room);
	ZSTD_freeCCtx(context);
	if (*page_ratio < 2.8 || *page_ratio > 3.1 || *megabyte_ratio < 4.1 || *megabyte_ratio > 4.5) {
		snprintf(text, sizeof(text), "expected zstd -1 by 4 KiB page 2.8 to 3.1 and zstd -3 by 1 MB 4.1 to 4.5, got %.2f and %.2f", *page_ratio, *megabyte_ratio);
		return text;
	}
	return NULL;
}
