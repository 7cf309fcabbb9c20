// SPDX-License-Identifier: GPL-2.0
/* Registering, allocating, sharing: what each call gives where it is used right, and where wrong. */
#include "kit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void test_info(void)
{
	struct agentmem_abi_info info = SIZED(info);
	int device = kit_device();

	GIVES(0, ioctl(device, AGENTMEM_IOC_INFO, &info));
	CHECK(info.abi_version == AGENTMEM_ABI_VERSION && info.page_bytes == (unsigned)getpagesize());
	CHECK(info.unit_most_bytes == AGENTMEM_ABI_UNIT_MOST && info.extent_bytes >= 65536);
	CHECK((info.features & AGENTMEM_ABI_FEATURE_COMPRESS) && strcmp(info.driver, "none") != 0);
	printf("# compressor %s, driver %s\n", info.compressor, info.driver);
	/* What needs an agent says so. */
	CHECK(kit_alloc(device, AGENTMEM_ABI_OTHER, "x", 1) == 0 && errno == ENOENT);
	GIVES(ENOTTY, ioctl(device, AGENTMEM_ABI_IOC(0xff), &info));
	GIVES(ENOTTY, ioctl(device, AGENTMEM_ABI_IOC(0x7f), &info));
	GIVES(ENOTTY, ioctl(device, _IO(0xA7, 0), &info));
	GIVES(ENOTTY, ioctl(device, TCGETS, &info));
	close(device);
}

void test_growth(void)
{
	struct {
		struct agentmem_abi_info info;
		uint8_t more[5000];
	} big = { .info = { .size = sizeof(struct agentmem_abi_info) + 64 } };
	int device = kit_device();

	/* A caller from the future: what he leaves 0 is nothing to us. */
	GIVES(0, ioctl(device, AGENTMEM_IOC_INFO, &big));
	CHECK(big.info.abi_version == 1 && big.info.size == sizeof(big.info) + 64);
	memset(&big, 0, sizeof(big));
	big.info.size = sizeof(big.info) + 64;
	big.more[63] = 1;
	GIVES(E2BIG, ioctl(device, AGENTMEM_IOC_INFO, &big));
	CHECK(big.info.abi_version == 0);
	big.info.size = 4097;
	GIVES(E2BIG, ioctl(device, AGENTMEM_IOC_INFO, &big));
	big.info.size = UINT32_MAX;
	GIVES(E2BIG, ioctl(device, AGENTMEM_IOC_INFO, &big));
	big.info.size = sizeof(big.info) - 1;
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_INFO, &big));
	big.info.size = 0;
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_INFO, &big));
	big.info = SIZED(info, .flags = 1);
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_INFO, &big));
	GIVES(EFAULT, ioctl(device, AGENTMEM_IOC_INFO, NULL));
	GIVES(EFAULT, ioctl(device, AGENTMEM_IOC_INFO, (void *)-4096L));
	close(device);
}

