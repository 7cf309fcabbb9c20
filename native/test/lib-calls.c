/* SPDX-License-Identifier: Apache-2.0 */
/* Each public function, used as it is meant to be. */
#include "lib-kit.h"

#include <fcntl.h>

#include "common/digest.h"

static void content(agentmem_t *am, size_t bytes)
{
	uint8_t *data = kit_bytes(bytes, bytes), *buffer = malloc(bytes + 10);
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	agentmem_unit_t unit, again, found;
	struct am_digest digest;
	const void *mapped, *mapped_again;
	size_t mapped_bytes;

	CHECK(buffer != NULL);
	digest_of(data, bytes, &digest);
	GIVES(-ENOENT, agentmem_find(am, digest.bytes, &found));
	GIVES(0, agentmem_alloc(am, AGENTMEM_TOOL_RESULT, data, bytes, &unit));
	CHECK(unit != 0);
	GIVES(0, agentmem_alloc(am, AGENTMEM_TOOL_RESULT, data, bytes, &again));
	CHECK(again == unit);
	GIVES(0, agentmem_find(am, digest.bytes, &found));
	CHECK(found == unit);
	/* Read before and while it is mapped: other ways. */
	GIVES(bytes, agentmem_read(am, unit, 0, buffer, bytes + 10));
	CHECK(kit_are(buffer, bytes, bytes));
	GIVES(0, agentmem_map(am, unit, &mapped, &mapped_bytes));
	GIVES(0, agentmem_map(am, unit, &mapped_again, &mapped_bytes));
	CHECK(mapped == mapped_again && mapped_bytes == bytes && kit_are(mapped, bytes, bytes));
	memset(buffer, 0, bytes);
	GIVES(bytes - bytes / 3, agentmem_read(am, unit, bytes / 3, buffer, bytes));
	CHECK(memcmp(buffer, data + bytes / 3, bytes - bytes / 3) == 0);
	GIVES(0, agentmem_unmap(am, mapped));
	CHECK(kit_are(mapped, bytes, bytes));
	GIVES(0, agentmem_unmap(am, mapped));
	GIVES(-EINVAL, agentmem_unmap(am, mapped));
	GIVES(0, agentmem_read(am, unit, bytes, buffer, 1));
	GIVES(0, agentmem_read(am, unit, UINT64_MAX, buffer, 1));
	GIVES(0, agentmem_read(am, unit, 0, NULL, 0));
	GIVES(0, agentmem_stat_unit(am, unit, &stat));
	CHECK(stat.unit == unit && stat.bytes == bytes && stat.kind == AGENTMEM_TOOL_RESULT && stat.sharers == 1 && stat.has_digest == 1);
	CHECK(memcmp(stat.digest, digest.bytes, sizeof(stat.digest)) == 0);
	CHECK(stat.hot_bytes + stat.warm_bytes + stat.cold_bytes == bytes && stat.tier >= AGENTMEM_HOT && stat.tier <= AGENTMEM_COLD);
	GIVES(0, agentmem_mark_hot(am, unit));
	/* Two holds. A mapping outlives them. */
	GIVES(0, agentmem_map(am, unit, &mapped, &mapped_bytes));
	GIVES(0, agentmem_free(am, unit));
	GIVES(0, agentmem_find(am, digest.bytes, &found));
	GIVES(0, agentmem_free(am, unit));
	GIVES(-ENOENT, agentmem_find(am, digest.bytes, &found));
	CHECK(found == 0);
	GIVES(-ENOENT, agentmem_free(am, unit));
	GIVES(-ENOENT, agentmem_read(am, unit, 0, buffer, 1));
	GIVES(-ENOENT, agentmem_map(am, unit, &mapped_again, &mapped_bytes));
	CHECK(kit_are(mapped, bytes, bytes));
	GIVES(0, agentmem_unmap(am, mapped));
	free(buffer);
	free(data);
}

