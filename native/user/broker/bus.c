/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/bus.h"

#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of this thread: its handler runs on it too. */
static _Thread_local struct {
	volatile uintptr_t from, to;
	volatile sig_atomic_t hit;
} watched;

static uintptr_t page_bytes;

static void handle(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	if (at >= watched.from && at < watched.to && mmap((void *)(at & ~(page_bytes - 1)), page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) {
		watched.hit = 1;
		return;
	}
	/* Raised again by what raised it, and then it ends us. */
	signal(number, SIG_DFL);
}

void bus_begin(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };

	page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGBUS, &action, NULL);
}

void bus_watch(const void *data, size_t bytes)
{
	watched.hit = 0;
	watched.from = (uintptr_t)data;
	watched.to = (uintptr_t)data + bytes;
}

bool bus_end(void)
{
	watched.from = watched.to = 0;
	return watched.hit != 0;
}