static void try_token(void *token)
{
	struct agentmem_abi_register args = SIZED(register);
	int device = kit_device();

	memcpy(args.token, token, sizeof(args.token));
	GIVES(EACCES, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	close(device);
}

void test_register(void)
{
	struct agentmem_abi_register args = SIZED(register, .importance = 101);
	struct agentmem_abi_agent_stat stat = SIZED(agent_stat);
	int device = kit_device(), second = kit_device(), third = kit_device();
	uint64_t unit;
	char byte = 0;

	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	args = SIZED(register);
	memset(args.name, 'x', sizeof(args.name));
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	args = SIZED(register);
	args.domain[10] = 'x';
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	args = SIZED(register, .reserved = 1);
	GIVES(EINVAL, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	args = SIZED(register, .token = { 1 });
	GIVES(EACCES, ioctl(device, AGENTMEM_IOC_REGISTER, &args));

	args = SIZED(register, .name = "one", .importance = 70, .quota_bytes = 1 << 20);
	GIVES(0, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	CHECK(args.agent != 0 && args.importance == 70 && args.quota_bytes == 1 << 20);
	GIVES(EBUSY, ioctl(device, AGENTMEM_IOC_REGISTER, &args));
	unit = kit_alloc(device, AGENTMEM_ABI_OTHER, "hello", 5);
	CHECK(unit != 0);
	/* One more process of it has the same units, and keeps them when the first one leaves. */
	GIVES(0, ioctl(second, AGENTMEM_IOC_REGISTER, &args));
	CHECK(kit_read(second, unit, 4, &byte, 1) == 1 && byte == 'o');
	close(device);
	CHECK(kit_read(second, unit, 0, &byte, 1) == 1 && byte == 'h');
	GIVES(0, ioctl(second, AGENTMEM_IOC_STAT_AGENT, &stat));
	CHECK(stat.units == 1 && stat.bytes == 5 && stat.shared_bytes == 0 && stat.state == AGENTMEM_ABI_ACTIVE && stat.importance == 70);
	CHECK(memcmp(stat.token, args.token, sizeof(stat.token)) == 0);
	CHECK(kit_as(1000, try_token, args.token));
	GIVES(EINVAL, kit_state(second, 0));
	GIVES(EINVAL, kit_state(second, 5));
	GIVES(0, kit_state(second, AGENTMEM_ABI_IDLE));
	GIVES(0, ioctl(second, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = 100)));
	GIVES(EINVAL, ioctl(second, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = 101)));
	GIVES(0, kit_state(second, AGENTMEM_ABI_GONE));
	CHECK(kit_read(second, unit, 0, &byte, 1) < 0 && errno == ENOENT);
	close(second);
	GIVES(EACCES, ioctl(third, AGENTMEM_IOC_REGISTER, &args));
	close(third);
}

void test_alloc(void)
{
	/* SHA-256 of "abc", as its standard gives it. */
	static const uint8_t abc[32] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	int agent = kit_agent("");
	alloc_args args = SIZED(alloc, .kind = AGENTMEM_ABI_TOOL_RESULT, .data = (uintptr_t)"abc", .bytes = 3);
	size_t bytes = 1000003;
	char *data = malloc(bytes), *back = malloc(bytes);
	uint64_t unit, first;

	GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	CHECK(args.unit != 0 && args.fd == -1 && args.bytes == 3 && memcmp(args.digest, abc, 32) == 0);
	first = args.unit;
	/* Once more: the same unit, held twice. */
	memset(args.digest, 0, 32);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	CHECK(args.unit == first);
	args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .flags = AGENTMEM_ABI_BY_DIGEST);
	memcpy(args.digest, abc, 32);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	CHECK(args.unit == first && args.bytes == 3);
	for (int i = 0; i < 3; i++)
		GIVES(0, kit_free(agent, first));
	GIVES(ENOENT, kit_free(agent, first));
	args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .flags = AGENTMEM_ABI_BY_DIGEST);
	memcpy(args.digest, abc, 32);
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));

	kit_noise(1, data, bytes);
	for (uint32_t kind = 1; kind <= 5; kind++) {
		data[0] = (char)kind;
		unit = kit_alloc(agent, kind, data, bytes);
		CHECK(unit != 0);
		CHECK(kit_read(agent, unit, 0, back, bytes) == (ssize_t)bytes && memcmp(data, back, bytes) == 0);
		CHECK(kit_read(agent, unit, 4095, back, 3) == 3 && memcmp(data + 4095, back, 3) == 0);
		CHECK(kit_read(agent, unit, bytes - 1, back, 100) == 1);
		CHECK(kit_read(agent, unit, bytes, back, 100) == 0);
		CHECK(kit_read(agent, unit, UINT64_MAX, back, 100) == 0);
		CHECK(kit_read(agent, unit, 0, (void *)8, 100) < 0 && errno == EFAULT);
		CHECK(kit_stat(agent, unit).kind == kind && kit_stat(agent, unit).bytes == bytes);
		GIVES(0, kit_free(agent, unit));
	}
	CHECK(kit_alloc(agent, 0, "x", 1) == 0 && errno == EINVAL);
	CHECK(kit_alloc(agent, 6, "x", 1) == 0 && errno == EINVAL);
	CHECK(kit_alloc(agent, UINT32_MAX, "x", 1) == 0 && errno == EINVAL);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, "", 0) == 0 && errno == EINVAL);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, NULL, 5) == 0 && errno == EFAULT);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, data, AGENTMEM_ABI_UNIT_MOST + 1) == 0 && errno == E2BIG);
	CHECK(kit_alloc(agent, AGENTMEM_ABI_OTHER, data, SIZE_MAX) == 0 && errno == E2BIG);
	args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)data, .bytes = 1, .digest = { 1 });
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)data, .bytes = 1, .flags = 4);
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	args = SIZED(alloc, .kind = AGENTMEM_ABI_CONVERSATION, .flags = AGENTMEM_ABI_BY_DIGEST);
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	close(agent);
	free(data);
	free(back);
}