static void from_memfd(agentmem_t *am, size_t bytes)
{
	uint8_t *data = kit_bytes(bytes + 1, bytes), *buffer = malloc(bytes);
	int fd = kit_memfd(data, bytes, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	agentmem_unit_t unit, again, talk;

	CHECK(buffer != NULL);
	GIVES(0, agentmem_alloc_fd(am, AGENTMEM_OTHER, fd, &unit));
	/* Still the caller's. */
	CHECK(fcntl(fd, F_GETFD) >= 0);
	close(fd);
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, bytes, &again));
	CHECK(unit == again);
	GIVES(bytes, agentmem_read(am, unit, 0, buffer, bytes));
	CHECK(kit_are(buffer, bytes, bytes + 1));
	fd = kit_memfd(data, bytes, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	GIVES(0, agentmem_alloc_fd(am, AGENTMEM_CONVERSATION, fd, &talk));
	close(fd);
	CHECK(talk != unit);
	GIVES(0, agentmem_append(am, talk, "more", 4));
	GIVES(4, agentmem_read(am, talk, bytes, buffer, 10));
	CHECK(memcmp(buffer, "more", 4) == 0);
	GIVES(0, agentmem_free(am, talk));
	GIVES(0, agentmem_free(am, unit));
	GIVES(0, agentmem_free(am, unit));
	free(buffer);
	free(data);
}

/* Of what it is now, when asked for; of one that is large none. */
static void digest_of_talk(agentmem_t *am)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	const size_t first = 300000, second = 5, large = (16u << 20) + 1;
	uint8_t *data = kit_bytes(21, first + second), *most = kit_bytes(22, large);
	struct am_digest digest;
	agentmem_unit_t talk, found;

	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, first, &talk));
	for (size_t bytes = first;; bytes += second) {
		digest_of(data, bytes, &digest);
		GIVES(0, agentmem_stat_unit(am, talk, &stat));
		CHECK(stat.bytes == bytes && stat.has_digest == 1 && memcmp(stat.digest, digest.bytes, sizeof(stat.digest)) == 0);
		if (bytes > first)
			break;
		GIVES(0, agentmem_append(am, talk, data + first, second));
	}
	if (agentmem_backend(am) != AGENTMEM_PRIVATE) {
		GIVES(0, agentmem_find(am, digest.bytes, &found));
		CHECK(found == talk);
		GIVES(0, agentmem_free(am, talk));
		GIVES(-ENOENT, agentmem_find(am, digest.bytes, &found));
		GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, most, large, &talk));
		GIVES(0, agentmem_stat_unit(am, talk, &stat));
		CHECK(stat.bytes == large && stat.has_digest == 0);
	}
	GIVES(0, agentmem_free(am, talk));
	free(data);
	free(most);
}

static void conversation(agentmem_t *am)
{
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	agentmem_unit_t talk, other, fork;
	const void *mapped, *later;
	size_t bytes;
	char buffer[64];

	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, NULL, 0, &talk));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, NULL, 0, &other));
	CHECK(talk != other);
	GIVES(0, agentmem_read(am, talk, 0, buffer, sizeof(buffer)));
	GIVES(0, agentmem_map(am, talk, &mapped, &bytes));
	CHECK(mapped != NULL && bytes == 0);
	GIVES(0, agentmem_unmap(am, mapped));
	GIVES(0, agentmem_append(am, talk, "one,two,", 8));
	GIVES(0, agentmem_append(am, talk, NULL, 0));
	GIVES(0, agentmem_map(am, talk, &mapped, &bytes));
	GIVES(0, agentmem_append(am, talk, "three", 5));
	/* As it was at that moment. */
	CHECK(bytes == 8 && memcmp(mapped, "one,two,", 8) == 0);
	GIVES(0, agentmem_map(am, talk, &later, &bytes));
	CHECK(bytes == 13 && memcmp(later, "one,two,three", 13) == 0);
	GIVES(0, agentmem_fork(am, talk, 8, &fork));
	GIVES(0, agentmem_append(am, fork, "four", 4));
	GIVES(12, agentmem_read(am, fork, 0, buffer, sizeof(buffer)));
	CHECK(memcmp(buffer, "one,two,four", 12) == 0);
	GIVES(0, agentmem_edit(am, talk, 4, 3, "2", 1));
	GIVES(11, agentmem_read(am, talk, 0, buffer, sizeof(buffer)));
	CHECK(memcmp(buffer, "one,2,three", 11) == 0);
	CHECK(memcmp(later, "one,two,three", 13) == 0);
	GIVES(-EINVAL, agentmem_edit(am, talk, 12, 0, "x", 1));
	GIVES(-EINVAL, agentmem_edit(am, talk, 0, 12, "x", 1));
	GIVES(-EINVAL, agentmem_edit(am, talk, UINT64_MAX, UINT64_MAX, "x", 1));
	GIVES(0, agentmem_edit(am, talk, 11, 0, "!", 1));
	GIVES(0, agentmem_edit(am, talk, 0, 12, NULL, 0));
	GIVES(0, agentmem_read(am, talk, 0, buffer, sizeof(buffer)));
	GIVES(0, agentmem_stat_unit(am, fork, &stat));
	CHECK(stat.kind == AGENTMEM_CONVERSATION && stat.bytes == 12);
	GIVES(0, agentmem_unmap(am, mapped));
	GIVES(0, agentmem_unmap(am, later));
	GIVES(0, agentmem_free(am, fork));
	GIVES(0, agentmem_fork(am, other, SIZE_MAX, &fork));
	GIVES(0, agentmem_free(am, talk));
	GIVES(0, agentmem_free(am, other));
	GIVES(0, agentmem_free(am, fork));
}

