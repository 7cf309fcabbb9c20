/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the guard that only look at text and numbers. Exit 1 with each that is wrong. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../privileged/guard/base.h"
#include "../privileged/guard/config.h"
#include "../privileged/guard/journal.h"
#include "../privileged/guard/kernel-file.h"
#include "../privileged/guard/main.h"
#include "../privileged/guard/prefault.h"
#include "../privileged/guard/pressure.h"
#include "../privileged/guard/terminal.h"
#include "../privileged/guard/text.h"
#include "../user/common/start-ticks.h"

int epoll_fd = -1;
struct settings settings;
char boot_id[40];

int64_t now_us(void)
{
	return 0;
}

ssize_t read_again(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	if (got >= 0)
		text[got] = '\0';
	return got;
}

static int failures;

#define EXPECT(what)                                                           \
	do {                                                                   \
		if (!(what)) {                                                 \
			fprintf(stderr, "line %d: expected %s\n", __LINE__, #what); \
			failures++;                                            \
		}                                                              \
	} while (0)

static struct journal journal;
static char text[JOURNAL_MOST_BYTES + 1];
static size_t used;

static void line(const char *body)
{
	used += (size_t)sprintf(text + used, "%s %08x\n", body, crc32_of(body, strlen(body)));
}

static void begin(void)
{
	used = 0;
	line("agentmem-journal 1 0f0f0f0f-0000-0000-0000-000000000000 20261121T010203Z-0a1b2c3d system");
}

static void numbers(void)
{
	uint64_t number = 7;

	EXPECT(crc32_of("123456789", 9) == 0xcbf43926u);
	EXPECT(number_from_text("18446744073709551615", UINT64_MAX, &number) && number == UINT64_MAX);
	EXPECT(!number_from_text("18446744073709551616", UINT64_MAX, &number));
	EXPECT(!number_from_text("", 9, &number) && !number_from_text("-1", 9, &number) && !number_from_text("1 ", 9, &number) && !number_from_text("10", 9, &number));
	EXPECT(number_from_text("0", 0, &number) && !number_from_text("5", 4, &number));
	EXPECT(hex_until("7fff-8", '-', UINT64_MAX, &number) != NULL && number == 0x7fff);
	EXPECT(hex_until("-8", '-', UINT64_MAX, &number) == NULL && hex_until("7g-", '-', UINT64_MAX, &number) == NULL && hex_until("12345", '\0', 0xffff, &number) == NULL);
	EXPECT(field_of("MemTotal: 12 kB\nMemAvailable:    345 kB\n", "MemAvailable", 10, &number) && number == 345);
	EXPECT(!field_of("MemTotal: 12 kB\n", "MemAvailable", 10, &number) && !field_of("MemAvailable: kB\n", "MemAvailable", 10, &number));
	EXPECT(field_of("oom_kill_x 1\noom_kill 2\n", "oom_kill ", 10, &number) && number == 2);
	EXPECT(start_ticks_of("5 (a) R 1 (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20\n", &number) && number == 4711);
	EXPECT(!start_ticks_of("5 (a) S 1 2", &number) && !start_ticks_of("", &number));
}

static void texts(void)
{
	char escaped[] = "/a%20b%25%2D%zz";
	char zero[] = "a%00b";
	char chosen[] = "[none] scan-time\n";
	char other[] = "none [scan-time]\n";
	char plain[] = "  100\n";
	char broken[] = "[a b] c";
	char small[8];
	struct out out = out_begin(small, sizeof(small));
	char json[64];
	struct out quoted = out_begin(json, sizeof(json));

	EXPECT(unescape(escaped) && strcmp(escaped, "/a b%-%zz") == 0);
	EXPECT(!unescape(zero));
	EXPECT(strcmp(present_value(chosen), "none") == 0 && strcmp(present_value(other), "scan-time") == 0);
	EXPECT(strcmp(present_value(plain), "100") == 0 && strcmp(present_value(broken), "[a b] c") == 0);
	out_text(&out, "123456789");
	EXPECT(out.cut && strcmp(small, "1234567") == 0);
	out_json(&quoted, "a\"\\\n\xff");
	EXPECT(strcmp(json, "\"a\\\"\\\\??\"") == 0);
}

static void journals(void)
{
	begin();
	line("1 now write /sys/kernel/mm/ksm/run 0 1");
	line("2 when-it-fits swapoff /dev/zram0 - on");
	line("3 now write /sys/kernel/mm/ksm/advisor_mode % scan%2Dtime");
	EXPECT(journal_parse(text, used, &journal) && journal.count == 3 && !journal.torn && journal.damaged == 0);
	EXPECT(strcmp(journal.run, "20261121T010203Z-0a1b2c3d") == 0 && journal.records[0].now && !journal.records[1].now);
	EXPECT(journal.records[1].old == NULL && strcmp(journal.records[2].old, "") == 0 && strcmp(journal.records[2].value, "scan-time") == 0);

	/* A line without its end is torn even where its sum is right. */
	begin();
	line("1 now write /a 0 1");
	EXPECT(journal_parse(text, used - 1, &journal) && journal.count == 0 && journal.torn);

	begin();
	line("1 now write /a 0 1");
	text[used - 12] ^= 1;
	line("2 now write /b 0 1");
	EXPECT(journal_parse(text, used, &journal) && journal.count == 1 && journal.damaged == 1 && !journal.torn);

	begin();
	line("1 now explode /a 0 1");
	line("2 soon write /a 0 1");
	line("x now write /a 0 1");
	line("1234567890 now write /a 0 1");
	line("3 now write /a 0");
	line("4 now write /a 0 1 2");
	line("5 now write /a%00 0 1");
	line("6 now thaw /a 0 1");
	EXPECT(journal_parse(text, used, &journal) && journal.count == 1 && journal.damaged == 7 && strcmp(journal.records[0].verb, "thaw") == 0);

	used = 0;
	line("agentmem-journal 2 boot run system");
	EXPECT(!journal_parse(text, used, &journal));
	used = 0;
	line("agentmem-journal 1 boot run root");
	EXPECT(!journal_parse(text, used, &journal));
	begin();
	text[0] = 'A';
	EXPECT(!journal_parse(text, used, &journal));
	EXPECT(!journal_parse(text, 0, &journal));

	begin();
	for (int i = 1; i <= JOURNAL_MOST_RECORDS + 1; i++) {
		char body[64];

		snprintf(body, sizeof(body), "%d now write /a 0 1", i);
		line(body);
	}
	EXPECT(journal_parse(text, used, &journal) && journal.count == JOURNAL_MOST_RECORDS && journal.too_long);
}

static void paths(void)
{
	EXPECT(kernel_file_allowed("/sys/kernel/mm/ksm/run") && kernel_file_allowed("/sys/module/zswap/parameters/enabled"));
	EXPECT(kernel_file_allowed("/sys/module/agentmem/parameters/warm_after_ms") && !kernel_file_allowed("/sys/module/agentmem/refcnt") && !kernel_file_allowed("/sys/module/zram/parameters/enabled"));
	EXPECT(!kernel_file_allowed("/sys/kernel/mm/ksm/../../debug") && !kernel_file_allowed("/sys/kernel/mm/ksm/") && !kernel_file_allowed("/etc/passwd"));
	EXPECT(kernel_file_allowed("/sys/fs/cgroup/user.slice/user-1.slice/user@1.service/app.slice/a\\x2db.scope/memory.high"));
	EXPECT(!kernel_file_allowed("/sys/fs/cgroup/memory.high") && !kernel_file_allowed("/sys/fs/cgroup/a/../memory.high") && !kernel_file_allowed("/sys/fs/cgroup/a//memory.high"));
	EXPECT(!kernel_file_allowed("/sys/fs/cgroup/a/cgroup.procs") && !kernel_file_allowed("/sys/fs/cgroup/a/cgroup.kill") && !kernel_file_allowed("/sys/fs/cgroup/a b/memory.max"));
	EXPECT(is_freeze_path("/sys/fs/cgroup/unified/a/cgroup.freeze") && !is_freeze_path("/sys/fs/cgroup/a/memory.max") && !is_freeze_path("cgroup.freeze") && !is_freeze_path(""));
	EXPECT(kernel_value_allowed("/sys/kernel/mm/ksm/run", "1") && !kernel_value_allowed("/sys/kernel/mm/ksm/run", "2") && kernel_value_allowed("/sys/kernel/mm/ksm/pages_to_scan", "2"));
	EXPECT(kernel_file_allowed("/proc/sys/vm/swappiness") && kernel_file_allowed("/proc/sys/vm/dirty_background_ratio") && kernel_file_allowed("/sys/kernel/mm/transparent_hugepage/defrag") && kernel_file_allowed("/sys/kernel/mm/lru_gen/min_ttl_ms"));
	EXPECT(!kernel_file_allowed("/proc/sys/vm/nr_hugepages") && !kernel_file_allowed("/proc/sys/vm/compact_memory") && !kernel_file_allowed("/proc/sys/vm/drop_caches") && !kernel_file_allowed("/proc/sys/vm/overcommit_ratio"));
	EXPECT(!kernel_file_allowed("/proc/sys/vm/swappiness/") && !kernel_file_allowed("/proc/sys/vm/../kernel/core_pattern") && !kernel_file_allowed("/proc/sys/kernel/core_pattern") && !kernel_file_allowed("/sys/kernel/mm/transparent_hugepage/khugepaged/defrag"));
	EXPECT(kernel_value_allowed("/sys/kernel/mm/transparent_hugepage/defrag", "defer+madvise") && !kernel_value_allowed("/proc/sys/vm/overcommit_memory", "2") && kernel_value_allowed("/proc/sys/vm/overcommit_memory", "1"));
	EXPECT(strcmp(kernel_file_ratio("/proc/sys/vm/dirty_bytes"), "/proc/sys/vm/dirty_ratio") == 0 && kernel_file_ratio("/proc/sys/vm/dirty_ratio") == NULL);
	EXPECT(!kernel_value_allowed("/sys/kernel/mm/ksm/run", "") && !kernel_value_allowed("/sys/kernel/mm/ksm/run", "1\n"));
}

static void keys(void)
{
	struct terminal_rule rule;
	unsigned queued = 0;
	int64_t at = 1000;

	/* Anything shorter than a report wakes at once. */
	for (unsigned size = 1; size < 9; size++) {
		terminal_begin(&rule, 0);
		EXPECT((terminal_came(&rule, size, at) == TERMINAL_WAKE) == (size != 6));
	}
	/* A paste: nothing follows, so it was typed. */
	terminal_begin(&rule, 0);
	EXPECT(terminal_came(&rule, 30, at) == TERMINAL_LOOK_AGAIN);
	EXPECT(terminal_later(&rule, 30, at + 50) == TERMINAL_LOOK_AGAIN && terminal_later(&rule, 30, at + TERMINAL_LOOK_MS) == TERMINAL_WAKE);
	terminal_begin(&rule, 0);
	EXPECT(terminal_came(&rule, 200, at) == TERMINAL_WAKE);
	/* Motion, a pause in it, and a key right behind it. */
	terminal_begin(&rule, 0);
	for (int i = 0; i < 20; i++) {
		queued += i < 10 ? 13 : 14;
		EXPECT(terminal_came(&rule, queued, at += 16) == (i == 0 ? TERMINAL_LOOK_AGAIN : TERMINAL_STAY));
	}
	EXPECT(terminal_later(&rule, queued, at + 200) == TERMINAL_STAY);
	EXPECT(terminal_came(&rule, queued += 14, at += 900) == TERMINAL_STAY);
	EXPECT(terminal_came(&rule, queued, at) == TERMINAL_STAY);
	EXPECT(terminal_came(&rule, queued + 1, at + 1) == TERMINAL_WAKE);
	/* A paste behind motion is of another size. */
	EXPECT(terminal_came(&rule, queued + 30, at + 900) == TERMINAL_LOOK_AGAIN && terminal_later(&rule, queued + 30, at + 900 + TERMINAL_LOOK_MS) == TERMINAL_WAKE);
	/* Old reports, six bytes each. */
	terminal_begin(&rule, 0);
	EXPECT(terminal_came(&rule, 6, at) == TERMINAL_LOOK_AGAIN && terminal_came(&rule, 12, at + 16) == TERMINAL_STAY && terminal_came(&rule, 18, at + 32) == TERMINAL_STAY);
	/* Before the terminal is full, since what comes then is dropped. */
	terminal_begin(&rule, 0);
	for (queued = 14; queued < TERMINAL_MOST_QUEUED; queued += 14)
		EXPECT(terminal_came(&rule, queued, at += 16) != TERMINAL_WAKE);
	EXPECT(terminal_came(&rule, queued, at += 16) == TERMINAL_WAKE);
	/* Emptied by somebody, then a key. */
	terminal_begin(&rule, 0);
	terminal_came(&rule, 14, at += 5000);
	EXPECT(terminal_came(&rule, 0, at) == TERMINAL_STAY && terminal_came(&rule, 1, at) == TERMINAL_WAKE);
}

static void settings_file(void)
{
	char good[] = "# a comment\n\ngrace_ms=10\nservices=sshd a-very-long-program-name\npsi_full_percent=99";
	char *const wrong[] = { (char[]){ "grace_ms" }, (char[]){ "grace_ms=" }, (char[]){ "grace_ms=-1" }, (char[]){ "psi_full_percent=101" }, (char[]){ "what=1" }, (char[]){ "services=/bin/sh" } };
	unsigned at;

	config_default();
	EXPECT(settings.grace_ms == 300 && settings.service_count > 3 && settings.psi_some_percent == 40 && settings.psi_full_percent == 15);
	EXPECT(config_parse(good, &at) && settings.grace_ms == 10 && settings.psi_full_percent == 99);
	EXPECT(settings.service_count == 2 && strcmp(settings.services[1], "a-very-long-pro") == 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		EXPECT(!config_parse(wrong[i], &at) && at == 1);
}

static void page_ranges(void)
{
	page_range most = range_make(RANGE_MOST_ADDRESS - RANGE_PAGE, RANGE_MOST_PAGES, 15);

	EXPECT(range_start(most) == RANGE_MOST_ADDRESS - RANGE_PAGE && range_pages(most) == RANGE_MOST_PAGES && range_process(most) == 15);
	EXPECT(range_start(range_make(0x7000, 3, 1)) == 0x7000 && range_pages(range_make(0x7000, 3, 1)) == 3 && range_process(range_make(0x7000, 3, 1)) == 1);
}

static void pressures(void)
{
	static const char pressure[] = "some avg10=33.71 avg60=9.02 avg300=1.00 total=1\nfull avg10=2.99 avg60=12.40 avg300=80.00 total=2\n";
	struct pressure now;
	struct pressure before = pressure_before(pressure);

	EXPECT(pressure_now(pressure, &now) && now.some == 33 && now.full == 2);
	EXPECT(before.some == 33 && before.full == 12);
	EXPECT(pressure_now("some avg10=1.00 avg60=0.00 avg300=0.00 total=1\n", &now) && now.some == 1 && now.full == 0);
	EXPECT(!pressure_now("", &now) && !pressure_now("full avg10=1.00\n", &now) && !pressure_now("some of it\n", &now));
	before = pressure_before("");
	EXPECT(before.some == 0 && before.full == 0);
	/* A quiet machine has the limits of the settings, and one that waits much already a quarter more than that. */
	EXPECT(pressure_limit(15, 0) == 15 && pressure_limit(15, 8) == 15);
	EXPECT(pressure_limit(15, 12) == 20 && pressure_limit(40, 12) == 40);
	EXPECT(pressure_limit(40, 60) == 80);
	/* It cannot get worse than always. */
	EXPECT(pressure_limit(15, 100) >= 100);
}

int main(void)
{
	numbers();
	texts();
	journals();
	paths();
	keys();
	settings_file();
	pressures();
	page_ranges();
	return failures == 0 ? 0 : 1;
}
