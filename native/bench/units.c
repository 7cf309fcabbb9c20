/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sharing units costs beside doing without, through the library:
 *
 *	units lookup FOLDER | handin FOLDER | map FOLDER | spawn FOLDER |
 *	      memory FOLDER BROKER_PID | held FOLDER
 *
 * FOLDER holds text files for the corpus. Peers are timed in turns with ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentmem.h"
#include "bench.h"
#include "common/digest.h"
#include "corpus.h"

#define MIB ((size_t)1 << 20)
#define PROMPT_BYTES (50 * MIB)
#define TOOLS_BYTES (100 * MIB)
#define ROUNDS 15

static struct corpus *corpus;
static const char *self;
/* Keeps the compiler from leaving a read out. */
static volatile unsigned char sink;

static agentmem_t *agent_open(const char *name)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = name };
	agentmem_t *am;

	bench_must(agentmem_open(&am, &options), "open");
	return am;
}

static struct agentmem_stat stat_of(agentmem_t *am)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };

	bench_must(agentmem_stat(am, &stat), "stat");
	return stat;
}

static char *prompt_of(uint64_t seed, size_t bytes)
{
	char *text = bench_room(bytes);

	corpus_prompt(corpus, seed, text, bytes);
	return text;
}

static void lookup(void)
{
	enum { UNITS = 1000, REPEATS = 200 };
	static agentmem_unit_t units[UNITS];
	static struct am_digest digests[UNITS];
	static double digest_ns[ROUNDS], handle_ns[ROUNDS], copy_ns[ROUNDS];
	agentmem_t *am = agent_open("lookup");
	char *text = prompt_of(1, UNITS * 4096);
	char *room = bench_room(UNITS * 4096);

	for (size_t i = 0; i < UNITS; i++) {
		const void *data;
		size_t bytes;

		digest_of(text + i * 4096, 4096, &digests[i]);
		bench_must(agentmem_alloc(am, AGENTMEM_TOOL_RESULT, text + i * 4096, 4096, &units[i]), "alloc");
		bench_must(agentmem_map(am, units[i], &data, &bytes), "map");
	}
	for (size_t round = 0; round < ROUNDS; round++) {
		double at = bench_now_us();

		for (size_t i = 0; i < UNITS * REPEATS; i++) {
			agentmem_unit_t unit;

			if (agentmem_find(am, digests[i * 7 % UNITS].bytes, &unit) != 0)
				bench_fail("a digest was not found");
		}
		digest_ns[round] = (bench_now_us() - at) * 1e3 / (UNITS * REPEATS);
		at = bench_now_us();
		for (size_t i = 0; i < UNITS * REPEATS; i++) {
			const void *data;
			size_t bytes;

			if (agentmem_map(am, units[i * 7 % UNITS], &data, &bytes) != 0 || agentmem_unmap(am, data) != 0)
				bench_fail("a unit was not found");
		}
		handle_ns[round] = (bench_now_us() - at) * 1e3 / (UNITS * REPEATS);
		at = bench_now_us();
		for (size_t i = 0; i < UNITS * REPEATS; i++) {
			memcpy(room + i * 7 % UNITS * 4096, text + i * 13 % UNITS * 4096, 4096);
			sink = (unsigned char)room[i * 7 % UNITS * 4096];
		}
		copy_ns[round] = (bench_now_us() - at) * 1e3 / (UNITS * REPEATS);
	}
	bench_print("lookup-digest", bench_median(digest_ns, ROUNDS), "ns");
	bench_print("lookup-handle", bench_median(handle_ns, ROUNDS), "ns");
	bench_print("memcpy-4k", bench_median(copy_ns, ROUNDS), "ns");
	agentmem_close(am);
}

