/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-pressure: tells agentmem.ko how short of memory the machine is, as
 * the kernel's own triggers for that are not open to modules. Started as root
 * with the module, ends by itself when it is gone. The device is open for the
 * moment of telling alone, so that unloading is never held up by this.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../../kmod/uapi/agentmem.h"
#include "../../user/common/pressure.h"

enum { EXIT_GONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Somebody waited for memory for a twentieth of a second in one. */
#define TRIGGER "some 50000 1000000"
/* Between two looks: stalls wake it at once, memory that runs out without any is seen this late. */
#define CALM_MS 5000
#define SHORT_MS 1000
/* Told again so often, for a module that was loaded anew meanwhile. */
#define AGAIN_LOOKS 30

static volatile sig_atomic_t ended;

static void on_end(int number)
{
	(void)number;
	ended = 1;
}

static const char *read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t bytes = fd < 0 ? -1 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	text[bytes < 0 ? 0 : bytes] = '\0';
	return text;
}

static enum am_pressure look(void)
{
	char stall[256], meminfo[1024];

	return pressure_of(read_text("/proc/pressure/memory", stall, sizeof(stall)), read_text("/proc/meminfo", meminfo, sizeof(meminfo)));
}

/* 0, or errno. */
static int tell(const char *device, enum am_pressure pressure)
{
	struct agentmem_abi_value value = { .size = sizeof(value), .value = (unsigned)pressure };
	int fd = open(device, O_RDWR | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return errno;
	if (ioctl(fd, AGENTMEM_IOC_PRESSURE, &value) != 0)
		error = errno;
	close(fd);
	return error;
}

static bool is_gone(int error)
{
	return error == ENOENT || error == ENODEV || error == ENXIO;
}

/* -1 where this kernel has no triggers: then it looks once in a while. */
static int open_trigger(void)
{
	int fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && write(fd, TRIGGER, sizeof(TRIGGER)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int watch(const char *device)
{
	struct pollfd trigger = { .fd = open_trigger(), .events = POLLPRI };
	enum am_pressure told = AM_PRESSURE_NONE;
	unsigned looks = 0;

	for (;; looks++) {
		enum am_pressure now = ended ? AM_PRESSURE_NONE : look();
		/* A device that is gone is found by asking for it: nothing is opened for that. */
		int error = now != told || looks % AGAIN_LOOKS == 0 ? tell(device, now) : access(device, F_OK) == 0 ? 0 : errno;

		if (is_gone(error))
			return EXIT_GONE;
		if (error != 0) {
			fprintf(stderr, "agentmem-pressure: %s does not take it: %s\n", device, strerror(error));
			return EXIT_FAILED;
		}
		if (ended)
			return EXIT_GONE;
		told = now;
		if (poll(&trigger, trigger.fd >= 0, told == AM_PRESSURE_NONE ? CALM_MS : SHORT_MS) > 0)
			/* The trigger stays up for its second: this is no loop without rest. */
			usleep(SHORT_MS / 10 * 1000);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_end };
	const char *device = argc == 2 ? argv[1] : "/dev/agentmem";

	if (argc > 2 || device[0] != '/') {
		fputs("usage: agentmem-pressure [DEVICE]\n", stderr);
		return EXIT_USAGE;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	return watch(device);
}
