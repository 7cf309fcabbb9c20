/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes at random for what the guard parses: journals, requests of a client,
 * settings, and the little text parsers. What requests would do is replaced by
 * checks that nothing odd gets through to it. Built with clang:
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -o guard-fuzz \
 *     native/fuzz/guard.c native/privileged/guard/{request,journal,config,text,kernel-file,terminal,pressure}.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../privileged/guard/agents.h"
#include "../privileged/guard/base.h"
#include "../privileged/guard/config.h"
#include "../privileged/guard/journal.h"
#include "../privileged/guard/kernel-file.h"
#include "../privileged/guard/main.h"
#include "../privileged/guard/pressure.h"
#include "../privileged/guard/request.h"
#include "../privileged/guard/runs.h"
#include "../privileged/guard/terminal.h"
#include "../privileged/guard/watch.h"
#include "../privileged/guard/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int epoll_fd = -1;
struct settings settings;
char boot_id[40];
char scratch[SCRATCH_MOST + 1];

static void must(bool what)
{
	if (!what)
		abort();
}

static const char *named(const char *id)
{
	must(strlen(id) > 0 && strlen(id) <= NAME_MOST && strpbrk(id, " \n\"\\/") == NULL);
	return NULL;
}

int64_t now_us(void) { return 0; }
ssize_t read_at(int dir, const char *path, char *text, size_t size) { (void)dir; (void)path; (void)size; text[0] = '\0'; return 0; }
ssize_t read_again(int fd, char *text, size_t size) { (void)fd; (void)size; text[0] = '\0'; return 0; }
const char *agent_hold(const char *id, int64_t uid, pid_t pid, const char *path) { must(uid >= -1 && pid >= 0); (void)kernel_file_allowed(path); (void)is_freeze_path(path); return named(id); }
const char *agent_process(const char *id, pid_t pid, uint64_t ticks) { (void)id; (void)ticks; must(pid > 0); return NULL; }
const char *agent_range(const char *id, pid_t pid, uint64_t start, uint64_t end) { (void)id; (void)start; (void)end; must(pid > 0); return NULL; }
const char *agent_held(const char *id) { (void)id; return NULL; }
const char *agent_frozen(const char *id) { (void)id; return NULL; }
const char *agent_release(const char *id) { (void)id; return NULL; }
const char *agent_wake(const char *id, const char *cause, int64_t since, struct woken *woken) { (void)id; (void)since; *woken = (struct woken){ 1, 2 }; return named(cause); }
void agents_list(struct out *out) { (void)out; }
const char *run_begin(const char *id, int64_t uid, const char *journal) { (void)uid; (void)journal; return named(id); }
const char *run_file(const char *id, const char *path) { (void)id; (void)kernel_file_allowed(path); return NULL; }
const char *run_armed(const char *id) { (void)id; return NULL; }
const char *run_done(const char *id) { (void)id; return NULL; }
unsigned runs_open(void) { return 0; }
void runs_list(struct out *out) { (void)out; }
void words_list(struct out *out) { (void)out; }
void watch_arm(void) {}
void watch_first_run(void) {}
const char *server_hello(unsigned client, bool own) { (void)client; (void)own; return NULL; }
const char *server_leave(unsigned client) { (void)client; return NULL; }
const char *server_holder(int64_t uid, pid_t pid, uint64_t ticks) { must(uid >= 0 && pid > 0); (void)ticks; return NULL; }
bool server_is_helper(unsigned client) { return client == 0; }
bool server_is_greeted(unsigned client) { (void)client; return true; }

static void journal(char *text, size_t size)
{
	static const char vm[] = "/proc/sys/vm/";
	static struct journal parsed;

	if (!journal_parse(text, size, &parsed))
		return;
	must(parsed.count <= JOURNAL_MOST_RECORDS && strlen(parsed.boot) <= size && strlen(parsed.run) <= size);
	for (size_t i = 0; i < parsed.count; i++) {
		const struct record *record = &parsed.records[i];

		must(record->target != NULL && record->value != NULL && record->verb != NULL);
		if (kernel_file_allowed(record->target))
			/* "..name" is a name like any other. */
			must(strstr(record->target, "/../") == NULL && (strncmp(record->target, "/sys/", 5) == 0 || (strncmp(record->target, vm, strlen(vm)) == 0 && strchr(record->target + strlen(vm), '/') == NULL)));
		(void)kernel_value_allowed(record->target, record->value);
	}
}

/* Sums made right, so that what is behind them is reached too. */
static void summed_journal(const char *data, size_t size)
{
	static char text[JOURNAL_MOST_BYTES + 1];
	struct out out = out_begin(text, sizeof(text));
	const char *at = data;

	while (at < data + size && out.used + 4096 < sizeof(text)) {
		const char *end = memchr(at, '\n', (size_t)(data + size - at));
		size_t length = (size_t)((end == NULL ? data + size : end) - at);
		uint32_t sum;

		if (length > 2048)
			length = 2048;
		sum = crc32_of(at, length);
		out_bytes(&out, at, length);
		out_text(&out, " ");
		for (int shift = 28; shift >= 0; shift -= 4)
			out_bytes(&out, &"0123456789abcdef"[sum >> shift & 15], 1);
		out_text(&out, "\n");
		at += length + 1;
	}
	journal(text, out.used);
}

static void keys(const uint8_t *data, size_t size)
{
	struct terminal_rule rule;
	unsigned queued = 0;
	int64_t at = 0;

	terminal_begin(&rule, 0);
	for (size_t i = 0; i + 1 < size; i += 2) {
		enum terminal_verdict verdict;

		queued += data[i];
		at += data[i + 1] * 4;
		verdict = terminal_came(&rule, queued, at);
		/* What is shorter than any report is a key, whatever came before it. */
		must(data[i] == 0 || data[i] > 8 || data[i] == 6 || verdict == TERMINAL_WAKE);
		must(queued < TERMINAL_MOST_QUEUED || data[i] == 0 || verdict == TERMINAL_WAKE);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *kind = "error ";
	struct pressure waiting;
	char *text;
	unsigned line;

	if (size < 1 || size > 16384)
		return 0;
	text = malloc(size + 1);
	must(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 6) {
	case 0:
		journal(text, size - 1);
		break;
	case 1:
		summed_journal(text, size - 1);
		break;
	case 2:
		(void)request_line(data[0] & 8 ? 1 : 0, text, &kind);
		break;
	case 3:
		config_default();
		if (!config_parse(text, &line))
			must(line > 0);
		must(settings.service_count <= SERVICES_MOST && settings.psi_some_percent <= 100);
		break;
	case 4:
		keys(data + 1, size - 1);
		break;
	case 5:
		(void)pressure_now(text, &waiting);
		waiting = pressure_before(text);
		must(pressure_limit(40, waiting.some) >= 40);
		break;
	}
	free(text);
	return 0;
}
