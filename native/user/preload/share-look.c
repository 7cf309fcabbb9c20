/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would let somebody see that pages are replaced, or count on the very
 * page: devices and rings that hold pages pinned, memory that must not leave
 * RAM, mappings put inside of a block. All is asked of the kernel at each
 * replacement; who is in doubt says no.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "share.h"

#define DESCRIPTORS_MOST 1024
#define RINGS_MOST 32
#define PATH_BYTES 40

struct dirent_head {
	uint64_t inode;
	int64_t offset;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* Small: threads may have 16 KiB of stack. */
struct reader {
	int fd;
	size_t have, at;
	char bytes[1024];
};

static void name_of(char path[PATH_BYTES], const char *folder, const char *name)
{
	size_t length = strlen(folder);

	memcpy(path, folder, length);
	strncpy(path + length, name, PATH_BYTES - 1 - length);
	path[PATH_BYTES - 1] = '\0';
}

/* Sources and the like: a runtime makes strings of its own of them and drops what it read. */
static bool is_source(int fd)
{
	static const char *const suffixes[] = { ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".json", ".jsonl", ".map", ".css", ".html", ".py", ".rb", ".pl" };
	char path[PATH_BYTES];
	char number[12];
	char target[1024];
	ssize_t length;
	const char *suffix;

	snprintf(number, sizeof(number), "%d", fd);
	name_of(path, "/proc/self/fd/", number);
	length = readlink(path, target, sizeof(target) - 1);
	if (length <= 0 || length == sizeof(target) - 1)
		return true;
	target[length] = '\0';
	suffix = strrchr(target, '.');
	for (size_t i = 0; suffix != NULL && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(suffix, suffixes[i]) == 0)
			return true;
	return false;
}

bool look_file(int fd, size_t bytes)
{
	struct stat file;
	struct timespec now;

	return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_size >= (off_t)bytes && clock_gettime(CLOCK_REALTIME, &now) == 0
		&& now.tv_sec - file.st_mtim.tv_sec >= SHARE_AGE_S && !is_source(fd);
}

/* The next line without its end, cut where it is too long; false at the end. */
static bool next_line(struct reader *reader, char *line, size_t most)
{
	size_t length = 0;

	for (;;) {
		if (reader->at == reader->have) {
			ssize_t got = (ssize_t)syscall(SYS_read, reader->fd, reader->bytes, sizeof(reader->bytes));

			if (got <= 0)
				return false;
			reader->have = (size_t)got;
			reader->at = 0;
		}
		char next = reader->bytes[reader->at++];

		if (next == '\n')
			break;
		if (length < most - 1)
			line[length++] = next;
	}
	line[length] = '\0';
	return true;
}

bool look_unlocked(void)
{
	struct reader reader = { .fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC) };
	char line[128];
	bool nothing = false;

	if (reader.fd < 0)
		return false;
	while (next_line(&reader, line, sizeof(line))) {
		if (strncmp(line, "VmLck:", 6) != 0)
			continue;
		nothing = strtoul(line + 6, NULL, 10) == 0;
		break;
	}
	close(reader.fd);
	return nothing;
}

static bool harmless_device(dev_t device)
{
	unsigned kind = major(device);

	/* null, zero, random; terminals. */
	return kind == 1 || kind == 4 || kind == 5 || (kind >= 136 && kind <= 143);
}

/* Of rings that hold no memory of the program's pinned; under the lock of share-swap.c. */
static ino_t rings[RINGS_MOST];
static unsigned rings_count;

/* libuv has a ring per loop. What pins memory for longer than a call are registered buffers, which the kernel counts for us. */
static bool harmless_ring(const char *name, ino_t inode)
{
	struct reader reader;
	char path[PATH_BYTES];
	char line[64];
	bool harmless = false;

	if (rings_count == RINGS_MOST)
		return false;
	name_of(path, "/proc/self/fdinfo/", name);
	reader = (struct reader){ .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (reader.fd < 0)
		return false;
	while (!harmless && next_line(&reader, line, sizeof(line)))
		harmless = strncmp(line, "UserBufs:", 9) == 0 && strtoul(line + 9, NULL, 10) == 0;
	close(reader.fd);
	if (harmless)
		rings[rings_count++] = inode;
	return harmless;
}

static bool is_known_ring(unsigned long inode)
{
	for (unsigned i = 0; i < rings_count; i++)
		if (rings[i] == inode)
			return true;
	return false;
}

static bool harmless_other(const char *name, ino_t inode)
{
	static const char *const known[] = { "eventpoll", "eventfd", "eventfd-file", "inotify", "signalfd", "timerfd", "fanotify", "pidfd", "fscontext", "perf_event", "sync_file", "landlock-ruleset" };
	char path[PATH_BYTES];
	char text[64];
	ssize_t length;
	size_t start = strlen("anon_inode:");

	name_of(path, "/proc/self/fd/", name);
	length = readlink(path, text, sizeof(text) - 1);
	if (length <= (ssize_t)start)
		return false;
	text[length] = '\0';
	if (strncmp(text, "anon_inode:", start) != 0)
		return false;
	if (text[start] == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		start++;
	}
	if (strcmp(text + start, "io_uring") == 0)
		return harmless_ring(name, inode);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(text + start, known[i]) == 0)
			return true;
	return false;
}

