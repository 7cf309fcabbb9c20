// SPDX-License-Identifier: GPL-2.0
/* The requests of the ABI by chance: as a program would ask, and then a little wrong. */
#include "fuzz.h"

#include <string.h>

/* Sizes as this header has them, by number. */
static const uint16_t sizes[] = {
	sizeof(struct agentmem_abi_info), sizeof(struct agentmem_abi_register), sizeof(struct agentmem_abi_value), sizeof(struct agentmem_abi_value),
	sizeof(struct agentmem_abi_alloc), sizeof(struct agentmem_abi_edit), sizeof(struct agentmem_abi_fork), sizeof(struct agentmem_abi_edit),
	sizeof(struct agentmem_abi_share), sizeof(struct agentmem_abi_unit), sizeof(struct agentmem_abi_open), sizeof(struct agentmem_abi_read),
	sizeof(struct agentmem_abi_unit), sizeof(struct agentmem_abi_unit_stat), sizeof(struct agentmem_abi_agent_stat), sizeof(struct agentmem_abi_all_stat),
	sizeof(struct agentmem_abi_list), sizeof(struct agentmem_abi_list), sizeof(struct agentmem_abi_value), sizeof(struct agentmem_abi_settings),
	sizeof(struct agentmem_abi_backing),
};
const unsigned fuzz_known = sizeof(sizes) / sizeof(sizes[0]);

union any {
	struct agentmem_abi_info info;
	struct agentmem_abi_register reg;
	struct agentmem_abi_value value;
	struct agentmem_abi_alloc alloc;
	struct agentmem_abi_edit edit;
	struct agentmem_abi_fork fork;
	struct agentmem_abi_share share;
	struct agentmem_abi_unit unit;
	struct agentmem_abi_open open;
	struct agentmem_abi_read read;
	struct agentmem_abi_unit_stat stat;
	struct agentmem_abi_agent_stat agent;
	struct agentmem_abi_list list;
	struct agentmem_abi_settings settings;
	struct agentmem_abi_backing backing;
	uint32_t words[64];
	uint8_t bytes[256];
};

/* As a program would ask. */
static void plausible(struct fuzzer *f, unsigned number, union any *args)
{
	uint64_t bytes = any_bytes(f);

	memset(args, 0, sizeof(*args));
	switch (AGENTMEM_ABI_IOC(number)) {
	case AGENTMEM_IOC_REGISTER:
		if (draw(f, 3) == 0)
			memcpy(args->reg.token, f->token, sizeof(f->token));
		args->reg.name[0] = (char)draw(f, 256);
		args->reg.domain[0] = draw(f, 4) ? 0 : 'd';
		args->reg.importance = draw(f, 102);
		args->reg.quota_bytes = any_number(f) << draw(f, 20);
		break;
	case AGENTMEM_IOC_STATE:
	case AGENTMEM_IOC_IMPORTANCE:
	case AGENTMEM_IOC_PRESSURE:
		/* The end of an agent is seldom: nothing works behind it. */
		args->value.value = draw(f, 200) ? draw(f, 4) : draw(f, 120);
		break;
	case AGENTMEM_IOC_ALLOC:
		args->alloc = (struct agentmem_abi_alloc){ .flags = draw(f, 3) ? 0 : draw(f, 4), .kind = draw(f, 20) ? (draw(f, 2) ? AGENTMEM_ABI_CONVERSATION : 1 + draw(f, 5)) : draw(f, 9), .data = any_address(f, bytes), .bytes = bytes };
		if (args->alloc.flags & AGENTMEM_ABI_BY_DIGEST)
			args->alloc.data = args->alloc.bytes = 0;
		break;
	case AGENTMEM_IOC_EDIT:
		args->edit.offset = draw(f, 2) ? any_bytes(f) : 0;
		args->edit.old_bytes = draw(f, 2) ? any_bytes(f) : 0;
		__attribute__((fallthrough));
	case AGENTMEM_IOC_APPEND:
		args->edit.unit = any_unit(f);
		args->edit.data = any_address(f, bytes);
		args->edit.bytes = bytes;
		break;
	case AGENTMEM_IOC_FORK:
		args->fork = (struct agentmem_abi_fork){ .flags = draw(f, 2) ? AGENTMEM_ABI_WANT_FD : 0, .unit = any_unit(f), .prefix_bytes = any_bytes(f) };
		break;
	case AGENTMEM_IOC_SHARE:
		args->share.fd = draw(f, 2) ? any_fd(f) : -1;
		args->share.agent = args->share.fd == -1 ? 1 + draw(f, 40) : 0;
		args->share.unit = args->share.agent ? any_unit(f) : 0;
		break;
	case AGENTMEM_IOC_READ:
		args->read = (struct agentmem_abi_read){ .unit = any_unit(f), .offset = draw(f, 2) ? any_bytes(f) : 0, .data = any_address(f, bytes), .bytes = bytes };
		break;
	case AGENTMEM_IOC_MARK_HOT:
	case AGENTMEM_IOC_FREE:
	case AGENTMEM_IOC_OPEN:
	case AGENTMEM_IOC_STAT_UNIT:
		args->unit.unit = any_unit(f);
		break;
	case AGENTMEM_IOC_LIST_AGENTS:
	case AGENTMEM_IOC_LIST_UNITS:
		args->list = (struct agentmem_abi_list){ .after = draw(f, 2) ? any_number(f) : 0, .lines = any_address(f, 4000), .most = (uint32_t)any_number(f), .line_bytes = draw(f, 8) ? 64 + draw(f, 40) * 8 : draw(f, 5000) };
		args->list.agent = number == _IOC_NR(AGENTMEM_IOC_LIST_UNITS) ? draw(f, 40) : 0;
		break;
	case AGENTMEM_IOC_SETTINGS:
		args->settings = (struct agentmem_abi_settings){ .warm_after_ms = draw(f, 1000), .cold_after_ms = draw(f, 2000), .hot_most_bytes = draw(f, 1 << 24), .user_most_bytes = draw(f, 2) ? 0 : 1 + draw(f, 96 << 20) };
		break;
	case AGENTMEM_IOC_BACKING:
		args->backing.flags = draw(f, 3);
		/* As a rule the file that is for it. */
		args->backing.fd = args->backing.flags != AGENTMEM_ABI_BACKING_GIVE ? 0 : draw(f, 4) ? f->file : any_fd(f);
		args->backing.most_bytes = args->backing.flags == AGENTMEM_ABI_BACKING_GIVE ? 1 + draw(f, 16 << 20) : 0;
		break;
	default:
		break;
	}
	args->info.size = number < fuzz_known ? sizes[number] : 64;
}

