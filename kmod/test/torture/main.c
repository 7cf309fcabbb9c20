// SPDX-License-Identifier: GPL-2.0
/* `torture inject STEP`, `torture race SECONDS SEED`, `torture fuzz SECONDS SEED`: a line when it is through. */
#include "torture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool torture_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

void torture_nothing_left(const char *when)
{
	int device = kit_device();
	struct agentmem_abi_all_stat left;

	if (!kit_nothing_left(device, &left)) {
		kit_failed++;
		printf("# %s: left are %llu agents, %llu units of %llu bytes, %llu contents of %llu bytes, %llu hot, %llu warm, %llu cold\n", when, left.agents, left.units, left.bytes, left.contents, left.content_bytes, left.hot_bytes, left.warm_bytes, left.cold_bytes);
		fflush(stdout);
	}
	close(device);
}

void torture_settings(uint64_t warm_after_ms, uint64_t hot_most_bytes, uint64_t user_most_bytes)
{
	int device = kit_device();

	GIVES(0, ioctl(device, AGENTMEM_IOC_SETTINGS, &SIZED(settings, .warm_after_ms = warm_after_ms, .hot_most_bytes = hot_most_bytes, .quota_bytes = 16ull << 30, .user_most_bytes = user_most_bytes)));
	GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_NONE)));
	close(device);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned amount = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;

	signal(SIGPIPE, SIG_IGN);
	if (!amount) {
		printf("not ok torture needs inject STEP, race SECONDS SEED or fuzz SECONDS SEED\n");
		return 2;
	}
	if (strcmp(what, "inject") == 0) {
		torture_inject(amount);
	} else if (strcmp(what, "race") == 0) {
		torture_race(amount, seed);
	} else if (strcmp(what, "fuzz") == 0) {
		torture_fuzz(amount, seed);
	} else {
		printf("not ok torture knows no %s\n", what);
		return 2;
	}
	torture_nothing_left("at the end");
	printf("%s torture %s\n", kit_failed ? "not ok" : "ok", what);
	return kit_failed ? 1 : 0;
}
