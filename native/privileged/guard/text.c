/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <string.h>

struct out out_begin(char *buffer, size_t size)
{
	buffer[0] = '\0';
	return (struct out){ .text = buffer, .size = size, .used = 0, .cut = false };
}

void out_bytes(struct out *out, const char *bytes, size_t count)
{
	size_t room = out->size - 1 - out->used;

	if (count > room) {
		count = room;
		out->cut = true;
	}
	memcpy(out->text + out->used, bytes, count);
	out->used += count;
	out->text[out->used] = '\0';
}

void out_text(struct out *out, const char *text)
{
	out_bytes(out, text, strlen(text));
}

void out_number(struct out *out, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	out_bytes(out, digits + at, sizeof(digits) - at);
}

void out_json(struct out *out, const char *text)
{
	out_text(out, "\"");
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			out_text(out, "\\");
		out_bytes(out, byte >= 0x20 && byte < 0x7f ? text : "?", 1);
	}
	out_text(out, "\"");
}

bool number_from_text(const char *text, uint64_t most, uint64_t *number)
{
	uint64_t value = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || value > (most - digit) / 10 || digit > most)
			return false;
		value = value * 10 + digit;
	}
	*number = value;
	return true;
}

static int hex_digit(char letter)
{
	if (letter >= '0' && letter <= '9')
		return letter - '0';
	if (letter >= 'a' && letter <= 'f')
		return letter - 'a' + 10;
	if (letter >= 'A' && letter <= 'F')
		return letter - 'A' + 10;
	return -1;
}

const char *hex_until(const char *text, char stop, uint64_t most, uint64_t *number)
{
	uint64_t value = 0;
	const char *at = text;

	for (; *at != stop; at++) {
		int digit = hex_digit(*at);

		if (digit < 0 || value > most >> 4)
			return NULL;
		value = value << 4 | (uint64_t)digit;
	}
	if (at == text || value > most)
		return NULL;
	*number = value;
	return at;
}

uint32_t crc32_of(const char *bytes, size_t count)
{
	uint32_t crc = 0xffffffffu;

	/* Bit by bit: journals are short, and a table would be a kilobyte more to lock. */
	for (size_t i = 0; i < count; i++) {
		crc ^= (unsigned char)bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1u)));
	}
	return ~crc;
}

bool unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		int high = *from == '%' ? hex_digit(from[1]) : -1;
		int low = high < 0 ? -1 : hex_digit(from[2]);

		if (low < 0) {
			*to++ = *from;
			continue;
		}
		*to = (char)(high << 4 | low);
		if (*to == '\0')
			return false;
		to++;
		from += 2;
	}
	*to = '\0';
	return true;
}

size_t split(char *line, char **parts, size_t most)
{
	size_t count = 0;

	for (char *at = line; at != NULL; count++) {
		char *space = strchr(at, ' ');

		if (count == most)
			return most + 1;
		parts[count] = at;
		if (space != NULL)
			*space++ = '\0';
		at = space;
	}
	return count;
}

static bool is_space(char letter)
{
	return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

char *present_value(char *text)
{
	size_t length;

	/* "[none] scan-time": the first bracket pair that holds one word. */
	for (char *open = strchr(text, '['); open != NULL; open = strchr(open + 1, '[')) {
		size_t word = strcspn(open + 1, "] \t\n\v\f\r");

		if (word > 0 && open[1 + word] == ']') {
			open[1 + word] = '\0';
			return open + 1;
		}
	}
	while (is_space(*text))
		text++;
	length = strlen(text);
	while (length > 0 && is_space(text[length - 1]))
		text[--length] = '\0';
	return text;
}

bool field_of(const char *text, const char *name, unsigned base, uint64_t *number)
{
	size_t length = strlen(name);

	for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
		uint64_t value = 0;
		const char *at;
		bool any = false;

		if (*line == '\n')
			line++;
		if (strncmp(line, name, length) != 0)
			continue;
		at = line + length;
		while (*at == ' ' || *at == '\t' || *at == ':')
			at++;
		for (;; at++) {
			int digit = hex_digit(*at);

			if (digit < 0 || (unsigned)digit >= base)
				break;
			value = value * base + (uint64_t)digit;
			any = true;
		}
		if (!any)
			return false;
		*number = value;
		return true;
	}
	return false;
}