void call_device(struct fuzzer *f)
{
	unsigned number = draw(f, NUMBERS);
	uint32_t request = AGENTMEM_ABI_IOC(number);
	uint64_t place;
	union any args;

	plausible(f, number, &args);
	if (draw(f, 4) == 0) {
		for (uint32_t i = draw(f, 3); i < 3; i++)
			args.words[draw(f, 1 + args.info.size % 256 / 4)] = draw(f, 2) ? kit_random(&f->seed) : (uint32_t)any_number(f);
	}
	if (draw(f, 16) == 0)
		args.info.size = draw(f, 2) ? draw(f, 300) : (uint32_t)any_number(f);
	if (draw(f, 64) == 0)
		request ^= 1u << draw(f, 32);
	/* Where it stands: what is behind it may be no memory. */
	place = draw(f, 8) ? (uintptr_t)f->data + DATA_BYTES - (args.info.size < 256 ? args.info.size : 256) : any_address(f, 256);
	if (place >= (uintptr_t)f->data && place < (uintptr_t)f->data + DATA_BYTES) {
		size_t room = (uintptr_t)f->data + DATA_BYTES - place;

		memcpy((void *)place, &args, room < sizeof(args) ? room : sizeof(args));
	}
	__atomic_fetch_add(&fuzz_counts->made[number], 1, __ATOMIC_RELAXED);
	if (ioctl(any_fd(f), request, place) != 0)
		return;
	__atomic_fetch_add(&fuzz_counts->taken[number], 1, __ATOMIC_RELAXED);
	if (request != AGENTMEM_ABI_IOC(number) || place < (uintptr_t)f->data || place >= (uintptr_t)f->data + DATA_BYTES)
		return;
	memcpy(&args, (void *)place, (uintptr_t)f->data + DATA_BYTES - place < sizeof(args) ? (uintptr_t)f->data + DATA_BYTES - place : sizeof(args));
	if (request == AGENTMEM_IOC_ALLOC) {
		keep_fd(f, args.alloc.fd);
		f->units[draw(f, UNITS)] = args.alloc.unit;
	} else if (request == AGENTMEM_IOC_FORK) {
		keep_fd(f, args.fork.fd);
		f->units[draw(f, UNITS)] = args.fork.fork;
	} else if (request == AGENTMEM_IOC_SHARE) {
		f->units[draw(f, UNITS)] = args.share.unit;
	} else if (request == AGENTMEM_IOC_OPEN)
		keep_fd(f, args.open.fd);
	else if (request == AGENTMEM_IOC_STAT_AGENT)
		memcpy(f->token, args.agent.token, sizeof(f->token));
}
