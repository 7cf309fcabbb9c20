/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-backing: gives agentmem.ko the file of its cold tier, takes it away,
 * or says how it stands. The file has no name, so nobody else can open it and
 * nothing of it is left when the module or the machine ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../../kmod/uapi/agentmem.h"

/* What the helper makes of the first word on the standard error stands in helper/layers/kernel-module/backing-tools.ts. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

#define PIECE_BYTES 4096ull
#define LEAST_BYTES (64ull << 20)
#define MOST_BYTES (1ull << 40)
/* Stays free on the disk beside the file, should it become as large as it may. */
#define RESERVE_BYTES (1ull << 30)

#ifndef NFS_SUPER_MAGIC
#define NFS_SUPER_MAGIC 0x6969
#endif

/* Where memory would be stored in memory, or on another machine that may not answer. */
static const struct {
	unsigned long magic;
	const char *name;
} refused[] = {
	{ TMPFS_MAGIC, "tmpfs, which is memory itself" },
	{ RAMFS_MAGIC, "ramfs, which is memory itself" },
	{ NFS_SUPER_MAGIC, "NFS, a network file system" },
	{ 0xff534d42ul, "CIFS, a network file system" },
	{ 0xfe534d42ul, "SMB, a network file system" },
	{ 0x65735546ul, "FUSE, served by a program" },
	{ 0x01021997ul, "9p, a file system of another machine" },
	{ OVERLAYFS_SUPER_MAGIC, "overlayfs, as in a container" },
};

__attribute__((format(printf, 2, 3))) static int failed(const char *word, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	fprintf(stderr, "%s: ", word);
	vfprintf(stderr, text, args);
	fputc('\n', stderr);
	va_end(args);
	return EXIT_FAILED;
}

/* Decimal, and nothing else; 0 for anything that is no size it takes. */
static uint64_t parse_size(const char *text)
{
	uint64_t size = 0;

	for (const char *at = text; *at; at++) {
		if (*at < '0' || *at > '9' || size > MOST_BYTES)
			return 0;
		size = size * 10 + (uint64_t)(*at - '0');
	}
	return size < LEAST_BYTES || size > MOST_BYTES ? 0 : size / PIECE_BYTES * PIECE_BYTES;
}

static int ask(int device, struct agentmem_abi_backing *args)
{
	args->size = sizeof(*args);
	return ioctl(device, AGENTMEM_IOC_BACKING, args) == 0 ? 0 : errno;
}

/* Negative: it was said why not. Without O_DIRECT what goes there would lie in the page cache on its way. */
static int make_file(const char *folder, uint64_t bytes)
{
	int parent = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), fd;
	struct statfs system;
	struct statvfs room;

	if (parent < 0 || fstatfs(parent, &system) != 0 || fstatvfs(parent, &room) != 0) {
		failed("refused", "%s: %s", folder, strerror(errno));
		return -1;
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if ((unsigned long)system.f_type != refused[i].magic)
			continue;
		failed("file-system", "%s lies on %s", folder, refused[i].name);
		close(parent);
		return -1;
	}
	if ((uint64_t)room.f_bavail * room.f_frsize < bytes + RESERVE_BYTES) {
		failed("no-room", "%llu MB are free in %s, and %llu MB with %llu MB to spare are needed", (unsigned long long)((uint64_t)room.f_bavail * room.f_frsize >> 20), folder, (unsigned long long)(bytes >> 20),
		       (unsigned long long)(RESERVE_BYTES >> 20));
		close(parent);
		return -1;
	}
	/* O_EXCL: no name can be given to it later. */
	fd = openat(parent, ".", O_TMPFILE | O_EXCL | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EINVAL)
		fd = openat(parent, ".", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		failed(errno == ENOSPC || errno == EDQUOT ? "no-room" : "file-system", "%s takes no file without a name: %s", folder, strerror(errno));
	close(parent);
	return fd;
}

