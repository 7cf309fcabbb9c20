/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agentmem-reclaim: gives process_madvise advice for whole processes and tells
 * what it won. Root starts it on behalf of one user; it refuses processes of
 * anybody else. One JSON object a line, in the order of the arguments.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advise.h"
#include "list.h"
#include "target.h"

enum { EXIT_ALL = 0, EXIT_PARTLY = 1, EXIT_USAGE = 2 };

#define MOST_PROCESSES 4096
#define LARGEST_PID 4194304 /* PID_MAX_LIMIT */

struct options {
	bool list; /* only says where the anonymous pages in memory lie */
	struct wish wish;
	uid_t uid;
	char **processes;
	int count;
};

static int usage(const char *problem, const char *got)
{
	fprintf(stderr, "agentmem-reclaim: %s%s%s\n", problem, got[0] == '\0' ? "" : ": ", got);
	fputs("usage: agentmem-reclaim --advice pageout|cold|willneed [--pages all|anonymous] [--most-bytes N] --uid UID PID:STARTTICKS...\n"
	      "       agentmem-reclaim --advice list --uid UID PID:STARTTICKS...\n",
	      stderr);
	return EXIT_USAGE;
}

/* Decimal digits only, up to `stop`; NULL where it is anything else or above `most`. */
static const char *number_until(const char *text, char stop, uint64_t most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == stop && *value <= most ? end : NULL;
}

static bool process_from_text(const char *text, pid_t *pid, uint64_t *ticks)
{
	uint64_t number;
	const char *colon = number_until(text, ':', LARGEST_PID, &number);

	if (colon == NULL || number == 0)
		return false;
	*pid = (pid_t)number;
	return number_until(colon + 1, '\0', UINT64_MAX, ticks) != NULL;
}

static bool advice_from_text(const char *text, struct options *options)
{
	if (strcmp(text, "pageout") == 0)
		options->wish.advice = ADVICE_PAGEOUT;
	else if (strcmp(text, "cold") == 0)
		options->wish.advice = ADVICE_COLD;
	else if (strcmp(text, "willneed") == 0)
		options->wish.advice = ADVICE_WILLNEED;
	else if (strcmp(text, "list") == 0)
		options->list = true;
	else
		return false;
	return true;
}

static int parse_options(int argc, char **argv, struct options *options)
{
	bool has_advice = false;
	bool has_uid = false;
	int at = 1;

	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
		const char *value = at + 1 < argc ? argv[at + 1] : "";
		uint64_t uid;

		if (strcmp(argv[at], "--advice") == 0) {
			has_advice = advice_from_text(value, options);
			if (!has_advice)
				return usage("expected the advice pageout, cold, willneed or list", value);
		} else if (strcmp(argv[at], "--pages") == 0) {
			options->wish.anonymous = strcmp(value, "anonymous") == 0;
			if (!options->wish.anonymous && strcmp(value, "all") != 0)
				return usage("expected the pages all or anonymous", value);
		} else if (strcmp(argv[at], "--most-bytes") == 0) {
			options->wish.bounded = number_until(value, '\0', INT64_MAX, &options->wish.most) != NULL;
			if (!options->wish.bounded)
				return usage("expected a number of bytes", value);
		} else if (strcmp(argv[at], "--uid") == 0) {
			/* 2^32 - 1 means "no user" to the kernel. */
			has_uid = number_until(value, '\0', UINT32_MAX - 1, &uid) != NULL;
			if (!has_uid)
				return usage("expected a user id", value);
			options->uid = (uid_t)uid;
		} else {
			return usage("unknown option", argv[at]);
		}
	}
	if (!has_advice || !has_uid)
		return usage("expected --advice and --uid", "");
	if (options->list && (options->wish.bounded || options->wish.anonymous))
		return usage("expected neither --pages nor --most-bytes with --advice list", "");
	options->processes = argv + at;
	options->count = argc - at;
	if (options->count < 1 || options->count > MOST_PROCESSES)
		return usage("expected 1 to 4096 processes as PID:STARTTICKS", "");
	/* All or nothing: a typing error must not leave half of it done. */
	for (int i = 0; i < options->count; i++) {
		pid_t pid;
		uint64_t ticks;

		if (!process_from_text(options->processes[i], &pid, &ticks))
			return usage("expected PID:STARTTICKS", options->processes[i]);
	}
	return EXIT_ALL;
}

