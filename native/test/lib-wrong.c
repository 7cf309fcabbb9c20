/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments that make no sense, and structs of other versions. */
#include "lib-kit.h"

#include <fcntl.h>
#include <stddef.h>

#define NO_UNIT UINT64_C(987654321)

static int open_with(struct agentmem_options options)
{
	agentmem_t *am = (agentmem_t *)&options;
	int error;

	if (options.backend == 0)
		options.backend = kit_backend;
	error = agentmem_open(&am, &options);
	CHECK((error == 0) == (am != NULL));
	agentmem_close(am);
	return error;
}

static void opening(void)
{
	static const char longest[] = "123456789012345678901234567890123456789012345678901234567890123";
	static const char too_long[] = "1234567890123456789012345678901234567890123456789012345678901234";
	const struct agentmem_options fine = { .size = sizeof(fine), .name = longest, .domain = longest, .importance = 100 };
	struct agentmem_options wrong;
	char path[200];

	GIVES(-EINVAL, agentmem_open(NULL, &fine));
	GIVES(0, open_with(fine));
	wrong = fine, wrong.backend = AGENTMEM_PRIVATE + 1;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.backend = -1;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.name = too_long;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.name = "a\nb";
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.domain = too_long;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.importance = 101;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.flags = 4;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.socket_path = "";
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.socket_path = "relative.sock";
	GIVES(-EINVAL, open_with(wrong));
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	wrong = fine, wrong.socket_path = path;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.size = 3;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.size = SIZE_MAX;
	GIVES(-EINVAL, open_with(wrong));
	wrong = fine, wrong.backend = AGENTMEM_MODULE;
	if (access("/dev/agentmem", F_OK) != 0)
		GIVES(-ENODEV, open_with(wrong));
}

