// SPDX-License-Identifier: GPL-2.0
/* Each call with its N-th allocation failing: nothing is left behind, nothing is half done, and the next try works. */
#include "torture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FLAT_BYTES 140000u
#define TALK_BYTES 150000u
#define MORE_BYTES 90000u
/* No call has that many. */
#define POINTS_MOST 5000u

/* What a call is made on: built anew for each try. */
struct world {
	int device, agent, other, fd, answer;
	uint64_t flat, talk, other_number, made;
	size_t talk_bytes;
	char *map;
	struct agentmem_abi_agent_stat stat;
};

static char *text, *back;
static int nth = -1;

static void arm(unsigned n)
{
	char word[16];
	int bytes = snprintf(word, sizeof(word), "%u", n);

	CHECK(pwrite(nth, word, (size_t)bytes, 0) == bytes);
}

/* Whether one was made to fail since. */
static bool disarm(void)
{
	char word[16] = "";
	bool failed = pread(nth, word, sizeof(word) - 1, 0) > 0 && atoi(word) == 0;

	CHECK(pwrite(nth, "0", 1, 0) == 1);
	return failed;
}

static int act_open_device(struct world *w)
{
	w->answer = open("/dev/agentmem", O_RDWR | O_CLOEXEC);
	return w->answer < 0 ? -1 : 0;
}

static int act_register(struct world *w)
{
	return ioctl(w->device, AGENTMEM_IOC_REGISTER, &SIZED(register, .name = "new", .domain = "another"));
}

static int act_join(struct world *w)
{
	struct agentmem_abi_register args = SIZED(register);

	memcpy(args.token, w->stat.token, sizeof(args.token));
	return ioctl(w->device, AGENTMEM_IOC_REGISTER, &args);
}

static int alloc_with(struct world *w, alloc_args args)
{
	int error = ioctl(w->agent, AGENTMEM_IOC_ALLOC, &args);

	if (!error)
		w->answer = args.fd;
	return error;
}

static int act_alloc(struct world *w)
{
	return alloc_with(w, SIZED(alloc, .flags = AGENTMEM_ABI_WANT_FD, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)text + 7, .bytes = FLAT_BYTES));
}

static int act_alloc_known(struct world *w)
{
	return alloc_with(w, SIZED(alloc, .kind = AGENTMEM_ABI_OTHER, .data = (uintptr_t)text, .bytes = FLAT_BYTES));
}

static int act_alloc_digest(struct world *w)
{
	alloc_args args = SIZED(alloc, .flags = AGENTMEM_ABI_BY_DIGEST | AGENTMEM_ABI_WANT_FD, .kind = AGENTMEM_ABI_OTHER);
	struct agentmem_abi_unit_stat stat = SIZED(unit_stat, .unit = w->flat);

	if (ioctl(w->agent, AGENTMEM_IOC_STAT_UNIT, &stat) < 0)
		return -1;
	memcpy(args.digest, stat.digest, sizeof(args.digest));
	return alloc_with(w, args);
}

static int act_alloc_talk(struct world *w)
{
	return alloc_with(w, SIZED(alloc, .flags = AGENTMEM_ABI_WANT_FD, .kind = AGENTMEM_ABI_CONVERSATION, .data = (uintptr_t)text + 11, .bytes = TALK_BYTES));
}

static int act_append(struct world *w)
{
	int error = kit_append(w->agent, w->talk, text + TALK_BYTES, MORE_BYTES);

	if (!error)
		w->talk_bytes += MORE_BYTES;
	return error;
}

/* The same bytes again: what it holds is known, whether it was done or not. */
static int act_edit(struct world *w)
{
	return ioctl(w->agent, AGENTMEM_IOC_EDIT, &SIZED(edit, .unit = w->talk, .offset = 20000, .old_bytes = 60000, .data = (uintptr_t)text + 20000, .bytes = 60000));
}

static int act_fork(struct world *w)
{
	struct agentmem_abi_fork args = SIZED(fork, .flags = AGENTMEM_ABI_WANT_FD, .unit = w->talk, .prefix_bytes = TALK_BYTES - 30000);
	int error = ioctl(w->agent, AGENTMEM_IOC_FORK, &args);

	if (!error)
		w->answer = args.fd;
	return error;
}

static int act_share(struct world *w)
{
	return ioctl(w->agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = w->talk, .agent = w->other_number, .fd = -1));
}

static int act_take(struct world *w)
{
	return ioctl(w->other, AGENTMEM_IOC_SHARE, &SIZED(share, .fd = w->fd));
}

static int act_open(struct world *w)
{
	w->answer = kit_open(w->agent, w->flat);
	return w->answer < 0 ? -1 : 0;
}

static int act_snapshot(struct world *w)
{
	w->answer = kit_open(w->agent, w->talk);
	return w->answer < 0 ? -1 : 0;
}

