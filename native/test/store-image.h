/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a store in memory, to be cut, torn and put back. */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* A file in memory. */
struct image {
	uint8_t *bytes;
	size_t size, room;
};

/* At least so long; what is new is zero. */
void image_reach(struct image *image, size_t size);
void image_write(struct image *image, uint64_t at, const void *data, size_t bytes);
/* Up to `most` bytes. */
void image_load(struct image *image, const char *folder, const char *name, size_t most);
void image_save(const struct image *image, const char *folder, const char *name, size_t bytes);

#endif
