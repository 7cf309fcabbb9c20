/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sharing units costs beside doing without, through the library:
 *
 *	units lookup FOLDER | handin FOLDER | map FOLDER | spawn FOLDER |
 *	      memory FOLDER BROKER_PID | held FOLDER
 *
 * FOLDER holds text files for the corpus. Peers are timed in turns with ours.
 */

#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "common/digest.h"
#include "corpus.h"

static struct corpus *corpus;
volatile unsigned char units_sink;

agentmem_t *units_agent(const char *name)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = name };
	agentmem_t *am;

	bench_must(agentmem_open(&am, &options), "open");
	return am;
}

struct agentmem_stat units_stat(agentmem_t *am)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };

	bench_must(agentmem_stat(am, &stat), "stat");
	return stat;
}

char *units_prompt(uint64_t seed, size_t bytes)
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
	agentmem_t *am = units_agent("lookup");
	char *text = units_prompt(1, UNITS * 4096);
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
			units_sink = (unsigned char)room[i * 7 % UNITS * 4096];
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
	char *text = units_prompt(2, PROMPT_BYTES);
	agentmem_t *first = units_agent("first");
	agentmem_t *second;
	agentmem_unit_t unit;
	uint64_t hot_bytes, own_bytes;
	struct am_digest digest;

	bench_must(agentmem_alloc(first, AGENTMEM_SYSTEM_PROMPT, text, PROMPT_BYTES, &unit), "alloc");
	second = units_agent("second");
	hot_bytes = units_stat(first).user_hot_bytes;
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
		units_sink = (unsigned char)copy[4096];
		copy_us[round] = bench_now_us() - at;
		free(copy);
	}
	own_bytes = bench_smaps(getpid(), "Rss") - own_bytes;
	bench_print("handin-ratio", bench_median(ratio, ROUNDS), "x");
	bench_print("handin-known", bench_median(known_us, ROUNDS) / 1e3, "ms");
	bench_print("digest-pass", bench_median(digest_us, ROUNDS) / 1e3, "ms");
	bench_print("malloc-memcpy", bench_median(copy_us, ROUNDS) / 1e3, "ms");
	bench_print("handin-resident", (double)(units_stat(first).user_hot_bytes - hot_bytes), "bytes");
	bench_print("handin-resident-own", (double)own_bytes / 1024, "KiB");
	agentmem_close(second);
	agentmem_close(first);
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
	agentmem_t *am = units_agent("memory");
	char *room = bench_room(2 * MIB);
	struct agentmem_stat stat;

	for (size_t i = 0; i < UNITS; i++) {
		agentmem_unit_t unit;

		corpus_prompt(corpus, 1000 + i, room, unit_bytes_of(i));
		bench_must(agentmem_alloc(am, AGENTMEM_TOOL_RESULT, room, unit_bytes_of(i), &unit), "alloc");
		plain += unit_bytes_of(i);
	}
	sleep(3);
	stat = units_stat(am);
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

	if (strcmp(what, "child-map") == 0 && count == 4) {
		units_child_map(words[2], words[3]);
		return 0;
	}
	if (strcmp(what, "child-read") == 0 && count == 4) {
		units_child_read(words[2], words[3]);
		return 0;
	}
	if (strcmp(what, "child-spawn") == 0 && count == 4) {
		units_child_spawn(words[2], words[3]);
		return 0;
	}
	if (count < 3 || (corpus = corpus_open(words[2])) == NULL)
		bench_fail("usage: units lookup|handin|map|spawn|memory|held FOLDER [BROKER_PID]");
	if (strcmp(what, "lookup") == 0)
		lookup();
	else if (strcmp(what, "handin") == 0)
		hand_in();
	else if (strcmp(what, "map") == 0)
		units_map();
	else if (strcmp(what, "spawn") == 0)
		units_spawn();
	else if (strcmp(what, "memory") == 0 && count == 4)
		memory(words[3]);
	else if (strcmp(what, "held") == 0)
		held();
	else
		bench_fail("usage: units lookup|handin|map|spawn|memory|held FOLDER [BROKER_PID]");
	return 0;
}