static void arguments(agentmem_t *am)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	uint8_t digest[AGENTMEM_DIGEST_BYTES] = { 1 };
	agentmem_unit_t unit, none;
	const void *data;
	size_t bytes;
	char byte = 0;
	int ends[2], fd;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));
	GIVES(-EINVAL, agentmem_alloc(NULL, AGENTMEM_OTHER, "x", 1, &none));
	GIVES(-EINVAL, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, NULL));
	GIVES(-EINVAL, agentmem_alloc(am, AGENTMEM_OTHER, NULL, 1, &none));
	GIVES(-EINVAL, agentmem_alloc(am, AGENTMEM_OTHER, "x", 0, &none));
	GIVES(-EINVAL, agentmem_alloc(am, 0, "x", 1, &none));
	GIVES(-EINVAL, agentmem_alloc(am, AGENTMEM_OTHER + 1, "x", 1, &none));
	GIVES(-E2BIG, agentmem_alloc(am, AGENTMEM_OTHER, "x", ((size_t)4 << 30) + 1, &none));
	GIVES(-EINVAL, agentmem_alloc_fd(am, AGENTMEM_OTHER, 0, NULL));
	GIVES(-EINVAL, agentmem_alloc_fd(am, 9, 0, &none));
	GIVES(-EBADF, agentmem_alloc_fd(am, AGENTMEM_OTHER, -1, &none));
	CHECK(pipe2(ends, O_CLOEXEC) == 0);
	GIVES(-EBADF, agentmem_alloc_fd(am, AGENTMEM_OTHER, ends[0], &none));
	close(ends[0]);
	close(ends[1]);
	fd = kit_memfd("x", 1, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE);
	GIVES(-EPERM, agentmem_alloc_fd(am, AGENTMEM_OTHER, fd, &none));
	close(fd);
	fd = kit_memfd("x", 0, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	GIVES(-EINVAL, agentmem_alloc_fd(am, AGENTMEM_OTHER, fd, &none));
	GIVES(0, agentmem_alloc_fd(am, AGENTMEM_CONVERSATION, fd, &none));
	GIVES(0, agentmem_free(am, none));
	close(fd);
	GIVES(-EINVAL, agentmem_append(am, unit, "x", 1));
	GIVES(-EINVAL, agentmem_append(am, unit, NULL, 1));
	GIVES(-E2BIG, agentmem_append(am, unit, "x", ((size_t)4 << 30) + 1));
	GIVES(-ENOENT, agentmem_append(am, NO_UNIT, "x", 1));
	GIVES(-EINVAL, agentmem_fork(am, unit, SIZE_MAX, &none));
	GIVES(-EINVAL, agentmem_fork(am, unit, SIZE_MAX, NULL));
	GIVES(-ENOENT, agentmem_fork(am, NO_UNIT, SIZE_MAX, &none));
	GIVES(-EINVAL, agentmem_edit(am, unit, 0, 1, "y", 1));
	GIVES(-EINVAL, agentmem_edit(am, unit, 0, 1, NULL, 1));
	GIVES(-ENOENT, agentmem_edit(am, NO_UNIT, 0, 0, "y", 1));
	GIVES(-ENOENT, agentmem_share(am, NO_UNIT, 1));
	GIVES(-EINVAL, agentmem_find(am, NULL, &none));
	GIVES(-EINVAL, agentmem_find(am, digest, NULL));
	GIVES(-ENOENT, agentmem_find(am, digest, &none));
	GIVES(-ENOENT, agentmem_mark_hot(am, NO_UNIT));
	GIVES(-ENOENT, agentmem_map(am, NO_UNIT, &data, &bytes));
	CHECK(data == NULL && bytes == 0);
	GIVES(-EINVAL, agentmem_map(am, unit, NULL, &bytes));
	GIVES(-EINVAL, agentmem_map(am, unit, &data, NULL));
	GIVES(-EINVAL, agentmem_unmap(am, NULL));
	GIVES(-EINVAL, agentmem_unmap(am, &byte));
	GIVES(-EINVAL, agentmem_unmap(NULL, &byte));
	GIVES(-ENOENT, agentmem_read(am, NO_UNIT, 0, &byte, 1));
	GIVES(-ENOENT, agentmem_read(am, 0, 0, &byte, 1));
	GIVES(-EINVAL, agentmem_read(am, unit, 0, NULL, 1));
	GIVES(-ENOENT, agentmem_stat_unit(am, NO_UNIT, &stat));
	GIVES(-EINVAL, agentmem_stat_unit(am, unit, NULL));
	GIVES(-EINVAL, agentmem_stat(am, NULL));
	GIVES(-ENOENT, agentmem_free(am, NO_UNIT));
	GIVES(-EINVAL, agentmem_free(NULL, unit));
	GIVES(-EINVAL, agentmem_set_state(am, 0));
	GIVES(-EINVAL, agentmem_set_state(am, AGENTMEM_GONE));
	GIVES(-EINVAL, agentmem_set_importance(am, 101));
	GIVES(-EINVAL, agentmem_agents(am, 0, NULL, 1));
	GIVES(-EINVAL, agentmem_units(am, 0, 0, NULL, 1));
	GIVES(-EINVAL, agentmem_settings(am, NULL));
	GIVES(-EINVAL, agentmem_backend(NULL));
	for (int error = -200; error < 200; error++)
		CHECK(agentmem_error_text(error) != NULL && agentmem_error_text(error)[0] != '\0');
	CHECK(strcmp(agentmem_error_text(-ESTALE), agentmem_error_text(ESTALE)) == 0);
	CHECK(strcmp(agentmem_error_text(-ESTALE), agentmem_error_text(0)) != 0);
}

void test_wrong(void)
{
	agentmem_t *am;

	opening();
	am = kit_open();
	arguments(am);
	agentmem_close(am);
}

/* A struct as a newer header would have it: ours and some more. */
struct larger {
	union {
		struct agentmem_options options;
		struct agentmem_stat stat;
		struct agentmem_unit_stat unit_stat;
		struct agentmem_settings settings;
		uint8_t bytes[1000];
	};
};

static bool all_are(const uint8_t *bytes, size_t from, size_t to, uint8_t value)
{
	for (size_t i = from; i < to; i++) {
		if (bytes[i] != value)
			return false;
	}
	return true;
}

