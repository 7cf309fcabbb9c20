/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	load FOLDER [AGENTS UNITS SECONDS PROCESSES]
 *
 * Many light agents with a mixed load: look up, read, append, fork, hand in,
 * free. Every conversation is checked byte by byte against what its agent
 * knows of it, and at the end every unit is read back and hashed.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentmem.h"
#include "bench.h"
#include "common/digest.h"
#include "corpus.h"

#define READ_BYTES 256
#define LATENCIES_MOST ((size_t)1 << 22)

struct held {
	agentmem_unit_t unit;
	struct am_digest digest;	/* of what it must be; of a conversation computed at the end from `seed` and `bytes` */
	uint64_t seed;			/* offset of its content in the text of the process */
	size_t bytes;
	bool grows;
};

struct agent {
	agentmem_t *am;
	struct held *units;
	size_t count;
};

struct figures {
	double *find_ns, *read_us;
	size_t finds, reads, operations, wrong, lost;
};

/* All content is a run of this: what a unit must hold needs no copy. */
static char *text;
static size_t text_bytes;

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void add(struct agent *agent, struct held *held, uint64_t *state, bool grows)
{
	held->seed = next(state) % (text_bytes - 65536);
	held->bytes = 512 + next(state) % 12000;
	held->grows = grows;
	digest_of(text + held->seed, held->bytes, &held->digest);
	bench_must(agentmem_alloc(agent->am, grows ? AGENTMEM_CONVERSATION : AGENTMEM_TOOL_RESULT, text + held->seed, held->bytes, &held->unit), "alloc");
}

static void look_up(struct agent *agent, struct held *held, struct figures *figures)
{
	agentmem_unit_t unit;
	double at = bench_now_us();
	int error = agentmem_find(agent->am, held->digest.bytes, &unit);
	double took_ns = (bench_now_us() - at) * 1e3;

	figures->lost += error != 0;
	if (figures->finds < LATENCIES_MOST)
		figures->find_ns[figures->finds++] = took_ns;
}

static void read_some(struct agent *agent, struct held *held, struct figures *figures, uint64_t *state)
{
	char room[READ_BYTES];
	size_t offset = next(state) % (held->bytes - READ_BYTES + 1);
	double at = bench_now_us();
	ssize_t got = agentmem_read(agent->am, held->unit, offset, room, READ_BYTES);
	double took_us = bench_now_us() - at;

	if (got != READ_BYTES)
		figures->lost++;
	else if (memcmp(room, text + held->seed + offset, READ_BYTES) != 0)
		figures->wrong++;
	if (figures->reads < LATENCIES_MOST)
		figures->read_us[figures->reads++] = took_us;
}

static void step(struct agent *agent, struct figures *figures, uint64_t *state)
{
	struct held *held = &agent->units[next(state) % agent->count];
	unsigned what = (unsigned)(next(state) % 100);

	figures->operations++;
	if (what < 50 && !held->grows) {
		look_up(agent, held, figures);
	} else if (what < 80) {
		read_some(agent, held, figures, state);
	} else if (what < 92) {
		size_t more = 64 + next(state) % 2000;

		if (!held->grows || held->bytes + more > 60000 || held->seed + held->bytes + more > text_bytes)
			return;
		bench_must(agentmem_append(agent->am, held->unit, text + held->seed + held->bytes, more), "append");
		held->bytes += more;
	} else if (what < 95 && held->grows) {
		struct held *other = &agent->units[next(state) % agent->count];
		agentmem_unit_t fork;
		size_t prefix = 256 + next(state) % (held->bytes - 255);

		if (other == held || !other->grows)
			return;
		bench_must(agentmem_fork(agent->am, held->unit, prefix, &fork), "fork");
		bench_must(agentmem_free(agent->am, other->unit), "free");
		*other = (struct held){ .unit = fork, .seed = held->seed, .bytes = prefix, .grows = true };
	} else {
		bench_must(agentmem_free(agent->am, held->unit), "free");
		add(agent, held, state, held->grows);
	}
}

static void check_all(struct agent *agent, struct figures *figures)
{
	static char room[65536];

	for (size_t i = 0; i < agent->count; i++) {
		struct held *held = &agent->units[i];
		struct am_digest is, must;
		ssize_t got = agentmem_read(agent->am, held->unit, 0, room, sizeof(room));

		if (got != (ssize_t)held->bytes) {
			figures->lost++;
			continue;
		}
		digest_of(room, held->bytes, &is);
		digest_of(text + held->seed, held->bytes, &must);
		figures->wrong += memcmp(&is, &must, sizeof(is)) != 0;
	}
}

