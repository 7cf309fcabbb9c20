/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agents.h"
#include "base.h"
#include "runs.h"
#include "text.h"
#include "watch.h"
#include "words.h"

#define PARTS_MOST 80
#define ANSWER_MOST 128
#define RANGE_TEXT_MOST ((uint64_t)1 << 52)
#define LARGEST_PID 4194304 /* PID_MAX_LIMIT */

static char answer[ANSWER_MOST];
static const char bad_name[] = "bad-request expected a name of letters, digits and .:_- of 96 bytes at most";
static const char bad_number[] = "bad-request expected a number where there is none";

/* Names go into JSON and into lines: nothing that would have to be escaped. */
static bool is_name(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-";

	return *text != '\0' && strlen(text) <= NAME_MOST && text[strspn(text, letters)] == '\0';
}

static bool to_uid(const char *text, int64_t *uid)
{
	uint64_t number;

	*uid = NOBODY;
	if (strcmp(text, "-") == 0)
		return true;
	if (!number_from_text(text, UINT32_MAX - 1, &number))
		return false;
	*uid = (int64_t)number;
	return true;
}

static bool to_pid(const char *text, pid_t *pid)
{
	uint64_t number;

	if (!number_from_text(text, LARGEST_PID, &number) || number == 0)
		return false;
	*pid = (pid_t)number;
	return true;
}

static const char *hello(unsigned client, char **parts)
{
	struct out out = out_begin(answer, sizeof(answer));
	bool own = strcmp(parts[2], "own") == 0;
	const char *problem;

	if (strcmp(parts[1], "1") != 0)
		return "version expected version 1 of this protocol";
	if (!own && strcmp(parts[2], "look") != 0)
		return "bad-request expected own or look";
	problem = server_hello(client, own);
	out_text(&out, "1 ");
	out_number(&out, (uint64_t)getpid());
	return problem;
}

static const char *hold(char **parts)
{
	int64_t uid;
	pid_t terminal_of = 0;

	if (!is_name(parts[1]))
		return bad_name;
	if (!to_uid(parts[2], &uid) || (strcmp(parts[3], "-") != 0 && !to_pid(parts[3], &terminal_of)))
		return bad_number;
	if (!unescape(parts[4]))
		return "bad-request expected a path without zero bytes";
	return agent_hold(parts[1], uid, terminal_of, parts[4]);
}

static const char *process(char **parts)
{
	pid_t pid;
	uint64_t ticks;

	if (!to_pid(parts[2], &pid) || !number_from_text(parts[3], UINT64_MAX, &ticks))
		return bad_number;
	return agent_process(parts[1], pid, ticks);
}

