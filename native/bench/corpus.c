/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a conversation: what users and agents say, what tools answer. */
#include "corpus-inner.h"

#include <stdio.h>
#include <string.h>

/* Of tool results; the sum of those before in each. */
#define PLAIN_PERCENT 12
#define NUMBERED_PERCENT 30
#define FOUND_PERCENT 87
#define RESULT_LEAST_BYTES 1000
#define RESULT_MORE_BYTES 30000
#define EPOCH_LINES 500
#define PROJECT_FILES 6000

static const struct file *project_file(const struct corpus *corpus, struct corpus_writer *writer)
{
	uint32_t nth = corpus_below(&writer->seed, PROJECT_FILES);

	/* Of the files of a project some are looked at again and again. */
	if (corpus_below(&writer->seed, 4) == 0)
		nth %= 200;
	return &corpus->files[corpus_mix(writer->project * UINT64_C(7919) + nth) % corpus->count];
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
		corpus_uuid(writer->session, &writer->ids);
	corpus_uuid(id, &writer->ids);
	writer->clock_ms += 200 + corpus_below(&writer->seed, 20000);
	corpus_put_text(out, "{\"parentUuid\":\"");
	corpus_put_text(out, writer->parent);
	corpus_put_text(out, "\",\"sessionId\":\"");
	corpus_put_text(out, writer->session);
	corpus_put_text(out, "\",\"uuid\":\"");
	corpus_put_text(out, id);
	corpus_put_text(out, "\",\"timestamp\":");
	corpus_put_number(out, writer->clock_ms);
	corpus_put_text(out, ",\"type\":\"");
	corpus_put_text(out, type);
	corpus_put_text(out, "\",\"message\":{\"role\":\"");
	memcpy(writer->parent, id, sizeof(id));
}

static void put_numbered(struct out *out, const char *text, size_t bytes, uint64_t first, uint64_t project)
{
	char number[16];

	while (bytes > 0 && !out->full) {
		const char *end = memchr(text, '\n', bytes);
		size_t length = end == NULL ? bytes : (size_t)(end - text + 1);

		corpus_put(out, number, (size_t)snprintf(number, sizeof(number), "%6llu\\t", (unsigned long long)first++));
		corpus_put_quoted(out, text, length, project);
		text += length;
		bytes -= length;
	}
}

static void tool_id(struct out *out, struct corpus_writer *writer)
{
	char id[24];
	uint64_t a = corpus_draw(&writer->ids);
	uint64_t b = corpus_draw(&writer->ids);

	for (int i = 0; i < 22; i++)
		id[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"[(i < 10 ? a >> (6 * i) : b >> (5 * (i - 10))) & 63];
	corpus_put_text(out, "toolu_");
	corpus_put(out, id, 22);
}

static void user_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out)
{
	uint64_t project = project_now(writer);
	const struct file *file = &corpus->files[corpus->prose_count == 0 ? corpus_below(&writer->seed, (uint32_t)corpus->count) : corpus->prose[corpus_below(&writer->seed, (uint32_t)corpus->prose_count)]];
	const char *text;
	size_t bytes;

	corpus_excerpt(file, &writer->seed, 60 + corpus_below(&writer->seed, 700), &text, &bytes);
	begin_line(out, writer, "user");
	corpus_put_text(out, "user\",\"content\":\"");
	corpus_put_quoted(out, text, bytes, project);
	corpus_put_text(out, "\"}}\n");
}

static void assistant_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, const struct file *about)
{
	uint64_t project = project_now(writer);
	static const char *const tools[] = { "Read", "Bash", "Grep", "Edit", "Write" };
	const struct file *file = corpus->prose_count == 0 ? about : &corpus->files[corpus->prose[corpus_below(&writer->seed, (uint32_t)corpus->prose_count)]];
	const char *text;
	size_t bytes;
	uint32_t tool = corpus_below(&writer->seed, 5);

	begin_line(out, writer, "assistant");
	corpus_put_text(out, "assistant\",\"model\":\"model-4-large\",\"content\":[{\"type\":\"text\",\"text\":\"");
	corpus_excerpt(file, &writer->seed, 80 + corpus_below(&writer->seed, 1200), &text, &bytes);
	corpus_put_quoted(out, text, bytes, project);
	corpus_put_text(out, "\"},{\"type\":\"tool_use\",\"id\":\"");
	tool_id(out, writer);
	corpus_put_text(out, "\",\"name\":\"");
	corpus_put_text(out, tools[tool]);
	corpus_put_text(out, "\",\"input\":{\"file_path\":\"/home/dev/work/");
	corpus_put_text(out, about->name);
	if (tool >= 3) {
		corpus_put_text(out, "\",\"new_string\":\"");
		corpus_excerpt(about, &writer->seed, 200 + corpus_below(&writer->seed, 1600), &text, &bytes);
		corpus_put_quoted(out, text, bytes, project);
	}
	corpus_put_text(out, "\"}}],\"usage\":{\"input_tokens\":");
	corpus_put_number(out, corpus_below(&writer->seed, 150000));
	corpus_put_text(out, ",\"output_tokens\":");
	corpus_put_number(out, corpus_below(&writer->seed, 4000));
	corpus_put_text(out, "}}}\n");
}

