/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of /dev/agentmem have in common. They run as root in a machine of their own. */
#ifndef KIT_H
#define KIT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "uapi/agentmem.h"

typedef struct agentmem_abi_alloc alloc_args;

extern int kit_failed;

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			kit_failed++; \
			printf("# %s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			fflush(stdout); \
		} \
	} while (0)

/* A call that must give this errno, 0 for success. */
#define GIVES(expected, call) \
	do { \
		int kit_want = (expected), kit_got = (call) < 0 ? errno : 0; \
		if (kit_got != kit_want) { \
			kit_failed++; \
			printf("# %s:%d: %s gives %d, not %d\n", __FILE__, __LINE__, #call, kit_got, kit_want); \
			fflush(stdout); \
		} \
	} while (0)

#define SIZED(type, ...) ((struct agentmem_abi_##type){ .size = sizeof(struct agentmem_abi_##type), __VA_ARGS__ })

int kit_device(void);
/* A descriptor that is an agent of this domain. */
int kit_agent(const char *domain);
uint64_t kit_number(int agent);
uint64_t kit_alloc(int agent, uint32_t kind, const void *data, size_t bytes);
int kit_open(int agent, uint64_t unit);
ssize_t kit_read(int agent, uint64_t unit, uint64_t offset, void *to, size_t bytes);
int kit_append(int agent, uint64_t unit, const void *data, size_t bytes);
int kit_free(int agent, uint64_t unit);
int kit_state(int agent, uint32_t state);
struct agentmem_abi_unit_stat kit_stat(int agent, uint64_t unit);
struct agentmem_abi_all_stat kit_all(int device);
/* Whether nothing of anybody's is left, within half a minute: an agent is uncounted before its units are. */
bool kit_nothing_left(int device, struct agentmem_abi_all_stat *left);
uint32_t kit_random(uint64_t *seed);
/* Text that packs well, or bytes that do not. */
void kit_text(uint64_t seed, char *to, size_t bytes);
void kit_noise(uint64_t seed, void *to, size_t bytes);
void kit_put(const char *path, const char *text);
/* What /proc/agent_stats says, and its length; and in such a text the number behind a name, which must be there. */
size_t kit_stats(char *to, size_t most);
uint64_t kit_figure(const char *text, const char *name);
/* Runs in a child as this user; true where nothing failed there. */
bool kit_as(unsigned uid, void (*run)(void *context), void *context);
/* A block device of what the file holds, which goes with the last descriptor of it; `flags` to open it with. */
int kit_loop(int file, int flags);

void test_growth(void);
void test_info(void);
void test_register(void);
void test_alloc(void);
void test_domains(void);
void test_share(void);
void test_map(void);
void test_compress(void);
void test_idle(void);
void test_talk(void);
void test_fork(void);
void test_edit(void);
void test_runs(void);
void test_limits(void);
void test_stats(void);
void test_list(void);
void test_hostile(void);
void test_random(void);
void test_death(void);
void test_shrink(void);
void test_cgroup(void);
void test_frozen(void);
void test_far(void);
void test_sums(void);
void test_backing(void);
void test_cold(void);
void test_cold_pressure(void);
void test_cold_full(void);
void test_cold_spoilt(void);
void test_cold_refused(void);
void test_cold_device(void);
void test_cold_device_spoilt(void);
void test_cold_left(void);
void test_race(void);
void test_unload(void);

#endif
