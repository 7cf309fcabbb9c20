/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_TEXT_H
#define GUARD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text put together in a buffer of fixed size; what does not fit is cut off. No stdio: its buffers and tables would be locked memory. */
struct out {
	char *text;
	size_t size; /* with the final zero byte */
	size_t used;
	bool cut;
};

struct out out_begin(char *buffer, size_t size);
void out_text(struct out *out, const char *text);
void out_bytes(struct out *out, const char *bytes, size_t count);
void out_number(struct out *out, uint64_t number);
/* A JSON string with its quotes; control bytes, and bytes of no ASCII, become "?". */
void out_json(struct out *out, const char *text);

/* Decimal digits only, the whole of `text`, at most `most`. */
bool number_from_text(const char *text, uint64_t most, uint64_t *number);
/* Lower- or upper-case hexadecimal digits up to `stop`; NULL for anything else, otherwise the place of `stop`. */
const char *hex_until(const char *text, char stop, uint64_t most, uint64_t *number);

/* The CRC-32 of zlib and PNG. */
uint32_t crc32_of(const char *bytes, size_t count);

/* Takes back %XX in place; false where a zero byte comes out, which no path or value holds. */
bool unescape(char *text);

/* Splits at single spaces, in place; returns how many parts, or `most + 1` where there are more. */
size_t split(char *line, char **parts, size_t most);

/* Value of a kernel file: the choice in brackets, or the text without white space around it; in place. */
char *present_value(char *text);

/* Number after "NAME:" at the start of a line, in the base given; false where there is none. */
bool field_of(const char *text, const char *name, unsigned base, uint64_t *number);

#endif
