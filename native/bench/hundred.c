/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	hundred units FOLDER BROKER_PID AGENTS FORKS WARM_MOST_MIB HOT_MOST_MIB
 *	hundred peer FOLDER AGENTS MERGE
 *
 * Agents with a shared prompt of 50 MB, shared tool definitions of 100 MB and
 * a conversation of 300 MB each, really handed in and appended; resident
 * memory is looked at all the while; in the end every byte is read back and
 * compared by hash with what was written. Of the agents the last FORKS go on
 * from the first one's conversation: half share it by agentmem_fork(), half
 * write it anew with another session id on each line.
 *
 * `peer` holds the same as ordinary private memory and waits for its input to end.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agentmem.h"
#include "bench.h"
#include "common/digest.h"
#include "corpus.h"

#define MB ((size_t)1000 * 1000)
#define PROMPT_BYTES (50 * MB)
#define TOOLS_BYTES (100 * MB)
#define PIECE_BYTES (500 * 1000)
#define PIECES 600
#define FORK_PIECES 4
#define WORKERS 4

struct agent {
	agentmem_t *am;
	agentmem_unit_t talk;
	struct corpus_writer writer;
	uint64_t *sums;		/* of each piece */
	size_t pieces;
};

/* Shared with the process that watches. */
struct common {
	volatile size_t appended[WORKERS];
	volatile size_t read[WORKERS];
	volatile size_t wrong[WORKERS];
};

static struct corpus *corpus;
static char *prompt, *tools;
static struct common *common;

static agentmem_t *agent_open(void)
{
	struct agentmem_options options = { .size = sizeof(options), .backend = AGENTMEM_BROKER, .name = "hundred" };
	agentmem_t *am;

	bench_must(agentmem_open(&am, &options), "open");
	return am;
}

static void begin(struct agent *agent)
{
	agentmem_unit_t unit;

	agent->am = agent_open();
	agent->sums = calloc(PIECES + FORK_PIECES, sizeof(*agent->sums));
	bench_must(agentmem_alloc(agent->am, AGENTMEM_SYSTEM_PROMPT, prompt, PROMPT_BYTES, &unit), "prompt");
	bench_must(agentmem_alloc(agent->am, AGENTMEM_TOOL_DEFINITION, tools, TOOLS_BYTES, &unit), "tools");
}

static void say(struct agent *agent, const char *piece)
{
	agent->sums[agent->pieces++] = checksum_of(piece, PIECE_BYTES);
	bench_must(agentmem_append(agent->am, agent->talk, piece, PIECE_BYTES), "append");
}

static void talk(struct agent *agent, uint64_t number, unsigned worker, char *piece)
{
	corpus_begin(&agent->writer, 77, number);
	bench_must(agentmem_alloc(agent->am, AGENTMEM_CONVERSATION, NULL, 0, &agent->talk), "conversation");
	for (size_t i = 0; i < PIECES; i++) {
		corpus_write(corpus, &agent->writer, piece, PIECE_BYTES);
		say(agent, piece);
		common->appended[worker] += PIECE_BYTES;
	}
}

/* Goes on from what the first agent said. */
static void fork_from(struct agent *agent, struct agent *first, bool rewritten, uint64_t number, unsigned worker, char *piece)
{
	struct agentmem_stat stat = { .size = sizeof(stat) };

	if (rewritten) {
		struct corpus_writer again;

		corpus_begin(&again, 77, 0);
		bench_must(agentmem_alloc(agent->am, AGENTMEM_CONVERSATION, NULL, 0, &agent->talk), "conversation");
		for (size_t i = 0; i < PIECES; i++) {
			corpus_write(corpus, &again, piece, PIECE_BYTES);
			corpus_rewrite_ids(piece, PIECE_BYTES, again.session, number * 1000003 + i);
			say(agent, piece);
			common->appended[worker] += PIECE_BYTES;
		}
	} else {
		bench_must(agentmem_stat(agent->am, &stat), "stat");
		bench_must(agentmem_share(first->am, first->talk, stat.agent), "share");
		bench_must(agentmem_fork(agent->am, first->talk, SIZE_MAX, &agent->talk), "fork");
		bench_must(agentmem_free(agent->am, first->talk), "free");
		memcpy(agent->sums, first->sums, PIECES * sizeof(*agent->sums));
		agent->pieces = PIECES;
		common->appended[worker] += PIECES * PIECE_BYTES;
	}
	corpus_begin(&agent->writer, 78, number);
	for (size_t i = 0; i < FORK_PIECES; i++) {
		corpus_write(corpus, &agent->writer, piece, PIECE_BYTES);
		say(agent, piece);
	}
}

