// SPDX-License-Identifier: GPL-2.0
/* What calls by chance are made with: descriptors, addresses, numbers, sizes, units. */
#include "fuzz.h"

#include <unistd.h>

uint32_t draw(struct fuzzer *f, uint32_t below)
{
	return kit_random(&f->seed) % below;
}

int any_fd(struct fuzzer *f)
{
	return draw(f, 30) ? f->fds[draw(f, draw(f, 3) ? 4 : FDS)] : (int)draw(f, 1000) - 500;
}

void keep_fd(struct fuzzer *f, int fd)
{
	int *slot = &f->fds[draw(f, FDS)];

	if (fd < 0)
		return;
	/* The first few stay what they are: agents. */
	if (slot < f->fds + 4)
		slot += 4;
	close(*slot);
	*slot = fd;
}

/* An address: mostly good, or good for a part of what it is asked for. */
uint64_t any_address(struct fuzzer *f, uint64_t bytes)
{
	int map = (int)draw(f, MAPS);

	switch (draw(f, 12)) {
	case 0:
		return (uintptr_t)f->data + DATA_BYTES - (bytes < DATA_BYTES ? bytes : DATA_BYTES);
	case 1:
		return (uintptr_t)f->data + DATA_BYTES - draw(f, 300);
	case 2:
		return (uintptr_t)f->shut;
	case 3:
		return f->maps[map].at ? (uintptr_t)f->maps[map].at : 0;
	case 4: {
		static const uint64_t wild[] = { 0, 1, 4096, 0x7fffffffe000, 0x7ffffffff000, 0x800000000000, 0xffff888000000000, 0xffffffff81000000, UINT64_MAX, UINT64_MAX - 4095, INT64_MAX };

		return wild[draw(f, sizeof(wild) / sizeof(wild[0]))];
	}
	default:
		return (uintptr_t)f->data + draw(f, 4096);
	}
}

uint64_t any_number(struct fuzzer *f)
{
	static const uint64_t edges[] = { 0, 1, 2, 4095, 4096, 4097, 131071, 131072, 131073, 1u << 20, INT32_MAX, UINT32_MAX, 1ull << 32, 4ull << 30, (4ull << 30) + 1, INT64_MAX, 1ull << 63, UINT64_MAX - 4095, UINT64_MAX };

	return draw(f, 3) ? draw(f, 40) : edges[draw(f, sizeof(edges) / sizeof(edges[0]))];
}

/* How many bytes: seldom more than there are. */
uint64_t any_bytes(struct fuzzer *f)
{
	return draw(f, 8) ? (draw(f, 6) ? draw(f, 20000) : draw(f, DATA_BYTES)) : any_number(f);
}

uint64_t any_unit(struct fuzzer *f)
{
	return draw(f, 12) ? f->units[draw(f, UNITS)] : any_number(f);
}