static int give(int device, const char *folder, uint64_t bytes)
{
	struct agentmem_abi_backing now = { 0 }, args = { .flags = AGENTMEM_ABI_BACKING_GIVE, .most_bytes = bytes };
	int error = ask(device, &now);

	if (error != 0)
		return failed("refused", "the module does not say: %s", strerror(error));
	/* So a unit can be started again after its end was refused. */
	if (now.state != AGENTMEM_ABI_BACKING_NONE && now.most_bytes == bytes)
		return EXIT_OK;
	if (now.state != AGENTMEM_ABI_BACKING_NONE)
		return failed("busy", "the module has a backing file of %llu MB", (unsigned long long)(now.most_bytes >> 20));
	args.fd = make_file(folder, bytes);
	if (args.fd < 0)
		return EXIT_FAILED;
	error = ask(device, &args);
	return error == 0 ? EXIT_OK : failed(error == ENOMEM ? "memory" : "refused", "the module does not take it: %s", strerror(error));
}

static int take(int device)
{
	struct agentmem_abi_backing args = { .flags = AGENTMEM_ABI_BACKING_TAKE };
	int error = ask(device, &args);

	if (error == 0 && args.lost_bytes > 0)
		fprintf(stderr, "lost: %llu bytes could not be read back since the module was loaded\n", (unsigned long long)args.lost_bytes);
	if (error == 0 || error == ENOENT)
		return EXIT_OK;
	if (error == ENOSPC || error == ENOMEM)
		return failed("memory", "what is on it does not fit into memory now");
	return failed(error == EBUSY ? "busy" : "refused", "the module keeps it: %s", strerror(error));
}

static int show(int device)
{
	static const char *const states[] = { "none", "in-use", "full", "failing" };
	struct agentmem_abi_backing now = { 0 };
	int error = ask(device, &now);

	if (error != 0)
		return failed("refused", "the module does not say: %s", strerror(error));
	printf("state %s most_bytes %llu used_bytes %llu write_errors %llu read_errors %llu bad_sums %llu lost_bytes %llu\n", now.state < 4 ? states[now.state] : "unknown", (unsigned long long)now.most_bytes,
	       (unsigned long long)now.used_bytes, (unsigned long long)now.write_errors, (unsigned long long)now.read_errors, (unsigned long long)now.bad_sums, (unsigned long long)now.lost_bytes);
	return EXIT_OK;
}

static int usage(void)
{
	fputs("usage: agentmem-backing give BYTES [FOLDER [DEVICE]] | check BYTES [FOLDER] | take [DEVICE] | show [DEVICE]\n", stderr);
	return EXIT_USAGE;
}

/* Whether it could be given, without a module. */
static int check(const char *folder, uint64_t bytes)
{
	int fd = make_file(folder, bytes);

	if (fd < 0)
		return EXIT_FAILED;
	close(fd);
	return EXIT_OK;
}

enum what { GIVE, CHECK, TAKE, SHOW, NOTHING };

static enum what what_of(int argc, char **argv)
{
	static const struct {
		const char *word;
		int least, most;
	} known[] = { [GIVE] = { "give", 3, 5 }, [CHECK] = { "check", 3, 4 }, [TAKE] = { "take", 2, 3 }, [SHOW] = { "show", 2, 3 } };

	for (int i = GIVE; i < NOTHING; i++)
		if (argc >= known[i].least && argc <= known[i].most && strcmp(argv[1], known[i].word) == 0)
			return (enum what)i;
	return NOTHING;
}

int main(int argc, char **argv)
{
	enum what what = what_of(argc, argv);
	bool sized = what == GIVE || what == CHECK;
	const char *folder = sized && argc > 3 ? argv[3] : "/var/lib/agentmem";
	const char *name = what == GIVE && argc > 4 ? argv[4] : !sized && argc > 2 ? argv[2] : "/dev/agentmem";
	uint64_t bytes = sized ? parse_size(argv[2]) : 0;
	int device, code;

	if (what == NOTHING)
		return usage();
	if (sized && bytes == 0) {
		failed("bad-size", "expected bytes from %llu to %llu, got %s", LEAST_BYTES, MOST_BYTES, argv[2]);
		return usage();
	}
	if (what == CHECK)
		return check(folder, bytes);
	device = open(name, O_RDWR | O_CLOEXEC);
	if (device < 0) {
		/* With the module its backing file has gone. */
		if (what == TAKE && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
			return EXIT_OK;
		return failed("refused", "%s: %s", name, strerror(errno));
	}
	code = what == GIVE ? give(device, folder, bytes) : what == TAKE ? take(device) : show(device);
	close(device);
	return code;
}