static void hand_in(void)
{
	static double known_us[ROUNDS], digest_us[ROUNDS], copy_us[ROUNDS], ratio[ROUNDS];
	char *text = prompt_of(2, PROMPT_BYTES);
	agentmem_t *first = agent_open("first");
	agentmem_t *second;
	agentmem_unit_t unit;
	uint64_t hot_bytes, own_bytes;
	struct am_digest digest;

	bench_must(agentmem_alloc(first, AGENTMEM_SYSTEM_PROMPT, text, PROMPT_BYTES, &unit), "alloc");
	second = agent_open("second");
	hot_bytes = stat_of(first).user_hot_bytes;
	own_bytes = bench_smaps(getpid(), "Rss");
	for (size_t round = 0; round < ROUNDS; round++) {
		double at = bench_now_us();
		char *copy;

		digest_of(text, PROMPT_BYTES, &digest);
		digest_us[round] = bench_now_us() - at;
		at = bench_now_us();
		bench_must(agentmem_alloc(second, AGENTMEM_SYSTEM_PROMPT, text, PROMPT_BYTES, &unit), "alloc of known content");
		known_us[round] = bench_now_us() - at;
		ratio[round] = known_us[round] / digest_us[round];
		at = bench_now_us();
		copy = malloc(PROMPT_BYTES);
		if (copy == NULL)
			bench_fail("out of memory");
		memcpy(copy, text, PROMPT_BYTES);
		sink = (unsigned char)copy[4096];
		copy_us[round] = bench_now_us() - at;
		free(copy);
	}
	own_bytes = bench_smaps(getpid(), "Rss") - own_bytes;
	bench_print("handin-ratio", bench_median(ratio, ROUNDS), "x");
	bench_print("handin-known", bench_median(known_us, ROUNDS) / 1e3, "ms");
	bench_print("digest-pass", bench_median(digest_us, ROUNDS) / 1e3, "ms");
	bench_print("malloc-memcpy", bench_median(copy_us, ROUNDS) / 1e3, "ms");
	bench_print("handin-resident", (double)(stat_of(first).user_hot_bytes - hot_bytes), "bytes");
	bench_print("handin-resident-own", (double)own_bytes / 1024, "KiB");
	agentmem_close(second);
	agentmem_close(first);
}

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
static void child_map(const char *token_hex, const char *unit_text)
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
	sink = ((const unsigned char *)data)[bytes / 2];
	printf("%.3f\n", bench_now_us() - at);
	agentmem_close(am);
}

static void child_read(const char *path, const char *bytes_text)
{
	size_t bytes = strtoull(bytes_text, NULL, 10);
	double at = bench_now_us();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *room = malloc(bytes);

	if (fd < 0 || room == NULL || read(fd, room, bytes) != (ssize_t)bytes)
		bench_fail("cannot read the file");
	sink = (unsigned char)room[bytes / 2];
	printf("%.3f\n", bench_now_us() - at);
}