static void about_agents(agentmem_t *am)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };
	struct agentmem_agent_line agents[8];
	struct agentmem_unit_line units[8];
	struct agentmem_settings settings = { .size = sizeof(settings), .cold_after_ms = 123456789 };
	agentmem_unit_t unit[3], last;
	uint64_t after = 0;
	bool found = false;
	int count;

	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, &"abc"[i], 1, &unit[i]));
	GIVES(0, agentmem_stat(am, &stat));
	CHECK(stat.backend == (uint32_t)kit_backend && stat.agent != 0 && stat.state == AGENTMEM_ACTIVE && stat.units == 3 && stat.bytes == 3);
	GIVES(3, agentmem_units(am, stat.agent, 0, units, 8));
	CHECK(units[0].unit < units[1].unit && units[1].unit < units[2].unit && units[0].agent == stat.agent && units[2].bytes == 1);
	last = units[2].unit;
	CHECK(last == unit[0] || last == unit[1] || last == unit[2]);
	GIVES(1, agentmem_units(am, stat.agent, units[1].unit, units, 8));
	CHECK(units[0].unit == last);
	GIVES(2, agentmem_units(am, stat.agent, 0, units, 2));
	GIVES(0, agentmem_units(am, stat.agent, 0, units, 0));
	GIVES(0, agentmem_set_importance(am, 77));
	GIVES(0, agentmem_set_state(am, AGENTMEM_IDLE));
	while ((count = agentmem_agents(am, after, agents, 8)) > 0) {
		for (int i = 0; i < count; i++) {
			CHECK(agents[i].agent > after);
			after = agents[i].agent;
			if (after != stat.agent)
				continue;
			found = true;
			CHECK(agents[i].state == AGENTMEM_IDLE && agents[i].importance == 77 && agents[i].pid == (uint32_t)getpid() && agents[i].units == 3);
			CHECK(strcmp(agents[i].name, "test") == 0 && agents[i].domain[0] == '\0');
		}
	}
	GIVES(0, count);
	CHECK(found);
	GIVES(0, agentmem_set_state(am, AGENTMEM_SUSPENDED));
	GIVES(0, agentmem_set_state(am, AGENTMEM_ACTIVE));
	if (kit_backend == AGENTMEM_MODULE) {
		/* The machine's, not the user's. */
		GIVES(kit_sets() ? 0 : -EACCES, agentmem_settings(am, &(struct agentmem_settings){ .size = sizeof(settings), .warm_after_ms = 123456789 }));
		settings.cold_after_ms = 0;
		GIVES(0, agentmem_settings(am, &settings));
		CHECK(!kit_sets() || settings.warm_after_ms == 123456789);
		GIVES(-EOPNOTSUPP, agentmem_settings(am, &(struct agentmem_settings){ .size = sizeof(settings), .thorough_after_ms = 1 }));
	} else {
		GIVES(0, agentmem_settings(am, &settings));
		CHECK(settings.cold_after_ms == 123456789);
	}
	GIVES(0, agentmem_share(am, unit[0], stat.agent));
	GIVES(-ENOENT, agentmem_share(am, unit[0], stat.agent + 1));
	for (unsigned i = 0; i < 3; i++)
		GIVES(0, agentmem_free(am, unit[i]));
	/* What was shared is held once more. */
	GIVES(0, agentmem_free(am, unit[0]));
	GIVES(-ENOENT, agentmem_free(am, unit[0]));
}

