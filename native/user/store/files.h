/* SPDX-License-Identifier: Apache-2.0 */
/* The folder, its lock, and making or recognising the two files. */
#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <stdint.h>

#include "store/index.h"

struct store_options;

#define DATA_NAME "store.data"
#define INDEX_NAME "store.index"
#define NEW_INDEX_NAME "store.index.new"

struct superblock {
	char magic[8];
	uint32_t version;
	uint32_t header_bytes;
	uint8_t store_id[STORE_ID_BYTES];
	uint64_t apparent_bytes;
	uint64_t region_bytes;
	uint64_t check;
};

struct store_files {
	int folder_fd;		/* holds the lock */
	int data_fd;
	int index_fd;
	struct superblock super;
	struct index_header header;
};

/* As store_open(); all descriptors are -1 where it fails. */
int files_open(struct store_files *files, const struct store_options *options);
void files_close(struct store_files *files);

/* An index of no batches with a salt of its own: not yet under its name. */
int files_new_index(struct store_files *files, struct index_header *header);
int files_put_new_index(struct store_files *files);
int files_sync_folder(struct store_files *files);

int write_all(int fd, const void *from, size_t bytes, uint64_t at);

#endif