static int act_read(struct world *w)
{
	ssize_t got = kit_read(w->agent, w->flat, 0, back, FLAT_BYTES);

	/* Some of it, and no error: all that is given is right. */
	CHECK(got < 0 || memcmp(back, text, (size_t)got) == 0);
	return got < 0 ? -1 : 0;
}

static int act_read_talk(struct world *w)
{
	ssize_t got = kit_read(w->agent, w->talk, 0, back, TALK_BYTES);

	CHECK(got < 0 || memcmp(back, text, (size_t)got) == 0);
	return got < 0 ? -1 : 0;
}

static int act_hot(struct world *w)
{
	return ioctl(w->agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = w->flat)) ?: ioctl(w->agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = w->talk));
}

static int act_suspend(struct world *w)
{
	return kit_state(w->agent, AGENTMEM_ABI_SUSPENDED);
}

static int act_resume(struct world *w)
{
	return kit_state(w->agent, AGENTMEM_ABI_ACTIVE);
}

static int act_gone(struct world *w)
{
	return kit_state(w->other, AGENTMEM_ABI_GONE);
}

static int act_map(struct world *w)
{
	w->map = mmap(NULL, FLAT_BYTES, PROT_READ, MAP_SHARED, w->fd, 0);
	return w->map == MAP_FAILED ? -1 : 0;
}

/* A fault whose memory fails is tried again, and works. */
static int act_touch(struct world *w)
{
	CHECK(memcmp(w->map, text, FLAT_BYTES) == 0);
	return 0;
}

static int act_read_fd(struct world *w)
{
	ssize_t got = pread(w->fd, back, FLAT_BYTES, 0);

	CHECK(got < 0 || memcmp(back, text, (size_t)got) == 0);
	return got < 0 ? -1 : 0;
}

static int act_free(struct world *w)
{
	int error = kit_free(w->agent, w->flat);

	if (!error)
		w->flat = 0;
	return error;
}

static int act_stat(struct world *w)
{
	struct agentmem_abi_agent_line lines[4];
	struct agentmem_abi_unit_line units[4];

	return ioctl(w->agent, AGENTMEM_IOC_STAT_AGENT, &SIZED(agent_stat)) ?: ioctl(w->agent, AGENTMEM_IOC_STAT_ALL, &SIZED(all_stat)) ?:
	       ioctl(w->agent, AGENTMEM_IOC_LIST_AGENTS, &SIZED(list, .lines = (uintptr_t)lines, .most = 4, .line_bytes = sizeof(lines[0]))) ?:
	       ioctl(w->agent, AGENTMEM_IOC_LIST_UNITS, &SIZED(list, .lines = (uintptr_t)units, .most = 4, .line_bytes = sizeof(units[0]))) ?:
	       ioctl(w->agent, AGENTMEM_IOC_STAT_UNIT, &SIZED(unit_stat, .unit = w->talk));
}

static int act_proc(struct world *w)
{
	int fd = open("/proc/agent_stats", O_RDONLY | O_CLOEXEC), error;

	(void)w;
	if (fd < 0)
		return -1;
	error = read(fd, back, 4096) > 0 ? 0 : -1;
	close(fd);
	return error;
}

static int act_settings(struct world *w)
{
	return ioctl(w->agent, AGENTMEM_IOC_SETTINGS, &SIZED(settings)) ?: ioctl(w->agent, AGENTMEM_IOC_INFO, &SIZED(info));
}

/* `warm`: everything was sent away before. */
static const struct {
	const char *name;
	int (*act)(struct world *w);
	bool warm;
	/* Answers success where memory fails: what is not done now comes later. */
	bool lenient;
} acts[] = {
	{ "open the device", act_open_device, .warm = false },
	{ "register", act_register, .warm = false },
	{ "join", act_join, .warm = false },
	{ "allocate", act_alloc, .warm = false },
	{ "allocate what is known", act_alloc_known, .warm = false },
	{ "allocate what is known and warm", act_alloc_known, .warm = true },
	{ "allocate by digest", act_alloc_digest, .warm = false },
	{ "allocate a conversation", act_alloc_talk, .warm = false },
	{ "append", act_append, .warm = false },
	{ "edit", act_edit, .warm = false },
	{ "edit what is warm", act_edit, .warm = true },
	{ "fork", act_fork, .warm = false },
	{ "fork what is warm", act_fork, .warm = true },
	{ "share", act_share, .warm = false },
	{ "share by descriptor", act_take, .warm = false },
	{ "open", act_open, .warm = false },
	{ "snapshot", act_snapshot, .warm = false },
	{ "snapshot of what is warm", act_snapshot, .warm = true },
	{ "read", act_read, .warm = false },
	{ "read what is warm", act_read, .warm = true, .lenient = true },
	{ "read a conversation", act_read_talk, .warm = false, .lenient = true },
	{ "read a warm conversation", act_read_talk, .warm = true, .lenient = true },
	{ "read a descriptor", act_read_fd, .warm = true, .lenient = true },
	{ "mark hot", act_hot, .warm = true },
	{ "suspend", act_suspend, .lenient = true },
	{ "resume", act_resume, .warm = true, .lenient = true },
	{ "go", act_gone, .warm = false },
	{ "map", act_map, .warm = false },
	{ "touch", act_touch, .lenient = true },
	{ "touch what is warm", act_touch, .warm = true, .lenient = true },
	{ "free", act_free, .warm = true },
	{ "statistics", act_stat, .warm = true },
	{ "/proc/agent_stats", act_proc, .warm = true },
	{ "settings", act_settings, .warm = false },
};