static void work(unsigned number, unsigned agents, unsigned units, unsigned seconds, int report)
{
	struct figures figures = { .find_ns = bench_room(LATENCIES_MOST * sizeof(double)), .read_us = bench_room(LATENCIES_MOST * sizeof(double)) };
	struct agent *all = calloc(agents, sizeof(*all));
	uint64_t state = 88172645463325252u + number;
	double ends_us;
	char line[256];
	int length;

	for (unsigned i = 0; i < agents; i++) {
		struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = "light" };

		bench_must(agentmem_open(&all[i].am, &options), "open");
		all[i].count = units;
		all[i].units = calloc(units, sizeof(*all[i].units));
		for (unsigned j = 0; j < units; j++)
			add(&all[i], &all[i].units[j], &state, j % 3 == 0);
	}
	ends_us = bench_now_us() + seconds * 1e6;
	while (bench_now_us() < ends_us)
		step(&all[next(&state) % agents], &figures, &state);
	for (unsigned i = 0; i < agents; i++) {
		check_all(&all[i], &figures);
		agentmem_close(all[i].am);
	}
	length = snprintf(line, sizeof(line), "%zu %zu %zu %.0f %.0f %.1f %.1f\n", figures.operations, figures.lost, figures.wrong,
			  bench_quantile(figures.find_ns, figures.finds, 0.5), bench_quantile(figures.find_ns, figures.finds, 0.99),
			  bench_quantile(figures.read_us, figures.reads, 0.5), bench_quantile(figures.read_us, figures.reads, 0.99));
	if (write(report, line, (size_t)length) != length)
		_exit(1);
	_exit(0);
}

int main(int count, char **words)
{
	unsigned agents = count > 2 ? (unsigned)atoi(words[2]) : 1000;
	unsigned units = count > 3 ? (unsigned)atoi(words[3]) : 10000;
	unsigned seconds = count > 4 ? (unsigned)atoi(words[4]) : 60;
	unsigned processes = count > 5 ? (unsigned)atoi(words[5]) : 8;
	struct corpus *corpus = count > 1 ? corpus_open(words[1]) : NULL;
	double find99[64], read99[64], find50[64], read50[64];
	size_t operations = 0, lost = 0, wrong = 0, heard = 0;
	struct corpus_writer writer;
	int pipes[2];
	char line[256];
	FILE *said;

	if (corpus == NULL || agents < processes || units < agents || processes == 0 || processes > 64)
		bench_fail("usage: load FOLDER [AGENTS UNITS SECONDS PROCESSES]");
	text_bytes = (size_t)32 << 20;
	text = bench_room(text_bytes);
	corpus_begin(&writer, 9, 9);
	corpus_write(corpus, &writer, text, text_bytes);
	corpus_close(corpus);
	if (pipe(pipes) != 0)
		bench_fail("no pipe");
	for (unsigned i = 0; i < processes; i++)
		if (fork() == 0)
			work(i, agents / processes, units / agents, seconds, pipes[1]);
	close(pipes[1]);
	said = fdopen(pipes[0], "r");
	while (said != NULL && heard < processes && fgets(line, sizeof(line), said) != NULL) {
		size_t one[3];

		if (sscanf(line, "%zu %zu %zu %lf %lf %lf %lf", &one[0], &one[1], &one[2], &find50[heard], &find99[heard], &read50[heard], &read99[heard]) != 7)
			break;
		operations += one[0];
		lost += one[1];
		wrong += one[2];
		heard++;
	}
	while (wait(NULL) > 0)
		;
	if (heard != processes)
		bench_fail("a process of the load failed");
	bench_print("load-operations", (double)operations, "");
	bench_print("load-lost", (double)lost, "units");
	bench_print("load-wrong", (double)wrong, "reads");
	bench_print("load-lookup-p50", bench_median(find50, heard) / 1e3, "us");
	bench_print("load-lookup-p99", bench_quantile(find99, heard, 1.0) / 1e3, "us");
	bench_print("load-read-p50", bench_median(read50, heard), "us");
	bench_print("load-read-p99", bench_quantile(read99, heard, 1.0), "us");
	return lost + wrong == 0 ? 0 : 1;
}