static void other_agents(agentmem_t *am)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };
	agentmem_t *other = kit_open(), *foreign = kit_open_with((struct agentmem_options){ .domain = "foreign" });
	uint8_t *data = kit_bytes(5, 300000);
	agentmem_unit_t unit, same, talk;
	char byte;

	GIVES(0, agentmem_alloc(am, AGENTMEM_SYSTEM_PROMPT, data, 300000, &unit));
	GIVES(-ENOENT, agentmem_read(other, unit, 0, &byte, 1));
	GIVES(0, agentmem_alloc(other, AGENTMEM_SYSTEM_PROMPT, data, 300000, &same));
	CHECK(same == unit);
	GIVES(0, agentmem_alloc(foreign, AGENTMEM_SYSTEM_PROMPT, data, 300000, &same));
	CHECK(same != unit);
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 1000, &talk));
	GIVES(0, agentmem_stat(foreign, &stat));
	GIVES(-ENOENT, agentmem_share(am, talk, stat.agent));
	GIVES(0, agentmem_stat(other, &stat));
	GIVES(0, agentmem_share(am, talk, stat.agent));
	GIVES(0, agentmem_append(other, talk, "x", 1));
	GIVES(1, agentmem_read(am, talk, 1000, &byte, 1));
	CHECK(byte == 'x');
	GIVES(0, agentmem_free(am, talk));
	GIVES(1, agentmem_read(other, talk, 1000, &byte, 1));
	free(data);
	agentmem_close(other);
	agentmem_close(foreign);
	GIVES(0, agentmem_free(am, unit));
}

void test_right(void)
{
	static const size_t sizes[] = { 1, 100, 4096, 70000, 131072, 131073, 262144, 300001, 5000000 };
	agentmem_t *am = kit_open();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		content(am, sizes[i]);
	from_memfd(am, 100);
	from_memfd(am, 600000);
	conversation(am);
	digest_of_talk(am);
	about_agents(am);
	if (kit_backend != AGENTMEM_PRIVATE)
		other_agents(am);
	agentmem_close(am);
	agentmem_close(NULL);
}

void test_quota(void)
{
	agentmem_t *am = kit_open_with((struct agentmem_options){ .quota_bytes = 100000 });
	uint8_t *data = kit_bytes(9, 400000);
	agentmem_unit_t unit, talk;

	GIVES(-EDQUOT, agentmem_alloc(am, AGENTMEM_OTHER, data, 100001, &unit));
	CHECK(unit == 0);
	GIVES(-EDQUOT, agentmem_alloc(am, AGENTMEM_OTHER, data, 400000, &unit));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 60000, &talk));
	GIVES(-EDQUOT, agentmem_append(am, talk, data, 40001));
	GIVES(-EDQUOT, agentmem_edit(am, talk, 0, 0, data, 40001));
	GIVES(-EDQUOT, agentmem_fork(am, talk, SIZE_MAX, &unit));
	CHECK(unit == 0);
	GIVES(0, agentmem_append(am, talk, data, 40000));
	GIVES(0, agentmem_free(am, talk));
	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 100000, &unit));
	free(data);
	agentmem_close(am);
}

/* Mappings outlive the close. */
void test_close(void)
{
	agentmem_t *am = kit_open();
	uint8_t *data = kit_bytes(3, 400000);
	agentmem_unit_t unit, talk;
	const void *mapped, *snapshot;
	size_t bytes;

	GIVES(0, agentmem_alloc(am, AGENTMEM_OTHER, data, 400000, &unit));
	GIVES(0, agentmem_alloc(am, AGENTMEM_CONVERSATION, data, 1000, &talk));
	GIVES(0, agentmem_map(am, unit, &mapped, &bytes));
	GIVES(0, agentmem_map(am, talk, &snapshot, &bytes));
	GIVES(-EINVAL, agentmem_unmap(NULL, mapped));
	agentmem_close(am);
	CHECK(kit_are(mapped, 400000, 3) && kit_are(snapshot, 1000, 3));
	am = kit_open();
	GIVES(-EINVAL, agentmem_unmap(am, mapped));
	GIVES(0, agentmem_unmap(NULL, mapped));
	GIVES(0, agentmem_unmap(NULL, snapshot));
	GIVES(-EINVAL, agentmem_unmap(NULL, snapshot));
	free(data);
	agentmem_close(am);
}
