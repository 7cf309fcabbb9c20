/* SPDX-License-Identifier: Apache-2.0 */
/* Every request as it is meant. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agentmem.h"
#include "broker-kit.h"
#include "broker-raw.h"
#include "common/digest.h"

static void same(const struct raw *raw, size_t offset, const void *data, size_t bytes)
{
	EQUAL(raw->bytes, offset + bytes);
	CHECK(memcmp(raw->body + offset, data, bytes) == 0);
}

/* What was mapped: a memfd with all seals, or data behind the unit. */
static void mapped_same(const struct raw *raw, const void *data, size_t bytes)
{
	void *map;

	EQUAL(raw_unit(raw)->bytes, bytes);
	if (raw->fd < 0) {
		same(raw, sizeof(struct broker_unit), data, bytes);
		return;
	}
	EQUAL(fcntl(raw->fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
	CHECK(mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, raw->fd, 0) == MAP_FAILED);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, raw->fd, 0);
	CHECK(map != MAP_FAILED);
	CHECK(memcmp(map, data, bytes) == 0);
	munmap(map, bytes);
}

static void units(struct raw *raw)
{
	uint8_t *text = text_of(1, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct am_digest digest;
	uint64_t small, again, large;

	EQUAL(raw_alloc(raw, AGENTMEM_TOOL_RESULT, "hello", 5, &small), 0);
	EQUAL(raw_unit(raw)->known, 0);
	EQUAL(raw_unit(raw)->kind, AGENTMEM_TOOL_RESULT);
	digest_of("hello", 5, &digest);
	CHECK(raw_unit(raw)->has_digest && memcmp(raw_unit(raw)->digest, digest.bytes, 32) == 0);
	EQUAL(raw_find(raw, digest.bytes), 0);
	EQUAL(raw_unit(raw)->unit, small);
	EQUAL(raw_alloc(raw, AGENTMEM_TOOL_RESULT, "hello", 5, &again), 0);
	EQUAL(raw_unit(raw)->known, 1);
	EQUAL(again, small);
	EQUAL(raw_alloc_fd(raw, AGENTMEM_SYSTEM_PROMPT, memfd, LARGE, &large), 0);
	CHECK(large != small);
	EQUAL(raw_number(raw, BROKER_MAP, large, 0), 0);
	mapped_same(raw, text, LARGE);
	EQUAL(raw_number(raw, BROKER_MAP, small, 0), 0);
	mapped_same(raw, "hello", 5);
	EQUAL(raw_number(raw, BROKER_UNMAP, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_UNMAP, small, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_UNMAP, large, 0), 0);
	EQUAL(raw_number(raw, BROKER_MARK_HOT, large, 0), 0);
	EQUAL(raw->bytes, 0);
	EQUAL(raw_read(raw, large, 999990, 100), 0);
	EQUAL(((struct broker_bytes *)raw->body)->bytes, 10);
	EQUAL(((struct broker_bytes *)raw->body)->total_bytes, LARGE);
	same(raw, sizeof(struct broker_bytes), text + 999990, 10);
	EQUAL(raw_read(raw, large, LARGE, 1), 0);
	EQUAL(((struct broker_bytes *)raw->body)->bytes, 0);
	EQUAL(raw_read(raw, large, 1, UINT64_MAX), 0);
	CHECK(((struct broker_bytes *)raw->body)->bytes > 0);
	EQUAL(raw_number(raw, BROKER_STAT_UNIT, large, 0), 0);
	EQUAL(((struct broker_unit_stat *)raw->body)->bytes, LARGE);
	EQUAL(((struct broker_unit_stat *)raw->body)->sharers, 1);
	EQUAL(raw_stat(raw)->units, 2);
	EQUAL(raw_stat(raw)->bytes, LARGE + 5);
	CHECK(memcmp(raw_stat(raw)->token, raw->welcome.token, 16) == 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), 0);
	EQUAL(raw_number(raw, BROKER_FREE, small, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_FREE, large, 0), 0);
	EQUAL(raw_stat(raw)->units, 0);
	EQUAL(raw_find(raw, digest.bytes), -ENOENT);
	close(memfd);
	free(text);
}

static void conversation(struct raw *raw)
{
	uint64_t unit, fork;
	uint8_t *text = text_of(2, LARGE);
	int memfd = memfd_of(text, LARGE, ALL_SEALS);
	struct broker_edit edit = { .bytes = LARGE };

	EQUAL(raw_alloc(raw, AGENTMEM_CONVERSATION, NULL, 0, &unit), 0);
	EQUAL(raw_edit(raw, BROKER_APPEND, unit, 0, 0, "one two three", 13), 0);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 4, 3, "2", 1), 0);
	EQUAL(raw_read(raw, unit, 0, 100), 0);
	same(raw, sizeof(struct broker_bytes), "one 2 three", 11);
	EQUAL(raw_number(raw, BROKER_FORK, unit, 5), 0);
	fork = raw_unit(raw)->unit;
	EQUAL(raw_edit(raw, BROKER_APPEND, fork, 0, 0, "!", 1), 0);
	EQUAL(raw_number(raw, BROKER_MAP, fork, 0), 0);
	mapped_same(raw, "one 2!", 6);
	EQUAL(raw_number(raw, BROKER_FORK, unit, UINT64_MAX), 0);
	EQUAL(raw_unit(raw)->bytes, 11);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 12, 0, "x", 1), -EINVAL);
	EQUAL(raw_edit(raw, BROKER_EDIT, unit, 0, 12, "x", 1), -EINVAL);
	edit.unit = unit;
	EQUAL(raw_call(raw, BROKER_APPEND, &edit, sizeof(edit), NULL, 0, memfd), 0);
	EQUAL(raw_unit(raw)->bytes, LARGE + 11);
	EQUAL(raw_read(raw, unit, 11, 100), 0);
	same(raw, sizeof(struct broker_bytes), text, 100);
	close(memfd);
	free(text);
}

void play_requests(void)
{
	struct raw *raw = raw_open("right", ""), *other = raw_open("other", "");
	uint64_t unit;

	CHECK(raw->welcome.agent != 0 && raw->welcome.broker != 0 && raw->welcome.broker == other->welcome.broker);
	CHECK(memcmp(raw->welcome.token, other->welcome.token, 16) != 0);
	units(raw);
	conversation(raw);
	EQUAL(raw_alloc(raw, AGENTMEM_OTHER, "shared", 6, &unit), 0);
	EQUAL(raw_number(other, BROKER_FREE, unit, 0), -ENOENT);
	EQUAL(raw_number(raw, BROKER_SHARE, unit, other->welcome.agent), 0);
	EQUAL(raw_number(other, BROKER_STAT_UNIT, unit, 0), 0);
	EQUAL(((struct broker_unit_stat *)other->body)->sharers, 2);
	EQUAL(raw_number(raw, BROKER_SHARE, unit, other->welcome.agent + 1), -ENOENT);
	EQUAL(raw_number(raw, BROKER_SHARE, unit + 1000000, other->welcome.agent), -ENOENT);
	EQUAL(raw_number(other, BROKER_FREE, unit, 0), 0);
	EQUAL(raw_number(raw, BROKER_STATE, 0, AGENTMEM_SUSPENDED), 0);
	EQUAL(raw_stat(raw)->state, AGENTMEM_SUSPENDED);
	EQUAL(raw_number(raw, BROKER_STATE, 0, AGENTMEM_ACTIVE), 0);
	EQUAL(raw_number(raw, BROKER_IMPORTANCE, 0, 90), 0);
	raw_close(raw);
	raw_close(other);
}
