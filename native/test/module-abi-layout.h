/* SPDX-License-Identifier: Apache-2.0 */
/* The module's ABI as it was first given out; for programs of 32 bits it is the same. Includes nothing else, so that it compiles where no C library is. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "uapi/agentmem.h"
#pragma GCC diagnostic pop

/* Of version 1. A struct may grow; then its old size stays here, and the new one comes beside it. */
#define SIZE(name, bytes) _Static_assert(sizeof(struct agentmem_abi_##name) == (bytes), #name)
#define AT(name, field, offset) _Static_assert(__builtin_offsetof(struct agentmem_abi_##name, field) == (offset), #name "." #field)

SIZE(info, 144);
AT(info, features, 16);
AT(info, extent_bytes, 44);
AT(info, driver, 80);
SIZE(register, 176);
AT(register, token, 8);
AT(register, importance, 152);
AT(register, agent, 168);
SIZE(value, 16);
AT(value, value, 8);
SIZE(alloc, 72);
AT(alloc, fd, 12);
AT(alloc, data, 16);
AT(alloc, digest, 32);
AT(alloc, unit, 64);
SIZE(edit, 56);
AT(edit, total_bytes, 48);
SIZE(fork, 40);
AT(fork, fd, 32);
SIZE(share, 32);
AT(share, fd, 24);
SIZE(unit, 16);
SIZE(open, 32);
AT(open, fd, 24);
AT(open, kind, 28);
SIZE(read, 48);
AT(read, total_bytes, 40);
SIZE(unit_stat, 120);
AT(unit_stat, digest, 64);
AT(unit_stat, importance, 112);
SIZE(agent_stat, 72);
AT(agent_stat, quota_bytes, 64);
SIZE(all_stat, 80);
AT(all_stat, own_bytes, 72);
SIZE(list, 48);
AT(list, agent, 40);
/* 184 at first: all of them are given to who asks for that many. */
SIZE(agent_line, 208);
AT(agent_line, name, 56);
AT(agent_line, hot_bytes, 184);
SIZE(unit_line, 64);
AT(unit_line, digest, 56);
/* 56 at first. */
SIZE(settings, 64);
AT(settings, user_most_bytes, 48);
AT(settings, cold_most_bytes, 56);
SIZE(backing, 72);
AT(backing, most_bytes, 16);
AT(backing, lost_bytes, 56);

#define NUMBER(name, number) _Static_assert(AGENTMEM_IOC_##name == (0xC000A700u | (unsigned)(number)), #name)

NUMBER(INFO, 0x00);
NUMBER(REGISTER, 0x01);
NUMBER(STATE, 0x02);
NUMBER(IMPORTANCE, 0x03);
NUMBER(ALLOC, 0x04);
NUMBER(APPEND, 0x05);
NUMBER(FORK, 0x06);
NUMBER(EDIT, 0x07);
NUMBER(SHARE, 0x08);
NUMBER(MARK_HOT, 0x09);
NUMBER(OPEN, 0x0a);
NUMBER(READ, 0x0b);
NUMBER(FREE, 0x0c);
NUMBER(STAT_UNIT, 0x0d);
NUMBER(STAT_AGENT, 0x0e);
NUMBER(STAT_ALL, 0x0f);
NUMBER(LIST_AGENTS, 0x10);
NUMBER(LIST_UNITS, 0x11);
NUMBER(PRESSURE, 0x12);
NUMBER(SETTINGS, 0x13);
NUMBER(BACKING, 0x14);
