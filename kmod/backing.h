/* SPDX-License-Identifier: GPL-2.0 */
/* Reading and writing whole pieces of what the cold tier lies on. */
#ifndef AM_BACKING_H
#define AM_BACKING_H

#include "agentmem.h"

#define SLOT_BYTES 4096u

struct am_backing {
	struct file *file;
	struct block_device *device;	/* read without the file; NULL where that may not be */
	bool direct;			/* O_DIRECT */
};

int am_backing_check(struct file *file);
void am_backing_set(struct am_backing *backing, struct file *file);
/* `bytes` in whole pieces from `at` on: all of it, or an error. */
int am_backing_write(const struct am_backing *backing, u64 at, struct page *const *pages, u32 bytes);
int am_backing_read(const struct am_backing *backing, u64 at, struct page *const *pages, u32 bytes);
int am_backing_open(void);
void am_backing_close(void);

#endif
