/* SPDX-License-Identifier: Apache-2.0 */
/* When agentmem-share.so does something, and in which process: docs/shim.md. */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "launched.h"
#include "share.h"

_Atomic bool share_on;
static char socket_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
static int log_fd = -1;

void share_stop(void)
{
	atomic_store(&share_on, false);
}

const char *share_socket_path(void)
{
	return socket_path;
}

void share_tell(const char *what, size_t bytes)
{
	char line[64];
	int length;

	if (log_fd < 0)
		return;
	length = snprintf(line, sizeof(line), "%s %zu\n", what, bytes);
	if (length > 0 && syscall(SYS_write, log_fd, line, (size_t)length) < 0)
		log_fd = -1;
}

static void leave_environment(void)
{
	if (!launched_leave_preload("agentmem-share.so"))
		return;
	unsetenv("AGENTMEM_SHARE_PID");
	unsetenv("AGENTMEM_SHARE_MERGE");
}

/* Who looks at its own or others' pages as such, and who the user names. */
static bool is_excluded(void)
{
	static const char *const always[] = { "criu", "gdb", "rr" };
	const char *list = getenv("AGENTMEM_SHARE_EXCLUDE");
	size_t length = strlen(program_invocation_short_name);

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (strcmp(program_invocation_short_name, always[i]) == 0)
			return true;
	while (list != NULL && length > 0) {
		size_t each = strcspn(list, ":");

		if (each == length && strncmp(list, program_invocation_short_name, length) == 0)
			return true;
		list = list[each] == '\0' ? NULL : list + each + 1;
	}
	return false;
}

static bool find_socket(void)
{
	const char *path = getenv("AGENTMEM_SOCKET");
	const char *folder = getenv("XDG_RUNTIME_DIR");
	int length = -1;

	if (path != NULL && path[0] != '\0')
		length = snprintf(socket_path, sizeof(socket_path), "%s", path);
	else if (folder != NULL && folder[0] == '/')
		length = snprintf(socket_path, sizeof(socket_path), "%s/agentmem/broker.sock", folder);
	return length > 0 && (size_t)length < sizeof(socket_path);
}

/* With strict accounting a mapping can be refused after what it replaces has gone. */
static bool accounting_is_strict(void)
{
	char mode = '2';
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return true;
	if (syscall(SYS_read, fd, &mode, 1) != 1)
		mode = '2';
	close(fd);
	return mode == '2';
}

__attribute__((constructor)) static void set_up(void)
{
	int before = errno;
	const char *log = getenv("AGENTMEM_SHARE_LOG");

	guard_start();
	if (getauxval(AT_SECURE) != 0)
		return;
	if (!launched_is_this("AGENTMEM_SHARE_PID")) {
		leave_environment();
		errno = before;
		return;
	}
	merge_start();
	if (!is_excluded() && find_socket() && sysconf(_SC_PAGESIZE) == (long)PAGE_BYTES && prctl(PR_GET_SECCOMP, 0UL, 0UL, 0UL, 0UL) == 0 && !accounting_is_strict()) {
		if (log != NULL)
			log_fd = (int)strtol(log, NULL, 10);
		atomic_store(&share_on, true);
	}
	/* Notes large blocks for merging too. */
	heap_start();
	errno = before;
}
