/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "text.h"

#define SYSFS_FILES 0x62656572
#define CGROUP2_FILES 0x63677270
#define PROCFS_FILES 0x9fa0

static const char ksm_folder[] = "/sys/kernel/mm/ksm/";
static const char zswap_folder[] = "/sys/module/zswap/parameters/";
static const char module_folder[] = "/sys/module/agentmem/parameters/";
static const char cgroup_folder[] = "/sys/fs/cgroup/";
static const char vm_folder[] = "/proc/sys/vm/";

/* Not among them: nr_hugepages, which needs memory, and what only does something. */
static const char *const tunables[] = {
	"/proc/sys/vm/swappiness", "/proc/sys/vm/watermark_scale_factor", "/proc/sys/vm/min_free_kbytes", "/proc/sys/vm/vfs_cache_pressure", "/proc/sys/vm/page-cluster",
	"/proc/sys/vm/dirty_bytes", "/proc/sys/vm/dirty_background_bytes", "/proc/sys/vm/dirty_ratio", "/proc/sys/vm/dirty_background_ratio", "/proc/sys/vm/dirty_expire_centisecs",
	"/proc/sys/vm/compaction_proactiveness", "/proc/sys/vm/overcommit_memory",
	"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/mm/transparent_hugepage/defrag", "/sys/kernel/mm/lru_gen/min_ttl_ms",
};

static const char small[] = "abcdefghijklmnopqrstuvwxyz_";
static const char segment[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.@:\\-";
static const char *const limits[] = { "memory.high", "memory.max", "memory.low", "memory.min", "memory.swap.max", "memory.swap.high", "memory.zswap.max", "memory.zswap.writeback", "cgroup.freeze" };

static bool begins(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

static bool is_name(const char *text, const char *letters)
{
	return *text != '\0' && strlen(text) <= 64 && text[strspn(text, letters)] == '\0';
}

/* At least one folder below the mount's, no empty, "." or ".." segments, and one of the names above. */
static bool is_cgroup_file(const char *path)
{
	const char *at = path + strlen(cgroup_folder);
	const char *name = strrchr(path, '/') + 1;
	bool known = false;

	if (name <= at || strlen(path) >= PATH_MAX)
		return false;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		known = known || strcmp(name, limits[i]) == 0;
	for (; known && at < name; at = at + strcspn(at, "/") + 1) {
		size_t length = strcspn(at, "/");

		if (length == 0 || length > 255 || strspn(at, segment) < length)
			return false;
		if (at[0] == '.' && (length == 1 || (length == 2 && at[1] == '.')))
			return false;
	}
	return known;
}

static bool is_tunable(const char *path)
{
	for (size_t i = 0; i < sizeof(tunables) / sizeof(tunables[0]); i++)
		if (strcmp(path, tunables[i]) == 0)
			return true;
	return false;
}

const char *kernel_file_ratio(const char *path)
{
	if (strcmp(path, "/proc/sys/vm/dirty_bytes") == 0)
		return "/proc/sys/vm/dirty_ratio";
	return strcmp(path, "/proc/sys/vm/dirty_background_bytes") == 0 ? "/proc/sys/vm/dirty_background_ratio" : NULL;
}

bool kernel_file_allowed(const char *path)
{
	if (is_tunable(path))
		return true;
	if (begins(path, ksm_folder))
		return is_name(path + strlen(ksm_folder), small);
	if (begins(path, zswap_folder))
		return is_name(path + strlen(zswap_folder), small);
	if (begins(path, module_folder))
		return is_name(path + strlen(module_folder), small);
	return begins(path, cgroup_folder) && is_cgroup_file(path);
}

bool is_freeze_path(const char *path)
{
	const char *name = strrchr(path, '/');

	return begins(path, cgroup_folder) && name != NULL && strcmp(name, "/cgroup.freeze") == 0 && is_cgroup_file(path);
}

bool kernel_value_allowed(const char *path, const char *value)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-";

	if (begins(path, ksm_folder) && strcmp(path + strlen(ksm_folder), "run") == 0 && strcmp(value, "2") == 0)
		return false;
	/* Once more is promised than there is, forbidding that makes requests of running programs fail. */
	if (strcmp(path, "/proc/sys/vm/overcommit_memory") == 0 && strcmp(value, "2") == 0)
		return false;
	return is_name(value, letters);
}

/* /proc/self/fd/N names the file that was really opened: a link on the way shows. */
bool kernel_file_is(int fd, const char *path)
{
	char own[32];
	char real[PATH_MAX];
	struct out name = out_begin(own, sizeof(own));
	ssize_t length;

	out_text(&name, "/proc/self/fd/");
	out_number(&name, (uint64_t)fd);
	length = readlink(own, real, sizeof(real));
	return length > 0 && (size_t)length == strlen(path) && memcmp(real, path, (size_t)length) == 0;
}

int kernel_file_open(const char *path)
{
	struct stat file;
	struct statfs system;
	int fd;

	if (!kernel_file_allowed(path)) {
		errno = EPERM;
		return -1;
	}
	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && fstatfs(fd, &system) == 0 &&
	    system.f_type == (begins(path, cgroup_folder) ? CGROUP2_FILES : begins(path, vm_folder) ? PROCFS_FILES : SYSFS_FILES) && kernel_file_is(fd, path))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

char *kernel_file_value(int fd, char *buffer)
{
	ssize_t length = pread(fd, buffer, VALUE_MOST - 1, 0);

	if (length < 0)
		return NULL;
	buffer[length] = '\0';
	return present_value(buffer);
}

bool kernel_file_write(int fd, const char *value)
{
	size_t length = strlen(value);

	return pwrite(fd, value, length, 0) == (ssize_t)length;
}