struct foreign {
	const char *domain;
	const void *data;
	size_t bytes;
	uint8_t digest[32];
	uint64_t agent, unit;
};

static void look_foreign(void *context)
{
	const struct foreign *foreign = context;
	alloc_args args = SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .flags = AGENTMEM_ABI_BY_DIGEST);
	int agent = kit_agent(foreign->domain);
	struct agentmem_abi_unit_stat stat;
	uint64_t unit;
	char byte;

	memcpy(args.digest, foreign->digest, 32);
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	CHECK(kit_read(agent, foreign->unit, 0, &byte, 1) < 0 && errno == ENOENT);
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_LIST_UNITS, &SIZED(list, .agent = foreign->agent, .line_bytes = sizeof(struct agentmem_abi_unit_line))));
	/* Handed in whole it is a new one: nothing tells of the other. */
	unit = kit_alloc(agent, AGENTMEM_ABI_OTHER, foreign->data, foreign->bytes);
	stat = kit_stat(agent, unit);
	CHECK(stat.sharers == 1 && stat.stored_bytes >= foreign->bytes);
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = foreign->agent, .fd = -1)));
	close(agent);
}

void test_domains(void)
{
	size_t bytes = 300000;
	char *data = malloc(bytes);
	struct foreign foreign = { .data = data, .bytes = bytes };
	int agent = kit_agent("");
	alloc_args args = SIZED(alloc, .kind = AGENTMEM_ABI_SYSTEM_PROMPT, .data = (uintptr_t)data, .bytes = bytes);

	kit_noise(2, data, bytes);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_ALLOC, &args));
	memcpy(foreign.digest, args.digest, 32);
	foreign.unit = args.unit;
	foreign.agent = kit_number(agent);
	foreign.domain = "other";
	CHECK(kit_as(0, look_foreign, &foreign));
	foreign.domain = "";
	CHECK(kit_as(1000, look_foreign, &foreign));
	CHECK(kit_stat(agent, args.unit).sharers == 1);
	close(agent);
	free(data);
}

void test_share(void)
{
	size_t bytes = 300000;
	char *data = malloc(bytes), back[16];
	int agent = kit_agent(""), other = kit_agent(""), foreign = kit_agent("foreign");
	uint64_t unit, same;
	struct agentmem_abi_share take = SIZED(share);
	int fd;

	kit_noise(3, data, bytes);
	unit = kit_alloc(agent, AGENTMEM_ABI_SYSTEM_PROMPT, data, bytes);
	same = kit_alloc(other, AGENTMEM_ABI_SYSTEM_PROMPT, data, bytes);
	CHECK(unit == same && kit_stat(agent, unit).sharers == 2);
	CHECK(kit_all(agent).contents == 1 && kit_all(agent).bytes == 2 * bytes && kit_all(agent).content_bytes == bytes);
	GIVES(0, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(other), .fd = -1)));
	GIVES(0, kit_free(other, unit));
	CHECK(kit_read(other, unit, 10, back, 16) == 16 && memcmp(back, data + 10, 16) == 0);
	GIVES(0, kit_free(other, unit));
	GIVES(ENOENT, kit_free(other, unit));
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(foreign), .fd = -1)));
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit + 1, .agent = kit_number(other), .fd = -1)));
	GIVES(ENOENT, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = UINT64_MAX, .fd = -1)));
	GIVES(EINVAL, ioctl(agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = kit_number(other))));
	/* By a descriptor that is passed on. */
	fd = kit_open(agent, unit);
	CHECK(fd >= 0);
	GIVES(0, kit_free(agent, unit));
	take.fd = fd;
	GIVES(0, ioctl(other, AGENTMEM_IOC_SHARE, &take));
	CHECK(kit_read(other, take.unit, 10, back, 16) == 16 && memcmp(back, data + 10, 16) == 0);
	take.unit = 0;
	GIVES(EPERM, ioctl(foreign, AGENTMEM_IOC_SHARE, &take));
	take.fd = 0;
	GIVES(EBADF, ioctl(other, AGENTMEM_IOC_SHARE, &take));
	take.fd = 9999;
	GIVES(EBADF, ioctl(other, AGENTMEM_IOC_SHARE, &take));
	close(fd);
	close(agent);
	close(other);
	close(foreign);
	free(data);
}