void test_sizes(void)
{
	agentmem_t *am = kit_open(), *second;
	struct larger larger;
	uint64_t warm_after_ms = kit_sets() ? 4000 : 0;
	agentmem_unit_t unit;
	size_t size;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, "x", 1, &unit));

	/* An older program: what it has no room for is not touched. */
	memset(&larger, 0xee, sizeof(larger));
	size = offsetof(struct agentmem_unit_stat, sharers);
	larger.unit_stat.size = size;
	GIVES(0, agentmem_stat_unit(am, unit, &larger.unit_stat));
	CHECK(larger.unit_stat.size == size && larger.unit_stat.bytes == 1 && all_are(larger.bytes, size, sizeof(larger), 0xee));
	memset(&larger, 0xee, sizeof(larger));
	size = offsetof(struct agentmem_stat, units);
	larger.stat.size = size;
	GIVES(0, agentmem_stat(am, &larger.stat));
	CHECK(larger.stat.size == size && larger.stat.backend == (uint32_t)kit_backend && all_are(larger.bytes, size, sizeof(larger), 0xee));
	memset(&larger, 0xee, sizeof(larger));
	size = offsetof(struct agentmem_settings, hot_most_bytes);
	larger.settings = (struct agentmem_settings){ .size = size, .warm_after_ms = warm_after_ms };
	memset(larger.bytes + size, 0xee, sizeof(larger) - size);
	GIVES(0, agentmem_settings(am, &larger.settings));
	CHECK((!kit_sets() || larger.settings.warm_after_ms == 4000) && all_are(larger.bytes, size, sizeof(larger), 0xee));

	/* A newer one: what we do not know is zero. */
	memset(&larger, 0xee, sizeof(larger));
	larger.unit_stat.size = sizeof(larger);
	GIVES(0, agentmem_stat_unit(am, unit, &larger.unit_stat));
	CHECK(larger.unit_stat.size == sizeof(larger) && larger.unit_stat.bytes == 1 && all_are(larger.bytes, sizeof(larger.unit_stat), sizeof(larger), 0));
	memset(&larger, 0xee, sizeof(larger));
	larger.stat.size = sizeof(larger);
	GIVES(0, agentmem_stat(am, &larger.stat));
	CHECK(larger.stat.units == 1 && all_are(larger.bytes, sizeof(larger.stat), sizeof(larger), 0));
	memset(&larger, 0, sizeof(larger));
	larger.settings.size = sizeof(larger);
	GIVES(0, agentmem_settings(am, &larger.settings));
	CHECK((!kit_sets() || larger.settings.warm_after_ms == 4000) && all_are(larger.bytes, sizeof(larger.settings), sizeof(larger), 0));
	/* And what it sets of that is not left undone in silence. */
	larger.bytes[sizeof(larger.settings)] = 1;
	GIVES(-EINVAL, agentmem_settings(am, &larger.settings));
	memset(&larger, 0, sizeof(larger));
	larger.options.size = sizeof(larger);
	larger.options.backend = kit_backend;
	GIVES(0, agentmem_open(&second, &larger.options));
	agentmem_close(second);
	larger.bytes[sizeof(larger) - 1] = 1;
	GIVES(-EINVAL, agentmem_open(&second, &larger.options));
	memset(&larger, 0xee, sizeof(larger));
	larger.options.size = offsetof(struct agentmem_options, name);
	larger.options.backend = kit_backend;
	GIVES(0, agentmem_open(&second, &larger.options));
	agentmem_close(second);

	larger.stat.size = 0;
	GIVES(-EINVAL, agentmem_stat(am, &larger.stat));
	larger.unit_stat.size = sizeof(size_t);
	GIVES(-EINVAL, agentmem_stat_unit(am, unit, &larger.unit_stat));
	larger.settings.size = 100000;
	GIVES(-EINVAL, agentmem_settings(am, &larger.settings));
	agentmem_close(am);
}
