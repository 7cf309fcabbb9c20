/* SPDX-License-Identifier: Apache-2.0 */
/* How short of memory the machine is, looked at with files that stay open. */
#include "content-inner.h"
#include "content-tiers.h"

#include <fcntl.h>
#include <unistd.h>

#include "../common/pressure.h"

void pressure_open(struct content *content)
{
	content->pressure_fd = open("/proc/pressure/memory", O_RDONLY | O_CLOEXEC);
	content->meminfo_fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
}

void pressure_close(struct content *content)
{
	if (content->pressure_fd >= 0)
		close(content->pressure_fd);
	if (content->meminfo_fd >= 0)
		close(content->meminfo_fd);
}

static bool read_text(int fd, char *text, size_t room)
{
	ssize_t bytes = fd < 0 ? -1 : pread(fd, text, room - 1, 0);

	if (bytes <= 0)
		return false;
	text[bytes] = '\0';
	return true;
}

enum am_pressure pressure_read(struct content *content)
{
	char stall[256] = "";
	char meminfo[1024] = "";

	read_text(content->pressure_fd, stall, sizeof(stall));
	read_text(content->meminfo_fd, meminfo, sizeof(meminfo));
	return pressure_of(stall, meminfo);
}
