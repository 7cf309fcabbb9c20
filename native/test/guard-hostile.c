/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent that means harm. "path FILE": its standard input names FILE without
 * its having been opened (O_PATH). "stuck": touching the first page of its
 * memory waits for ever (userfaultfd that nobody answers). Says
 * "ready PID START-END" and waits to be killed.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 65536u

static char *stuck(void)
{
	char *area = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register part = { .range = { .start = (uintptr_t)area, .len = SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	return fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 && ioctl(fd, UFFDIO_REGISTER, &part) == 0 ? area : NULL;
}

int main(int argc, char **argv)
{
	char *area = NULL;

	if (argc == 3 && strcmp(argv[1], "path") == 0) {
		int fd = open(argv[2], O_PATH);

		if (fd < 0 || dup2(fd, 0) != 0)
			return 2;
	} else {
		area = stuck();
		if (area == NULL)
			return 3;
	}
	printf("ready %d %llx-%llx\n", (int)getpid(), (unsigned long long)(uintptr_t)area, (unsigned long long)(uintptr_t)area + SIZE);
	fflush(stdout);
	for (;;)
		pause();
}
