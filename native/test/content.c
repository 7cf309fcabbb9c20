/* SPDX-License-Identifier: Apache-2.0 */
#include "content-test.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/host.h"

uint64_t test_draw(struct test *test)
{
	uint64_t value = test->random += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

uint32_t test_below(struct test *test, uint32_t most)
{
	return (uint32_t)(((test_draw(test) >> 32) * most) >> 32);
}

void test_open(struct test *test, bool (*view)(void *context, uint64_t agent, enum am_state *state, uint32_t *importance))
{
	const struct content_options options = { .store_folder = test->folder, .store_most_bytes = test->store_most_bytes, .common_domain = 1, .workers = 3, .policy = test->policy, .agent_view = view };
	int error = content_open(&test->content, &options);

	if (error != 0)
		fprintf(stderr, "content_open: %s\n", strerror(-error));
	CHECK(error == 0);
}

void test_turn(struct test *test, int wait_ms)
{
	struct pollfd poll_fd = { .fd = content_fd(test->content), .events = POLLIN };
	uint64_t next = content_step(test->content, now_ms());
	uint64_t now = now_ms();

	if (next < now + (uint64_t)wait_ms)
		wait_ms = next <= now ? 0 : (int)(next - now);
	if (poll(&poll_fd, 1, wait_ms) > 0)
		content_event(test->content);
}

void test_settle(struct test *test)
{
	struct broker_stat stat = { .user_hot_bytes = 1 };

	for (int i = 0; i < 1000 && stat.user_hot_bytes + stat.user_warm_bytes + stat.user_cold_bytes > 0; i++) {
		test_turn(test, 5);
		content_stat_all(test->content, &stat);
	}
}

int test_memfd(const void *data, size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0);
	return fd;
}

void test_ignore(void *context, const struct content_result *result)
{
	(void)context;
	(void)result;
}

int main(int argc, char **argv)
{
	struct test test = { .policy = am_policy_default, .random = argc > 3 ? strtoull(argv[3], NULL, 10) : 1 };

	if (argc < 3) {
		fprintf(stderr, "usage: test-content functions|model|crash|after FOLDER|- [SEED [OPERATIONS]]\n");
		return 2;
	}
	test.folder = strcmp(argv[2], "-") == 0 ? NULL : argv[2];
	test.policy.has_cold = true;
	if (strcmp(argv[1], "model") == 0)
		return model_main(&test, argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 3000);
	if (strcmp(argv[1], "crash") == 0)
		return crash_main(&test);
	if (strcmp(argv[1], "after") == 0)
		return after_main(&test);
	if (strcmp(argv[1], "functions") == 0)
		return functions_main(&test);
	fprintf(stderr, "test-content: expected functions, model, crash or after, got %s\n", argv[1]);
	return 2;
}