static void print_bytes(const char *name, int64_t bytes)
{
	if (bytes < 0)
		printf("\"%s\":null,", name);
	else
		printf("\"%s\":%" PRId64 ",", name, bytes);
}

static void print_result(pid_t pid, struct resident before, struct resident after, uint64_t advised, const char *error)
{
	printf("{\"pid\":%d,", (int)pid);
	print_bytes("rssBeforeBytes", before.rss);
	print_bytes("rssAfterBytes", after.rss);
	print_bytes("anonBeforeBytes", before.anon);
	print_bytes("anonAfterBytes", after.anon);
	printf("\"advisedBytes\":%" PRIu64 ",", advised);
	if (error == NULL)
		puts("\"error\":null}");
	else
		printf("\"error\":\"%s\"}\n", error); /* one of our own words: nothing to escape */
	fflush(stdout);
}

static void print_ranges(pid_t pid, const struct ranges *ranges, const char *error)
{
	printf("{\"pid\":%d,\"anonBytes\":%" PRIu64 ",\"ranges\":[", (int)pid, ranges->bytes);
	for (size_t i = 0; i < ranges->count; i++)
		printf("%s[\"%" PRIx64 "\",\"%" PRIx64 "\"]", i == 0 ? "" : ",", ranges->all[i].start, ranges->all[i].end);
	printf("],\"error\":%s%s%s}\n", error == NULL ? "" : "\"", error == NULL ? "null" : error, error == NULL ? "" : "\"");
	fflush(stdout);
}

static bool list_one(const char *text, const struct options *options)
{
	struct ranges ranges = { .all = NULL, .count = 0, .bytes = 0 };
	struct target target;
	uint64_t ticks = 0;
	pid_t pid = 0;
	const char *problem;

	if (!process_from_text(text, &pid, &ticks))
		return false;
	problem = target_open(&target, pid, ticks, options->uid);
	if (problem == NULL) {
		problem = list_anonymous(&target, &ranges);
		if (problem == NULL)
			problem = target_check(&target, options->uid);
		target_close(&target);
	}
	if (problem != NULL)
		ranges.count = 0;
	print_ranges(pid, &ranges, problem);
	free(ranges.all);
	return problem == NULL;
}

static bool reclaim_one(const char *text, struct options *options)
{
	struct resident before = { .rss = -1, .anon = -1 };
	struct resident after = before;
	struct target target;
	uint64_t advised = 0;
	uint64_t ticks = 0;
	pid_t pid = 0;
	const char *problem;

	if (!process_from_text(text, &pid, &ticks))
		return false;
	problem = target_open(&target, pid, ticks, options->uid);
	if (problem == NULL) {
		const char *changed;

		before = target_resident(&target);
		problem = advise_all(&target, &options->wish, &advised);
		after = target_resident(&target);
		/* Figures of a process that went or changed hands meanwhile mean nothing. */
		changed = target_check(&target, options->uid);
		if (changed != NULL) {
			problem = changed;
			after = (struct resident){ .rss = -1, .anon = -1 };
		}
		target_close(&target);
	}
	print_result(pid, before, after, advised, problem);
	return problem == NULL;
}

int main(int argc, char **argv)
{
	struct options options = {
		.list = false,
		.wish = { .advice = ADVICE_COLD, .anonymous = false, .bounded = false, .most = 0 },
		.uid = (uid_t)-1,
		.processes = NULL,
		.count = 0,
	};
	int status = parse_options(argc, argv, &options);

	if (status != EXIT_ALL)
		return status;
	for (int i = 0; i < options.count; i++)
		if (!(options.list ? list_one(options.processes[i], &options) : reclaim_one(options.processes[i], &options)))
			status = EXIT_PARTLY;
	return status;
}