static bool harmless_descriptor(const char *name)
{
	int fd = (int)strtol(name, NULL, 10);
	int family = AF_UNSPEC;
	socklen_t length = sizeof(family);
	struct stat file;

	if (fstat(fd, &file) != 0)
		return true; /* closed meanwhile */
	switch (file.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFBLK:
	case S_IFLNK:
		return true;
	case S_IFCHR:
		return harmless_device(file.st_rdev);
	case S_IFSOCK:
		/* Not AF_XDP, whose frames are pinned memory of the program's. */
		return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0
			&& (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK);
	default:
		/* Rings, userfaultfd, virtual machines and what is to come. */
		return harmless_other(name, file.st_ino);
	}
}

static bool no_pins(void)
{
	_Alignas(struct dirent_head) char names[1024];
	int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool harmless = folder >= 0;
	unsigned count = 0;
	long got;

	rings_count = 0;
	while (harmless && (got = syscall(SYS_getdents64, folder, names, sizeof(names))) != 0) {
		if (got < 0)
			harmless = false;
		for (long at = 0; harmless && at < got;) {
			struct dirent_head *entry = (struct dirent_head *)(names + at);

			at += entry->bytes;
			if (entry->name[0] != '.')
				harmless = ++count <= DESCRIPTORS_MOST && harmless_descriptor(entry->name);
		}
	}
	if (folder >= 0)
		close(folder);
	return harmless;
}

bool look_process(void)
{
	return look_unlocked() && no_pins();
}

struct area {
	uintptr_t start, end;
	char rights[5];
	unsigned long inode;
	bool named;
	bool ring;
};

static bool parse(const char *line, struct area *area)
{
	char *at;

	area->start = strtoul(line, &at, 16);
	if (*at != '-')
		return false;
	area->end = strtoul(at + 1, &at, 16);
	if (*at != ' ' || strlen(at) < 6)
		return false;
	memcpy(area->rights, at + 1, 4);
	area->rights[4] = '\0';
	/* Offset and device. */
	strtoull(at + 5, &at, 16);
	strtoul(at, &at, 16);
	if (*at != ':')
		return false;
	strtoul(at + 1, &at, 16);
	area->inode = strtoul(at, &at, 10);
	at += strspn(at, " ");
	area->ring = strstr(at, "[io_uring]") != NULL;
	area->named = *at != '\0' && strncmp(at, "[anon:", 6) != 0;
	return true;
}

bool look_anonymous(uintptr_t start, size_t bytes)
{
	struct reader reader = { .fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC) };
	uintptr_t at = start;
	bool harmless = reader.fd >= 0;
	struct area area;
	char line[256];

	while (harmless && next_line(&reader, line, sizeof(line))) {
		/* A ring's descriptor may be hidden, but not its memory. */
		harmless = parse(line, &area) && (!area.ring || is_known_ring(area.inode));
		if (!harmless || area.end <= start || area.start >= start + bytes)
			continue;
		harmless = area.start <= at && area.inode == 0 && !area.named && strcmp(area.rights, "rw-p") == 0;
		at = area.end;
	}
	if (reader.fd >= 0)
		close(reader.fd);
	return harmless && at >= start + bytes;
}

bool look_inode(uintptr_t *start, uintptr_t most, ino_t inode, uintptr_t *end, int *rights)
{
	struct reader reader = { .fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC) };
	bool found = false;
	struct area area;
	char line[256];

	if (reader.fd < 0)
		return false;
	while (!found && next_line(&reader, line, sizeof(line))) {
		if (!parse(line, &area) || area.end <= *start || area.start >= most || area.inode != inode || area.rights[3] != 'p')
			continue;
		found = true;
		if (area.start > *start)
			*start = area.start;
		*end = area.end < most ? area.end : most;
		*rights = (area.rights[0] == 'r' ? PROT_READ : 0) | (area.rights[1] == 'w' ? PROT_WRITE : 0) | (area.rights[2] == 'x' ? PROT_EXEC : 0);
	}
	close(reader.fd);
	return found;
}
