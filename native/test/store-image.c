/* SPDX-License-Identifier: Apache-2.0 */
#include "store-image.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store-kit.h"

void image_reach(struct image *image, size_t size)
{
	if (size > image->room) {
		image->bytes = realloc(image->bytes, size * 2);
		CHECK(image->bytes != NULL);
		image->room = size * 2;
	}
	if (size > image->size) {
		memset(image->bytes + image->size, 0, size - image->size);
		image->size = size;
	}
}

void image_write(struct image *image, uint64_t at, const void *data, size_t bytes)
{
	image_reach(image, (size_t)at + bytes);
	if (bytes > 0)
		memcpy(image->bytes + at, data, bytes);
}

void image_load(struct image *image, const char *folder, const char *name, size_t most)
{
	char path[PATH_MAX];
	struct stat stat;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && fstat(fd, &stat) == 0);
	if ((size_t)stat.st_size < most)
		most = (size_t)stat.st_size;
	image->size = 0;
	image_reach(image, most);
	EQUAL(pread(fd, image->bytes, most, 0), most);
	close(fd);
}

void image_save(const struct image *image, const char *folder, const char *name, size_t bytes)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	EQUAL(pwrite(fd, image->bytes, bytes, 0), bytes);
	close(fd);
}