/* As grep -n shows it: the path in front of each line. */
static void put_found(struct out *out, uint64_t *state, const struct file *file, const char *text, size_t bytes, uint64_t project)
{
	uint64_t number = 1;

	while (bytes > 0 && !out->full) {
		const char *end = memchr(text, '\n', bytes);
		size_t length = end == NULL ? bytes : (size_t)(end - text + 1);

		number += 1 + corpus_below(state, 12);
		corpus_put_text(out, file->name);
		corpus_put_text(out, ":");
		corpus_put_number(out, number);
		corpus_put_text(out, ":");
		corpus_put_quoted(out, text, length, project);
		text += length;
		bytes -= length;
	}
}

/* A run of tests or a build: one line a file. */
static void put_output(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, unsigned lines)
{
	uint64_t at = corpus_draw(&writer->seed);

	for (unsigned i = 0; i < lines && !out->full; i++) {
		corpus_put_text(out, corpus_below(&writer->seed, 40) == 0 ? "not ok " : "ok ");
		corpus_put_number(out, i + 1);
		corpus_put_text(out, " - ");
		corpus_put_text(out, corpus->files[(at + i) % corpus->count].name);
		corpus_put_text(out, " # duration_ms ");
		corpus_put_number(out, corpus_below(&writer->seed, 900));
		corpus_put_text(out, "\\n");
	}
}

static void result_line(const struct corpus *corpus, struct corpus_writer *writer, struct out *out, const struct file *about)
{
	uint64_t project = project_now(writer);
	const char *text;
	size_t bytes;
	size_t most = RESULT_LEAST_BYTES + corpus_below(&writer->seed, RESULT_MORE_BYTES);
	uint32_t how = corpus_below(&writer->seed, 100);

	begin_line(out, writer, "user");
	corpus_put_text(out, "user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"");
	tool_id(out, writer);
	corpus_put_text(out, "\",\"content\":\"");
	corpus_excerpt(about, &writer->seed, most, &text, &bytes);
	if (how < PLAIN_PERCENT)
		corpus_put_quoted(out, text, bytes, project);
	else if (how < NUMBERED_PERCENT)
		put_numbered(out, text, bytes, 1 + corpus_below(&writer->seed, 900), project);
	else if (how < FOUND_PERCENT)
		put_found(out, &writer->seed, about, text, bytes, project);
	else
		put_output(corpus, writer, out, 10 + corpus_below(&writer->seed, 120));
	corpus_put_text(out, "\",\"is_error\":false}]},\"durationMs\":");
	corpus_put_number(out, corpus_below(&writer->seed, 9000));
	corpus_put_text(out, "}\n");
}

void corpus_begin(struct corpus_writer *writer, uint64_t seed, uint64_t conversation)
{
	*writer = (struct corpus_writer){
		.seed = corpus_mix(seed * UINT64_C(1000003) + conversation),
		.ids = corpus_mix(~seed ^ (conversation << 20)),
		.clock_ms = UINT64_C(1760000000000) + conversation * 7919000,
		.project = (uint32_t)corpus_mix(seed + conversation * 31),
	};
	corpus_uuid(writer->session, &writer->ids);
	corpus_uuid(writer->parent, &writer->ids);
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

		corpus_uuid(id, &seed);
		memcpy(at, id, 36);
	}
}

void corpus_prompt(const struct corpus *corpus, uint64_t seed, char *out_bytes, size_t bytes)
{
	struct out out = { .at = out_bytes, .end = out_bytes + bytes };
	uint64_t state = corpus_mix(seed ^ UINT64_C(0x70726f6d7074));

	while (!out.full) {
		bool tool = corpus_below(&state, 2) == 0;
		const struct file *file = &corpus->files[tool || corpus->prose_count == 0 ? corpus_below(&state, (uint32_t)corpus->count) : corpus->prose[corpus_below(&state, (uint32_t)corpus->prose_count)]];
		char *at = out.at;
		const char *text;
		size_t length;

		corpus_excerpt(file, &state, 400 + corpus_below(&state, 4000), &text, &length);
		if (tool) {
			corpus_put_text(&out, "{\"name\":\"");
			corpus_put_text(&out, file->name);
			corpus_put_text(&out, "\",\"description\":\"");
			corpus_put_quoted(&out, text, length, seed);
			corpus_put_text(&out, "\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}}}}\n");
		} else {
			corpus_put(&out, text, length);
		}
		if (out.full)
			out.at = at;
	}
	fill_up(out.at, (size_t)(out.end - out.at));
}
