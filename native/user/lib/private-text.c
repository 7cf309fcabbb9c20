/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "memfd.h"
#include "private-text.h"

#define BUFFER_LEAST ((size_t)4 << 10)
#define BUFFER_MOST ((size_t)1 << 20)

struct buffer *buffer_new(size_t capacity)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));

	if (buffer == NULL)
		return NULL;
	atomic_init(&buffer->refs, 1);
	buffer->capacity = capacity;
	buffer->bytes = malloc(capacity == 0 ? 1 : capacity);
	if (buffer->bytes == NULL) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

struct buffer *buffer_copy(const void *data, size_t bytes)
{
	struct buffer *buffer = buffer_new(bytes);

	if (buffer == NULL)
		return NULL;
	memcpy(buffer->bytes, data, bytes);
	buffer->used = bytes;
	return buffer;
}

struct buffer *buffer_of_memfd(int memfd, size_t bytes)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));

	if (buffer == NULL)
		return NULL;
	atomic_init(&buffer->refs, 1);
	buffer->used = buffer->capacity = bytes;
	buffer->is_area = true;
	buffer->bytes = memfd_map(memfd, bytes);
	if (buffer->bytes == NULL) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

struct buffer *buffer_get(struct buffer *buffer)
{
	atomic_fetch_add(&buffer->refs, 1);
	return buffer;
}

void buffer_put(struct buffer *buffer)
{
	if (buffer == NULL || atomic_fetch_sub(&buffer->refs, 1) != 1)
		return;
	if (buffer->is_area)
		munmap(buffer->bytes, memory_area(buffer->capacity));
	else
		free(buffer->bytes);
	free(buffer);
}

static bool reserve(struct text *text, size_t more)
{
	size_t capacity = text->capacity == 0 ? 8 : text->capacity;
	struct piece *pieces;

	while (capacity < text->count + more)
		capacity *= 2;
	if (capacity == text->capacity)
		return true;
	pieces = realloc(text->pieces, capacity * sizeof(*pieces));
	if (pieces == NULL)
		return false;
	text->pieces = pieces;
	text->capacity = capacity;
	return true;
}

/* Takes the reference over; there is room for it. */
static void add(struct text *text, struct buffer *buffer, size_t offset, size_t bytes)
{
	text->pieces[text->count++] = (struct piece){ .buffer = buffer, .offset = offset, .bytes = bytes };
	text->bytes += bytes;
}

/* The last piece, where it can go on in its buffer. */
static struct piece *open_end(const struct text *text, size_t bytes)
{
	struct piece *last = text->count == 0 ? NULL : &text->pieces[text->count - 1];

	if (last == NULL || last->offset + last->bytes != last->buffer->used || last->buffer->capacity - last->buffer->used < bytes)
		return NULL;
	return last;
}

bool text_append(struct text *text, const void *data, size_t bytes)
{
	struct piece *last = open_end(text, bytes);
	struct buffer *buffer;
	size_t capacity = (size_t)(text->bytes / 4);

	if (bytes == 0)
		return true;
	if (last != NULL) {
		memcpy(last->buffer->bytes + last->buffer->used, data, bytes);
		last->buffer->used += bytes;
		last->bytes += bytes;
		text->bytes += bytes;
		return true;
	}
	if (capacity < BUFFER_LEAST)
		capacity = BUFFER_LEAST;
	if (capacity > BUFFER_MOST)
		capacity = BUFFER_MOST;
	if (!reserve(text, 1))
		return false;
	buffer = buffer_new(bytes > capacity ? bytes : capacity);
	if (buffer == NULL)
		return false;
	memcpy(buffer->bytes, data, bytes);
	buffer->used = bytes;
	add(text, buffer, 0, bytes);
	return true;
}

bool text_append_buffer(struct text *text, struct buffer *buffer)
{
	if (!reserve(text, 1))
		return false;
	add(text, buffer_get(buffer), 0, buffer->used);
	return true;
}

/* How much of what begins at `offset` lies in this piece. 0: all of it behind, and `offset` is the next one's. */
static size_t part_in(const struct piece *piece, uint64_t *offset, uint64_t bytes)
{
	size_t part;

	if (*offset >= piece->bytes) {
		*offset -= piece->bytes;
		return 0;
	}
	part = piece->bytes - (size_t)*offset;
	return part > bytes ? (size_t)bytes : part;
}

bool text_copy(struct text *to, const struct text *from, uint64_t offset, uint64_t bytes)
{
	if (!reserve(to, from->count))
		return false;
	for (size_t i = 0; i < from->count && bytes > 0; i++) {
		const struct piece *piece = &from->pieces[i];
		size_t part = part_in(piece, &offset, bytes);

		if (part == 0)
			continue;
		add(to, buffer_get(piece->buffer), piece->offset + (size_t)offset, part);
		offset = 0;
		bytes -= part;
	}
	return true;
}

bool text_edit(struct text *text, uint64_t offset, uint64_t old_bytes, const void *data, size_t new_bytes)
{
	struct text fresh = { 0 };
	uint64_t end = offset + old_bytes;
	bool done = text_copy(&fresh, text, 0, offset);

	if (done && new_bytes > 0) {
		/* In a buffer of its own: bytes put into a shared one's end could not be taken back if the rest failed. */
		struct buffer *buffer = buffer_copy(data, new_bytes);

		done = buffer != NULL && text_append_buffer(&fresh, buffer);
		buffer_put(buffer);
	}
	done = done && text_copy(&fresh, text, end, text->bytes - end);
	if (!done) {
		text_clear(&fresh);
		return false;
	}
	text_clear(text);
	*text = fresh;
	return true;
}

void text_read(const struct text *text, uint64_t offset, void *buffer, size_t bytes)
{
	uint8_t *to = buffer;

	for (size_t i = 0; i < text->count && bytes > 0; i++) {
		const struct piece *piece = &text->pieces[i];
		size_t part = part_in(piece, &offset, bytes);

		if (part == 0)
			continue;
		memcpy(to, piece->buffer->bytes + piece->offset + offset, part);
		to += part;
		bytes -= part;
		offset = 0;
	}
}

uint64_t text_stored_bytes(const struct text *text)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < text->count; i++)
		bytes += text->pieces[i].bytes / atomic_load(&text->pieces[i].buffer->refs);
	return bytes;
}

void text_clear(struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		buffer_put(text->pieces[i].buffer);
	free(text->pieces);
	*text = (struct text){ 0 };
}