static void read_back(struct agent *agent, unsigned worker, char *piece)
{
	for (size_t i = 0; i < agent->pieces; i++) {
		ssize_t got = agentmem_read(agent->am, agent->talk, i * PIECE_BYTES, piece, PIECE_BYTES);

		if (got != PIECE_BYTES || checksum_of(piece, PIECE_BYTES) != agent->sums[i])
			common->wrong[worker]++;
		common->read[worker] += PIECE_BYTES;
	}
}

/* One process of agents; `go` says when to begin the next part. */
static void work(unsigned worker, unsigned agents, unsigned forks, int go, int done)
{
	struct agent *all = calloc(agents + forks, sizeof(*all));
	char *piece = bench_room(PIECE_BYTES);
	char byte;

	for (unsigned i = worker; i < agents; i += WORKERS) {
		begin(&all[i]);
		talk(&all[i], i, worker, piece);
	}
	/* The first agent is the first worker's. */
	for (unsigned i = agents; i < agents + forks && worker == 0; i++) {
		begin(&all[i]);
		fork_from(&all[i], &all[0], (i - agents) % 2 == 1, i, worker, piece);
	}
	if (write(done, "w", 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	for (unsigned i = 0; i < agents + forks; i++)
		if (all[i].am != NULL)
			read_back(&all[i], worker, piece);
	if (write(done, "r", 1) != 1 || read(go, &byte, 1) != 1)
		_exit(1);
	for (unsigned i = 0; i < agents + forks; i++)
		agentmem_close(all[i].am);
	_exit(0);
}

/* What the broker, what it holds and the kernel's side of it take. */
static double resident_mb(int broker)
{
	return (double)(bench_smaps(broker, "Pss_Anon") + bench_smaps(broker, "Pss_File") + bench_meminfo("Shmem") + bench_meminfo("Slab") + bench_meminfo("PageTables")) / 1e6;
}

static size_t sum(const volatile size_t *figures)
{
	size_t all = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		all += figures[i];
	return all;
}

/* Until all workers have said that they are done; the most that was resident. */
static double watch(int broker, int done, double before_mb, const volatile size_t *progress, const char *what)
{
	double most_mb = 0;
	double said_us = bench_now_us();
	unsigned heard = 0;

	while (heard < WORKERS) {
		struct timeval wait = { .tv_usec = 250000 };
		double mb = resident_mb(broker) - before_mb;
		fd_set set;
		char byte;

		if (mb > most_mb)
			most_mb = mb;
		if (bench_now_us() - said_us > 20e6) {
			said_us = bench_now_us();
			fprintf(stderr, "%s %zu MB, resident %.0f MB\n", what, sum(progress) / MB, mb);
		}
		FD_ZERO(&set);
		FD_SET(done, &set);
		if (select(done + 1, &set, NULL, NULL, &wait) > 0 && read(done, &byte, 1) == 1)
			heard++;
		if (heard < WORKERS && waitpid(-1, NULL, WNOHANG) > 0)
			bench_fail("a process of agents ended early");
	}
	return most_mb;
}

static void run(int broker, unsigned agents, unsigned forks, uint64_t warm_most_mib, uint64_t hot_most_mib)
{
	struct agentmem_settings settings = { .size = sizeof(settings), .warm_most_bytes = warm_most_mib << 20, .hot_most_bytes = hot_most_mib << 20, .warm_after_ms = 2000, .quota_bytes = UINT64_C(1) << 31 };
	struct agentmem_stat stat = { .size = sizeof(stat) };
	agentmem_t *am = agent_open();
	int done[2], go[2];
	double before_mb, most_mb, at, settled_mb, read_mb, append_s = 0;

	bench_must(agentmem_settings(am, &settings), "settings");
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (common == MAP_FAILED || pipe(done) != 0 || pipe(go) != 0)
		bench_fail("out of memory");
	prompt = bench_room(PROMPT_BYTES);
	tools = bench_room(TOOLS_BYTES);
	corpus_prompt(corpus, 1, prompt, PROMPT_BYTES);
	corpus_prompt(corpus, 2, tools, TOOLS_BYTES);
	before_mb = resident_mb(broker);
	at = bench_now_us();
	for (unsigned i = 0; i < WORKERS; i++)
		if (fork() == 0)
			work(i, agents, forks, go[0], done[1]);
	most_mb = watch(broker, done[0], before_mb, common->appended, "written");
	append_s = (bench_now_us() - at) / 1e6;
	/* Left alone as agents that wait: everything goes where it belongs. */
	sleep(20);
	settled_mb = resident_mb(broker) - before_mb;
	bench_must(agentmem_stat(am, &stat), "stat");
	at = bench_now_us();
	if (write(go[1], "gggg", WORKERS) != WORKERS)
		bench_fail("no pipe");
	read_mb = watch(broker, done[0], before_mb, common->read, "read back");
	bench_print("plain", ((double)(agents + forks) * (double)(PROMPT_BYTES + TOOLS_BYTES) + (double)sum(common->appended)) / 1e6, "MB");
	bench_print("resident", settled_mb, "MB");
	bench_print("resident-most-writing", most_mb, "MB");
	bench_print("resident-most-reading", read_mb, "MB");
	bench_print("ssd", (double)stat.user_cold_bytes / 1e6, "MB");
	bench_print("hot", (double)stat.user_hot_bytes / 1e6, "MB");
	bench_print("warm", (double)stat.user_warm_bytes / 1e6, "MB");
	bench_print("own", (double)stat.user_own_bytes / 1e6, "MB");
	bench_print("conversations-ratio", (double)sum(common->appended) / (double)(stat.user_warm_bytes + stat.user_cold_bytes), "x");
	bench_print("written-speed", (double)sum(common->appended) / 1e6 / append_s, "MB/s");
	bench_print("read-speed", (double)sum(common->read) / (bench_now_us() - at), "MB/s");
	bench_print("read-back", (double)sum(common->read) / 1e6, "MB");
	bench_print("wrong", (double)sum(common->wrong), "pieces");
	if (write(go[1], "gggg", WORKERS) != WORKERS)
		bench_fail("no pipe");
	while (wait(NULL) > 0)
		;
	agentmem_close(am);
}

static void hold(uint64_t number, int ready, int go)
{
	char *room = mmap(NULL, PROMPT_BYTES + TOOLS_BYTES + PIECES * PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct corpus_writer writer;
	char byte;

	if (room == MAP_FAILED)
		_exit(1);
	memcpy(room, prompt, PROMPT_BYTES);
	memcpy(room + PROMPT_BYTES, tools, TOOLS_BYTES);
	corpus_begin(&writer, 77, number);
	for (size_t i = 0; i < PIECES; i++)
		corpus_write(corpus, &writer, room + PROMPT_BYTES + TOOLS_BYTES + i * PIECE_BYTES, PIECE_BYTES);
	if (write(ready, "r", 1) != 1 || read(go, &byte, 1) < 0)
		_exit(1);
	_exit(0);
}

static void peer(unsigned agents, bool merge)
{
	int ready[2];
	char byte;

	prompt = bench_room(PROMPT_BYTES);
	tools = bench_room(TOOLS_BYTES);
	corpus_prompt(corpus, 1, prompt, PROMPT_BYTES);
	corpus_prompt(corpus, 2, tools, TOOLS_BYTES);
	if (pipe(ready) != 0)
		bench_fail("no pipe");
	/* 67: PR_SET_MEMORY_MERGE, since Linux 6.4; children inherit it. */
	if (merge && prctl(67, 1, 0, 0, 0) != 0)
		bench_fail("this kernel merges no process as a whole");
	for (unsigned i = 0; i < agents; i++) {
		pid_t pid = fork();

		if (pid == 0)
			hold(i, ready[1], STDIN_FILENO);
		printf("pid %d -\n", pid);
		if (read(ready[0], &byte, 1) != 1)
			bench_fail("a peer failed");
	}
	printf("ready 1 -\n");
	fflush(stdout);
	while (wait(NULL) > 0)
		;
}

int main(int count, char **words)
{
	double page_ratio, megabyte_ratio;
	const char *problem;

	if (count < 5 || (corpus = corpus_open(words[2])) == NULL)
		bench_fail("usage: hundred units FOLDER BROKER_PID AGENTS FORKS WARM_MOST_MIB HOT_MOST_MIB | hundred peer FOLDER AGENTS MERGE");
	problem = corpus_problem(corpus, 77, &page_ratio, &megabyte_ratio);
	if (problem != NULL) {
		fprintf(stderr, "corpus: %s\n", problem);
		return 2;
	}
	if (strcmp(words[1], "peer") == 0) {
		peer((unsigned)atoi(words[3]), atoi(words[4]) != 0);
		return 0;
	}
	if (count < 8)
		bench_fail("usage: hundred units FOLDER BROKER_PID AGENTS FORKS WARM_MOST_MIB HOT_MOST_MIB");
	bench_print("corpus-page-ratio", page_ratio, "x");
	bench_print("corpus-megabyte-ratio", megabyte_ratio, "x");
	run(atoi(words[3]), (unsigned)atoi(words[4]), (unsigned)atoi(words[5]), strtoull(words[6], NULL, 10), strtoull(words[7], NULL, 10));
	return 0;
}
