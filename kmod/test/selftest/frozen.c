// SPDX-License-Identifier: GPL-2.0
/* Agents that are stopped by cgroup.freeze, and can say nothing about it. */
#include "kit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES (1024 * 1024u)
/* The thread looks every ten seconds, and an emulated machine is slow. */
#define LOOKS 600

static char data[BYTES], back[BYTES];

/* Holds one unit alone and one that another agent holds too; says its number, and reads both again when it is told to; then it says that it is active. */
static int be_agent(int say, int hear)
{
	uint64_t number, own, common;
	char word;
	int agent;

	kit_put("/cgroup/frozen/cgroup.procs", "0");
	agent = kit_agent("");
	kit_text(91, data, BYTES);
	own = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, BYTES);
	kit_text(92, data, BYTES);
	common = kit_alloc(agent, AGENTMEM_ABI_OTHER, data, BYTES);
	number = kit_number(agent);
	CHECK(write(say, &number, sizeof(number)) == sizeof(number));
	CHECK(read(hear, &word, 1) == 1);
	CHECK(kit_read(agent, common, 0, back, BYTES) == BYTES && memcmp(back, data, BYTES) == 0);
	kit_text(91, data, BYTES);
	CHECK(kit_read(agent, own, 0, back, BYTES) == BYTES && memcmp(back, data, BYTES) == 0);
	CHECK(write(say, &number, sizeof(number)) == sizeof(number));
	CHECK(read(hear, &word, 1) == 1);
	GIVES(0, kit_state(agent, AGENTMEM_ABI_ACTIVE));
	CHECK(write(say, &number, sizeof(number)) == sizeof(number));
	CHECK(read(hear, &word, 1) == 1);
	return kit_failed != 0;
}

static struct agentmem_abi_agent_line line_of(int device, uint64_t number)
{
	struct agentmem_abi_agent_line line = { .agent = 0 };
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)&line, .most = 1, .line_bytes = sizeof(line), .after = number - 1);

	GIVES(0, ioctl(device, AGENTMEM_IOC_LIST_AGENTS, &args));
	CHECK(args.count == 1 && line.agent == number);
	return line;
}

/* As root: the thread that looks every ten seconds does so now. */
static void look_now(int device)
{
	GIVES(0, ioctl(device, AGENTMEM_IOC_PRESSURE, &SIZED(value, .value = AGENTMEM_ABI_PRESSURE_NONE)));
}

/* The last one that was seen, whether or not it came to be so. */
static struct agentmem_abi_agent_line wait_for(int device, uint64_t number, uint32_t state, uint64_t hot_bytes)
{
	struct agentmem_abi_agent_line line = line_of(device, number);

	for (int i = 0; i < LOOKS && (line.state != state || line.hot_bytes != hot_bytes); i++) {
		usleep(50000);
		line = line_of(device, number);
	}
	if (line.state != state || line.hot_bytes != hot_bytes)
		printf("# state %u, %llu bytes hot, %llu warm\n", line.state, (unsigned long long)line.hot_bytes, (unsigned long long)line.warm_bytes);
	return line;
}

static void set_freeze(const char *text)
{
	kit_put("/cgroup/frozen/cgroup.freeze", text);
}

/* Stopped by a signal is not frozen: whoever looks with a debugger does not send what it holds away. */
static void stops(int device, uint64_t number, pid_t child)
{
	int status;

	CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	for (int i = 0; i < 20; i++) {
		look_now(device);
		usleep(20000);
	}
	CHECK(line_of(device, number).state == AGENTMEM_ABI_ACTIVE && line_of(device, number).hot_bytes == 2 * BYTES);
	CHECK(kill(child, SIGCONT) == 0);
}

static void tell(int to, int from)
{
	uint64_t number;

	CHECK(write(to, "", 1) == 1);
	CHECK(read(from, &number, sizeof(number)) == sizeof(number));
}

void test_frozen(void)
{
	struct agentmem_abi_agent_line line;
	int said[2], told[2], status = 1;
	int awake = kit_agent("");
	uint64_t number = 0;
	pid_t child;

	kit_text(92, data, BYTES);
	CHECK(kit_alloc(awake, AGENTMEM_ABI_OTHER, data, BYTES) != 0);
	CHECK(mkdir("/cgroup/frozen", 0755) == 0 && pipe(said) == 0 && pipe(told) == 0);
	child = fork();
	if (child == 0)
		_exit(be_agent(said[1], told[0]));
	/* Should it end early, reading ends too. */
	close(said[1]);
	close(told[0]);
	CHECK(read(said[0], &number, sizeof(number)) == sizeof(number));
	line = line_of(awake, number);
	CHECK(line.state == AGENTMEM_ABI_ACTIVE && line.hot_bytes == 2 * BYTES);
	stops(awake, number, child);

	/* By itself, and what somebody awake holds too stays. */
	set_freeze("1");
	line = wait_for(awake, number, AGENTMEM_ABI_SUSPENDED, BYTES);
	CHECK(line.state == AGENTMEM_ABI_SUSPENDED && line.hot_bytes == BYTES && line.warm_bytes == BYTES);
	CHECK(line_of(awake, kit_number(awake)).state == AGENTMEM_ABI_ACTIVE);

	/* Touched it comes back, and stays. */
	set_freeze("0");
	look_now(awake);
	line = wait_for(awake, number, AGENTMEM_ABI_ACTIVE, BYTES);
	CHECK(line.state == AGENTMEM_ABI_ACTIVE && line.warm_bytes == BYTES);
	tell(told[1], said[0]);
	CHECK(line_of(awake, number).hot_bytes == 2 * BYTES);

	/* Or all of it, once it says that it is active. */
	set_freeze("1");
	look_now(awake);
	CHECK(wait_for(awake, number, AGENTMEM_ABI_SUSPENDED, BYTES).hot_bytes == BYTES);
	set_freeze("0");
	look_now(awake);
	CHECK(wait_for(awake, number, AGENTMEM_ABI_ACTIVE, BYTES).state == AGENTMEM_ABI_ACTIVE);
	tell(told[1], said[0]);
	CHECK(line_of(awake, number).hot_bytes == 2 * BYTES);

	CHECK(write(told[1], "", 1) == 1);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	for (int i = 0; i < 100 && rmdir("/cgroup/frozen") < 0; i++)
		usleep(20000);
	close(said[0]);
	close(told[1]);
	close(awake);
}
