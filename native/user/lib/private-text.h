/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversations of the private backend: a list of pieces of shared buffers. A
 * fork has the same pieces; whoever appends first where a buffer's used part
 * ends goes on in it, which the others never see.
 */
#ifndef LIB_PRIVATE_TEXT_H
#define LIB_PRIVATE_TEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	atomic_uint refs;
	size_t used, capacity;
	uint8_t *bytes;
	bool is_area;		/* of mmap(2); else of malloc(3) */
};

struct piece {
	struct buffer *buffer;
	size_t offset, bytes;
};

struct text {
	struct piece *pieces;
	size_t count, capacity;
	uint64_t bytes;
};

/* With one reference, the caller's; NULL without memory. */
struct buffer *buffer_new(size_t capacity);
struct buffer *buffer_copy(const void *data, size_t bytes);
/* Of a memfd that is sealed. */
struct buffer *buffer_of_memfd(int memfd, size_t bytes);
struct buffer *buffer_get(struct buffer *buffer);
void buffer_put(struct buffer *buffer);

/* All leave the text as it was where they give false: without memory. */
bool text_append(struct text *text, const void *data, size_t bytes);
bool text_append_buffer(struct text *text, struct buffer *buffer);
/* `to` is empty beforehand. */
bool text_copy(struct text *to, const struct text *from, uint64_t offset, uint64_t bytes);
/* offset + old_bytes is within. */
bool text_edit(struct text *text, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes);
/* Within, too. */
void text_read(const struct text *text, uint64_t offset, void *buffer, size_t bytes);
/* Each buffer counted by the part that its owners share. */
uint64_t text_stored_bytes(const struct text *text);
void text_clear(struct text *text);

#endif
