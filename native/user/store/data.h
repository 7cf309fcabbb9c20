/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing extents of the data file, by many threads at once. */
#ifndef STORE_DATA_H
#define STORE_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct data_file;

/* The descriptor stays its caller's. `direct`: O_DIRECT where it can be had. */
int data_open(struct data_file **data, int fd, bool direct);
void data_close(struct data_file *data);

/* From anywhere; may use all of `room` (>= bytes). 0 or a negative errno. */
int data_read(struct data_file *data, uint64_t at, void *out, size_t bytes, size_t room);
/* `at` is a multiple of 4 KiB. Fills its last block with zeros. */
int data_write(struct data_file *data, uint64_t at, const void *from, size_t bytes);
int data_sync(struct data_file *data);
void data_punch(struct data_file *data, uint64_t at, uint64_t bytes);

bool data_is_direct(const struct data_file *data);
bool data_has_uring(const struct data_file *data);
uint64_t data_own_bytes(struct data_file *data);

#endif