static void begin(struct world *w, bool warm, bool mapped)
{
	*w = (struct world){ .device = kit_device(), .agent = kit_agent(""), .other = kit_agent(""), .fd = -1, .answer = -1, .talk_bytes = TALK_BYTES };
	w->other_number = kit_number(w->other);
	w->flat = kit_alloc(w->agent, AGENTMEM_ABI_OTHER, text, FLAT_BYTES);
	w->talk = kit_alloc(w->agent, AGENTMEM_ABI_CONVERSATION, text, TALK_BYTES);
	w->fd = kit_open(w->agent, w->flat);
	w->stat = SIZED(agent_stat);
	GIVES(0, ioctl(w->agent, AGENTMEM_IOC_STAT_AGENT, &w->stat));
	CHECK(w->flat && w->talk && w->fd >= 0);
	if (mapped)
		GIVES(0, act_map(w));
	if (warm)
		GIVES(0, kit_state(w->agent, AGENTMEM_ABI_SUSPENDED));
}

/* What was stored is what it was, and then all of it goes. */
static void end(struct world *w)
{
	if (w->flat)
		CHECK(kit_read(w->agent, w->flat, 0, back, FLAT_BYTES) == (ssize_t)FLAT_BYTES && memcmp(back, text, FLAT_BYTES) == 0);
	CHECK(kit_read(w->agent, w->talk, 0, back, w->talk_bytes + 1) == (ssize_t)w->talk_bytes && memcmp(back, text, w->talk_bytes) == 0);
	CHECK(kit_all(w->device).contents > 0);
	if (w->map && w->map != MAP_FAILED)
		munmap(w->map, FLAT_BYTES);
	if (w->answer >= 0)
		close(w->answer);
	close(w->fd);
	close(w->other);
	close(w->agent);
	close(w->device);
}

static void inject_all(size_t index, unsigned step)
{
	unsigned points = 0, refused = 0;
	bool more = true;

	for (unsigned n = 1; more && n < POINTS_MOST && !kit_failed; n += step) {
		bool touching = acts[index].act == act_touch;
		int next = dup(0), after, result, error;
		struct world w;

		close(next);
		begin(&w, acts[index].warm, touching);
		arm(n);
		result = acts[index].act(&w);
		error = errno;
		more = disarm();
		points += more ? 1 : 0;
		if (result < 0) {
			refused++;
			if (!more || error != ENOMEM) {
				kit_failed++;
				printf("# %s gives %d where allocation %u fails\n", acts[index].name, error, n);
			}
			/* Nothing of the first try is in the way. */
			GIVES(0, acts[index].act(&w));
		}
		end(&w);
		torture_nothing_left(acts[index].name);
		after = dup(0);
		CHECK(after == next);
		close(after);
	}
	/* One that allocates and never says so hides something. */
	CHECK(acts[index].lenient || !points || refused || step > 1);
	printf("# %s: failed at %u places, refused %u times\n", acts[index].name, points, refused);
	fflush(stdout);
}

void torture_inject(unsigned step)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };

	for (int i = 0; i < 2; i++) {
		static const char *const settings[][2] = { { "probability", "0" }, { "verbose", "0" }, { "ignore-gfp-wait", "N" } };
		char path[100];

		for (int s = 0; s < 3; s++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kinds[i], settings[s][0]);
			CHECK(torture_put(path, settings[s][1]));
		}
	}
	CHECK(torture_put("/sys/kernel/debug/fail_page_alloc/min-order", "0"));
	CHECK(torture_put("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N"));
	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	CHECK(nth >= 0);
	text = malloc(TALK_BYTES + MORE_BYTES);
	back = malloc(TALK_BYTES + MORE_BYTES + 1);
	kit_text(77, text, TALK_BYTES + MORE_BYTES);
	memset(back, 1, TALK_BYTES + MORE_BYTES + 1);
	/* Nobody else takes memory away, or sends anything away, meanwhile. */
	torture_settings(1u << 30, 1ull << 40, 64ull << 30);
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]) && !kit_failed; i++)
		inject_all(i, step);
	close(nth);
	free(text);
	free(back);
}