static void map(void)
{
	static double map_us[ROUNDS], read_us[ROUNDS];
	char *text = prompt_of(3, PROMPT_BYTES);
	char path[] = "/tmp/agentmem-bench-XXXXXX";
	char token[2 * AGENTMEM_TOKEN_BYTES + 1];
	char unit_text[24], bytes_text[24];
	agentmem_t *am = agent_open("map");
	agentmem_unit_t unit;
	struct agentmem_stat stat;
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, text, PROMPT_BYTES) != (ssize_t)PROMPT_BYTES)
		bench_fail("cannot write a file in /tmp");
	close(fd);
	bench_must(agentmem_alloc(am, AGENTMEM_SYSTEM_PROMPT, text, PROMPT_BYTES, &unit), "alloc");
	stat = stat_of(am);
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
static void child_spawn(const char *prompt, const char *tools)
{
	const agentmem_unit_t units[2] = { strtoull(prompt, NULL, 10), strtoull(tools, NULL, 10) };
	double at = bench_now_us();
	agentmem_t *am = agent_open("spawned");
	double open_us = bench_now_us() - at;
	double map_us;
	char go;

	printf("%llu\n", (unsigned long long)stat_of(am).agent);
	fflush(stdout);
	if (read(STDIN_FILENO, &go, 1) != 1)
		bench_fail("nobody shares");
	at = bench_now_us();
	for (size_t i = 0; i < 2; i++) {
		const void *data;
		size_t bytes;

		bench_must(agentmem_map(am, units[i], &data, &bytes), "map of a shared unit");
		sink = ((const unsigned char *)data)[bytes - 1];
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

static void spawn(void)
{
	static double set_up_us[ROUNDS], open_us[ROUNDS], map_us[ROUNDS], copy_us[ROUNDS];
	char *prompt = prompt_of(4, PROMPT_BYTES);
	char *tools = prompt_of(5, TOOLS_BYTES);
	agentmem_t *am = agent_open("parent");
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
		sink = (unsigned char)copy[4096];
		copy_us[round] = bench_now_us() - at;
		free(copy);
	}
	bench_print("spawn-set-up", bench_median(set_up_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-open", bench_median(open_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-map", bench_median(map_us, ROUNDS) / 1e3, "ms");
	bench_print("spawn-copies", bench_median(copy_us, ROUNDS) / 1e3, "ms");
	agentmem_close(am);
}

/*
 * Ten thousand units of an agent's usual sizes, some 200 MB; prints where they
 * lie beside the same under redis, whose file of commands it writes to stdout
 * with `held`.
 */
static size_t unit_bytes_of(size_t i)
{
	return i % 100 == 0 ? 1 * MIB : i % 10 == 0 ? 64 * 1024 : 1024 + i % 7 * 600;
}

static void memory(const char *broker_pid)
{
	enum { UNITS = 10000 };
	int pid = atoi(broker_pid);
	uint64_t empty = bench_smaps(pid, "Pss_Anon") + bench_smaps(pid, "Pss_File");
	uint64_t before = empty + bench_meminfo("Shmem");
	uint64_t after, held;
	uint64_t plain = 0;
	agentmem_t *am = agent_open("memory");
	char *room = bench_room(2 * MIB);
	struct agentmem_stat stat;

	for (size_t i = 0; i < UNITS; i++) {
		agentmem_unit_t unit;

		corpus_prompt(corpus, 1000 + i, room, unit_bytes_of(i));
		bench_must(agentmem_alloc(am, AGENTMEM_TOOL_RESULT, room, unit_bytes_of(i), &unit), "alloc");
		plain += unit_bytes_of(i);
	}
	sleep(3);
	stat = stat_of(am);
	held = stat.user_hot_bytes + stat.user_warm_bytes;
	after = bench_smaps(pid, "Pss_Anon") + bench_smaps(pid, "Pss_File") + bench_meminfo("Shmem");
	bench_print("memory-plain", (double)plain / 1e6, "MB");
	bench_print("memory-held", (double)held / 1e6, "MB");
	bench_print("memory-before", (double)before / 1e6, "MB");
	bench_print("memory-all", (double)(after - before) / 1e6, "MB");
	/* Beside what the empty broker took. */
	bench_print("memory-own", ((double)after - (double)before - (double)held) / 1e6, "MB");
	bench_print("memory-empty", (double)empty / 1e6, "MB");
	bench_print("memory-said", (double)stat.user_own_bytes / 1e6, "MB");
	agentmem_close(am);
}

/* The same units as commands for redis-cli --pipe. */
static void held(void)
{
	char *room = bench_room(2 * MIB);

	for (size_t i = 0; i < 10000; i++) {
		size_t bytes = unit_bytes_of(i);
		char key[32];

		corpus_prompt(corpus, 1000 + i, room, bytes);
		snprintf(key, sizeof(key), "unit:%zu", i);
		printf("*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n", strlen(key), key, bytes);
		fwrite(room, 1, bytes, stdout);
		printf("\r\n");
	}
}

int main(int count, char **words)
{
	const char *what = count > 2 ? words[1] : "";

	self = "/proc/self/exe";
	if (strcmp(what, "child-map") == 0 && count == 4) {
		child_map(words[2], words[3]);
		return 0;
	}
	if (strcmp(what, "child-read") == 0 && count == 4) {
		child_read(words[2], words[3]);
		return 0;
	}
	if (strcmp(what, "child-spawn") == 0 && count == 4) {
		child_spawn(words[2], words[3]);
		return 0;
	}
	if (count < 3 || (corpus = corpus_open(words[2])) == NULL)
		bench_fail("usage: units lookup|handin|map|spawn|memory|held FOLDER [BROKER_PID]");
	if (strcmp(what, "lookup") == 0)
		lookup();
	else if (strcmp(what, "handin") == 0)
		hand_in();
	else if (strcmp(what, "map") == 0)
		map();
	else if (strcmp(what, "spawn") == 0)
		spawn();
	else if (strcmp(what, "memory") == 0 && count == 4)
		memory(words[3]);
	else if (strcmp(what, "held") == 0)
		held();
	else
		bench_fail("usage: units lookup|handin|map|spawn|memory|held FOLDER [BROKER_PID]");
	return 0;
}