static const char *add_ranges(char **parts, size_t count)
{
	pid_t pid;

	if (!to_pid(parts[2], &pid))
		return bad_number;
	for (size_t i = 3; i < count; i++) {
		uint64_t start;
		uint64_t end;
		const char *dash = hex_until(parts[i], '-', RANGE_TEXT_MOST, &start);
		const char *problem;

		if (dash == NULL || hex_until(dash + 1, '\0', RANGE_TEXT_MOST, &end) == NULL)
			return "bad-request expected START-END in hexadecimal digits";
		problem = agent_range(parts[1], pid, start, end);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}

static const char *wake(char **parts)
{
	struct out out = out_begin(answer, sizeof(answer));
	struct woken woken;
	const char *problem;

	if (!is_name(parts[2]))
		return bad_name;
	problem = agent_wake(parts[1], parts[2], now_us(), &woken);
	if (problem == NULL) {
		out_number(&out, woken.prefaulted);
		out_text(&out, " ");
		out_number(&out, woken.took_us);
	}
	return problem;
}

static const char *holder(char **parts)
{
	int64_t uid;
	pid_t pid;
	uint64_t ticks;

	if (!to_uid(parts[1], &uid) || uid == NOBODY || !to_pid(parts[2], &pid) || !number_from_text(parts[3], UINT64_MAX, &ticks))
		return bad_number;
	return server_holder(uid, pid, ticks);
}

static const char *run(char **parts)
{
	int64_t uid;

	if (!is_name(parts[1]))
		return bad_name;
	if (!to_uid(parts[2], &uid))
		return bad_number;
	return unescape(parts[3]) ? run_begin(parts[1], uid, parts[3]) : "bad-request expected a path without zero bytes";
}

static void status(void)
{
	/* 128 names and 50 words are 52 KB at most. */
	struct out out = out_begin(scratch, sizeof(scratch));
	char rollup[1024];
	uint64_t pss_kib;

	out_text(&out, "{\"pid\":");
	out_number(&out, (uint64_t)getpid());
	out_text(&out, ",\"pssBytes\":");
	if (read_at(AT_FDCWD, "/proc/self/smaps_rollup", rollup, sizeof(rollup)) > 0 && field_of(rollup, "Pss:", 10, &pss_kib))
		out_number(&out, pss_kib * 1024);
	else
		out_text(&out, "null");
	out_text(&out, ",\"runs\":");
	out_number(&out, runs_open());
	out_text(&out, ",\"runIds\":[");
	runs_list(&out);
	out_text(&out, "],\"held\":[");
	agents_list(&out);
	out_text(&out, "],\"words\":[");
	words_list(&out);
	out_text(&out, "]}");
}

/* From now on the machine is watched: before the answer, so that nothing is missed. */
static const char *armed(const char *problem)
{
	if (problem == NULL)
		watch_arm();
	return problem;
}

static const char *run_is_armed(const char *id)
{
	const char *problem = armed(run_armed(id));

	/* With one open before it, what is there may be that one's doing. */
	if (problem == NULL && runs_open() == 1)
		watch_first_run();
	return problem;
}

static const char *do_own(unsigned client, char **parts, size_t count)
{
	const char *verb = parts[0];

	if (strcmp(verb, "hold") == 0 && count == 5)
		return hold(parts);
	if (strcmp(verb, "process") == 0 && count == 4)
		return process(parts);
	if (strcmp(verb, "range") == 0 && count > 3)
		return add_ranges(parts, count);
	if (strcmp(verb, "held") == 0 && count == 2)
		return armed(agent_held(parts[1]));
	if (strcmp(verb, "frozen") == 0 && count == 2)
		return agent_frozen(parts[1]);
	if (strcmp(verb, "release") == 0 && count == 2)
		return agent_release(parts[1]);
	if (strcmp(verb, "wake") == 0 && count == 3)
		return wake(parts);
	if (strcmp(verb, "run") == 0 && count == 4)
		return run(parts);
	if (strcmp(verb, "file") == 0 && count == 3)
		return unescape(parts[2]) ? run_file(parts[1], parts[2]) : "bad-request expected a path without zero bytes";
	if (strcmp(verb, "armed") == 0 && count == 2)
		return run_is_armed(parts[1]);
	if (strcmp(verb, "done") == 0 && count == 2)
		return run_done(parts[1]);
	if (strcmp(verb, "holder") == 0 && count == 4)
		return holder(parts);
	if (strcmp(verb, "leave") == 0 && count == 1)
		return server_leave(client);
	return "bad-request expected one of the requests of docs/guard.md";
}

const char *request_line(unsigned client, char *line, const char **kind)
{
	char *parts[PARTS_MOST];
	size_t count = split(line, parts, PARTS_MOST);
	const char *problem;

	answer[0] = '\0';
	if (count > PARTS_MOST)
		return "bad-request expected 80 words at most";
	if (strcmp(parts[0], "hello") == 0 && count == 3) {
		problem = hello(client, parts);
	} else if (!server_is_greeted(client)) {
		problem = "bad-request expected hello first";
	} else if (strcmp(parts[0], "status") == 0 && count == 1) {
		status();
		*kind = "ok ";
		return scratch;
	} else if (!server_is_helper(client)) {
		problem = "not-owner another client stands for what is held";
	} else {
		problem = do_own(client, parts, count);
	}
	if (problem != NULL)
		return problem;
	*kind = "ok ";
	return answer;
}
