/* SPDX-License-Identifier: Apache-2.0 */
/* Draws from a seed, and text put together so that no project says what another says. */
#include "corpus-inner.h"

#include <stdio.h>
#include <string.h>

#define OWN_WORD_LEAST 5
#define OWN_WORDS_OF_16 9

uint64_t corpus_mix(uint64_t value)
{
	value += UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

uint64_t corpus_draw(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return corpus_mix(*state);
}

uint32_t corpus_below(uint64_t *state, uint32_t most)
{
	return (uint32_t)(((corpus_draw(state) >> 32) * most) >> 32);
}

void corpus_put(struct out *out, const char *text, size_t bytes)
{
	if ((size_t)(out->end - out->at) < bytes) {
		out->full = true;
		return;
	}
	memcpy(out->at, text, bytes);
	out->at += bytes;
}

void corpus_put_text(struct out *out, const char *text)
{
	corpus_put(out, text, strlen(text));
}

void corpus_put_number(struct out *out, uint64_t number)
{
	char digits[24];

	corpus_put(out, digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number));
}

static void hex(char *to, uint64_t value, int digits)
{
	for (int i = 0; i < digits; i++)
		to[i] = "0123456789abcdef"[value >> (4 * i) & 15];
}

void corpus_uuid(char to[37], uint64_t *state)
{
	uint64_t a = corpus_draw(state);
	uint64_t b = corpus_draw(state);

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

	corpus_put(out, word, bytes);
	if (bytes < OWN_WORD_LEAST || out->full)
		return;
	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)word[i]) * UINT64_C(0x100000001b3);
	hash = corpus_mix(hash ^ project);
	if ((hash & 15) >= OWN_WORDS_OF_16)
		return;
	for (size_t i = 0; i < bytes; i++) {
		char c = (i & 1) == (hash >> 63) ? "aeiou"[(hash >> (3 * (i % 16))) % 5] : "bcdfghjklmnprstv"[hash >> (3 * (i % 16)) & 15];

		to[i] = word[i] >= 'a' ? c : (char)(c - 'a' + 'A');
	}
}

/* Inside a JSON string. */
void corpus_put_quoted(struct out *out, const char *text, size_t bytes, uint64_t project)
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
			corpus_put(out, "\\n", 2);
		} else if (c == '\t') {
			corpus_put(out, "\\t", 2);
		} else if (c == '"' || c == '\\') {
			corpus_put(out, "\\", 1);
			corpus_put(out, &c, 1);
		} else if ((unsigned char)c >= 0x20) {
			*out->at++ = c;
		}
	}
}

/* Whole lines from somewhere in the file. */
void corpus_excerpt(const struct file *file, uint64_t *state, size_t most, const char **text, size_t *bytes)
{
	size_t from = file->bytes > most ? corpus_below(state, (uint32_t)(file->bytes - most)) : 0;
	const char *line = memchr(file->text + from, '\n', file->bytes - from);
	const char *end;

	if (from == 0 || line == NULL)
		line = file->text + from;
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
