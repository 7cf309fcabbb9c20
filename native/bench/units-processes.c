/* SPDX-License-Identifier: Apache-2.0 */
/* What another process waits for: mapping a unit, and starting with units that are shared with it. */
#include "units.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static const char self[] = "/proc/self/exe";

static void token_text(const uint8_t token[AGENTMEM_TOKEN_BYTES], char text[2 * AGENTMEM_TOKEN_BYTES + 1])
{
	for (size_t i = 0; i < AGENTMEM_TOKEN_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", token[i]);
}

/* A new process that runs this program again; what it printed as a number. */
static double run_self(const char *const *words)
{
	int pipes[2];
	char line[64];
	ssize_t length;
	int status;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		bench_fail("cannot start a process");
	if (pid == 0) {
		const char *arguments[8] = { self };

		for (size_t i = 0; words[i] != NULL && i < 6; i++)
			arguments[i + 1] = words[i];
		dup2(pipes[1], STDOUT_FILENO);
		execv(self, (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	close(pipes[1]);
	length = read(pipes[0], line, sizeof(line) - 1);
	close(pipes[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0 || length <= 0)
		bench_fail("a started process failed");
	line[length] = '\0';
	return strtod(line, NULL);
}

/* child-map TOKEN UNIT: to the first byte, the connection included. */
void units_child_map(const char *token_hex, const char *unit_text)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER };
	uint8_t token[AGENTMEM_TOKEN_BYTES];
	const void *data;
	size_t bytes;
	agentmem_t *am;
	double at;

	for (size_t i = 0; i < sizeof(token); i++) {
		const char two[3] = { token_hex[2 * i], token_hex[2 * i + 1], '\0' };

		token[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	options.token = token;
	at = bench_now_us();
	bench_must(agentmem_open(&am, &options), "open");
	bench_must(agentmem_map(am, strtoull(unit_text, NULL, 10), &data, &bytes), "map");
	units_sink = ((const unsigned char *)data)[bytes / 2];
	printf("%.3f\n", bench_now_us() - at);
	agentmem_close(am);
}

void units_child_read(const char *path, const char *bytes_text)
{
	size_t bytes = strtoull(bytes_text, NULL, 10);
	double at = bench_now_us();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = malloc(bytes);

	if (fd < 0 || room == NULL || read(fd, room, bytes) != (ssize_t)bytes)
		bench_fail("cannot read the file");
	units_sink = (unsigned char)room[bytes / 2];
	printf("%.3f\n", bench_now_us() - at);
}

void units_map(void)
{
	static double map_us[ROUNDS], read_us[ROUNDS];
	char *text = units_prompt(3, PROMPT_BYTES);
	char path[] = "/tmp/agentmem-bench-XXXXXX";
	char token[2 * AGENTMEM_TOKEN_BYTES + 1];
	char unit_text[24], bytes_text[24];
	agentmem_t *am = units_agent("map");
	agentmem_unit_t unit;
	struct agentmem_stat stat;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, PROMPT_BYTES) != (ssize_t)PROMPT_BYTES)
		bench_fail("cannot write a file in /tmp");
	close(fd);
	bench_must(agentmem_alloc(am, AGENTMEM_SYSTEM_PROMPT, text, PROMPT_BYTES, &unit), "alloc");
	stat = units_stat(am);
	token_text(stat.token, token);
	snprintf(unit_text, sizeof(unit_text), "%llu", (unsigned long long)unit);
	snprintf(bytes_text, sizeof(bytes_text), "%zu", PROMPT_BYTES);
	for (size_t round = 0; round < ROUNDS; round++) {
		map_us[round] = run_self((const char *const[]){ "child-map", token, unit_text, NULL });
		read_us[round] = run_self((const char *const[]){ "child-read", path, bytes_text, NULL });
	}
	unlink(path);
	bench_print("map-first-byte", bench_median(map_us, ROUNDS) / 1e3, "ms");
	bench_print("read-file", bench_median(read_us, ROUNDS) / 1e3, "ms");
	agentmem_close(am);
}

/* child-spawn: a new agent; the parent shares two units with the number it prints. */
void units_child_spawn(const char *prompt, const char *tools)
{
	const agentmem_unit_t units[2] = { strtoull(prompt, NULL, 10), strtoull(tools, NULL, 10) };
	double at = bench_now_us();
	agentmem_t *am = units_agent("spawned");
	double open_us = bench_now_us() - at;
	double map_us;
	char go;

	printf("%llu\n", (unsigned long long)units_stat(am).agent);
	fflush(stdout);
	if (read(STDIN_FILENO, &go, 1) != 1)
		bench_fail("nobody shares");
	at = bench_now_us();
	for (size_t i = 0; i < 2; i++) {
		const void *data;
		size_t bytes;

		bench_must(agentmem_map(am, units[i], &data, &bytes), "map of a shared unit");
		units_sink = ((const unsigned char *)data)[bytes - 1];
	}
	map_us = bench_now_us() - at;
	printf("%.3f %.3f\n", open_us, map_us);
	agentmem_close(am);
}

static void spawn_one(agentmem_t *am, const agentmem_unit_t units[2], double *open_us, double *map_us)
{
	int to[2], from[2];
	char words[2][24];
	char line[64];
	FILE *said;
	pid_t pid;
	int status;

	for (size_t i = 0; i < 2; i++)
		snprintf(words[i], sizeof(words[i]), "%llu", (unsigned long long)units[i]);
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		bench_fail("cannot start a process");
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		execl(self, self, "child-spawn", words[0], words[1], (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	said = fdopen(from[0], "r");
	if (said == NULL || fgets(line, sizeof(line), said) == NULL)
		bench_fail("a spawned agent failed");
	for (size_t i = 0; i < 2; i++)
		bench_must(agentmem_share(am, units[i], strtoull(line, NULL, 10)), "share");
	if (write(to[1], "g", 1) != 1 || fgets(line, sizeof(line), said) == NULL || sscanf(line, "%lf %lf", open_us, map_us) != 2)
		bench_fail("a spawned agent failed");
	fclose(said);
	close(to[1]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail("a spawned agent failed");
}

void units_spawn(void)
{
	static double set_up_us[ROUNDS], open_us[ROUNDS], map_us[ROUNDS], copy_us[ROUNDS];
	char *prompt = units_prompt(4, PROMPT_BYTES);
	char *tools = units_prompt(5, TOOLS_BYTES);
	agentmem_t *am = units_agent("parent");
	agentmem_unit_t units[2];

	bench_must(agentmem_alloc(am, AGENTMEM_SYSTEM_PROMPT, prompt, PROMPT_BYTES, &units[0]), "alloc");
	bench_must(agentmem_alloc(am, AGENTMEM_TOOL_DEFINITION, tools, TOOLS_BYTES, &units[1]), "alloc");
	for (size_t round = 0; round < ROUNDS; round++) {
		double at;
		char *copy;

		spawn_one(am, units, &open_us[round], &map_us[round]);
		set_up_us[round] = open_us[round] + map_us[round];
		at = bench_now_us();
		copy = malloc(PROMPT_BYTES + TOOLS_BYTES);
		if (copy == NULL)
			bench_fail("out of memory");
		memcpy(copy, prompt, PROMPT_BYTES);
		memcpy(copy + PROMPT_BYTES, tools, TOOLS_BYTES);
		units_sink = (unsigned char)copy[4096];
		copy_us[round] = bench_now_us() - at;
		free(copy);
	}
	bench_print("spawn-set-up", bench_median(set_up_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-open", bench_median(open_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-map", bench_median(map_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-copies", bench_median(copy_us, ROUNDS) / 1e3, "ms");
	agentmem_close(am);
}
