/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations as units, and the same pages in zram; a hundred agents with a prompt, tools and a conversation each. */
#include "kmod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "common/digest.h"
#include "kmod-disk.h"

/* Lines come one after another: so much at a time. */
#define PIECE 20000u

static void say(agentmem_t *am, agentmem_unit_t talk, const char *text, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += PIECE)
		bench_must(agentmem_append(am, talk, text + at, bytes - at < PIECE ? bytes - at : PIECE), "append");
}

static void is_as_said(agentmem_t *am, agentmem_unit_t talk, const char *text, char *room, size_t bytes)
{
	if (agentmem_read(am, talk, 0, room, bytes + 1) != (ssize_t)bytes || memcmp(room, text, bytes) != 0)
		bench_fail("a conversation is not what it was");
}

/* Compressed bytes and what the device takes for them. */
static void zram_figures(double *packed, double *used)
{
	unsigned long long plain, compressed, memory;
	FILE *file = fopen("/sys/block/zram0/mm_stat", "re");

	if (file == NULL || fscanf(file, "%llu %llu %llu", &plain, &compressed, &memory) != 3)
		bench_fail("/sys/block/zram0/mm_stat");
	fclose(file);
	*packed = (double)compressed;
	*used = (double)memory;
}

/* Each from a page on, whole pages of it. */
static void to_zram(const char *text, size_t bytes, unsigned talk)
{
	size_t pages = (bytes + PAGE - 1) / PAGE;
	int fd = open("/dev/zram0", O_WRONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0 || pwrite(fd, text, pages * PAGE, (off_t)(talk * pages * PAGE)) != (ssize_t)(pages * PAGE))
		bench_fail("/dev/zram0");
	close(fd);
}

/*
 * Bytes nobody has, with those that wait in the processors' own lists: MemFree
 * leaves them out, and from Linux 6.7 on the lists grow by themselves, to some
 * 40 MB each after that much was given back at once.
 */
static double free_now(void)
{
	double bytes = (double)bench_meminfo("MemFree");
	FILE *file = fopen("/proc/zoneinfo", "re");
	unsigned long long pages;
	char line[256];

	if (file == NULL)
		bench_fail("/proc/zoneinfo");
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, " count: %llu", &pages) == 1)
			bytes += (double)pages * PAGE;
	fclose(file);
	return bytes;
}

void kmod_talks(const char *disk, unsigned talks, size_t bytes)
{
	agentmem_unit_t *units = calloc(talks, sizeof(*units));
	char *text = kmod_room(bytes + PAGE), *room = kmod_room(bytes + PAGE);
	agentmem_t *am = kmod_open("talks");
	struct agentmem_abi_all_stat all;
	struct agentmem_unit_stat stat = { .size = sizeof(stat) };
	double packed, used, at, stored = 0, plain = (double)talks * (double)bytes, free_bytes;

	/* Our own room is there before. */
	kmod_disk(disk, disk_talk_at(0, bytes), text, bytes);
	free_bytes = free_now();
	for (unsigned i = 0; i < talks; i++) {
		kmod_disk(disk, disk_talk_at(i, bytes), text, bytes);
		bench_must(agentmem_alloc(am, AGENTMEM_CONVERSATION, NULL, 0, &units[i]), "conversation");
		say(am, units[i], text, bytes);
	}
	at = bench_now_us();
	bench_must(agentmem_set_state(am, AGENTMEM_SUSPENDED), "suspend");
	bench_print("talks-pack", plain / (bench_now_us() - at), "MB/s");
	all = kmod_all();
	for (unsigned i = 0; i < talks; i++) {
		bench_must(agentmem_stat_unit(am, units[i], &stat), "stat");
		stored += (double)stat.stored_bytes;
	}
	bench_print("talks-plain", plain / 1e6, "MB");
	bench_print("talks-hot", (double)all.hot_bytes / 1e6, "MB");
	bench_print("talks-warm", (double)all.warm_bytes / 1e6, "MB");
	bench_print("talks-contents", (double)all.contents, "");
	/* With tails, which are in no content. */
	bench_print("talks-stored", stored / 1e6, "MB");
	bench_print("talks-ratio", plain / stored, "x");
	bench_print("talks-taken", (free_bytes - free_now()) / 1e6, "MB");
	for (unsigned i = 0; i < talks; i++) {
		kmod_disk(disk, disk_talk_at(i, bytes), text, bytes);
		memset(text + bytes, 0, PAGE - bytes % PAGE);
		to_zram(text, bytes, i);
	}
	zram_figures(&packed, &used);
	bench_print("zram-ratio", plain / packed, "x");
	bench_print("zram-used-ratio", plain / used, "x");
	at = bench_now_us();
	for (unsigned i = 0; i < talks; i++) {
		kmod_disk(disk, disk_talk_at(i, bytes), text, bytes);
		is_as_said(am, units[i], text, room, bytes);
	}
	bench_print("talks-read-back", plain / (bench_now_us() - at), "MB/s");
	agentmem_close(am);
}

struct one {
	agentmem_t *am;
	agentmem_unit_t prompt, tools, talk;
};

/* What the machine has less since. */
static double taken(double free_before)
{
	return free_before - free_now();
}

void kmod_hundred(const char *disk, unsigned agents, unsigned talks, size_t bytes)
{
	struct one *all = calloc(agents, sizeof(*all));
	char *prompt = kmod_room(DISK_TOOLS_AT), *tools = kmod_room((size_t)2 << 20), *text = kmod_room(bytes + PAGE), *room = kmod_room(((size_t)2 << 20) + bytes);
	double both = DISK_PROMPT_BYTES + DISK_TOOLS_BYTES, plain = both * agents, free_bytes, took;
	size_t said = bytes / 8;

	kmod_disk(disk, DISK_PROMPT_AT, prompt, DISK_PROMPT_BYTES);
	kmod_disk(disk, DISK_TOOLS_AT, tools, DISK_TOOLS_BYTES);
	free_bytes = free_now();
	for (unsigned i = 0; i < agents; i++) {
		all[i].am = kmod_open("hundred");
		bench_must(agentmem_alloc(all[i].am, AGENTMEM_SYSTEM_PROMPT, prompt, DISK_PROMPT_BYTES, &all[i].prompt), "prompt");
		bench_must(agentmem_alloc(all[i].am, AGENTMEM_TOOL_DEFINITION, tools, DISK_TOOLS_BYTES, &all[i].tools), "tools");
	}
	/* What was freed elsewhere meanwhile must not pass for ours: at least what the module says. */
	took = taken(free_bytes);
	if (took < (double)(kmod_all().hot_bytes + kmod_all().warm_bytes))
		took = (double)(kmod_all().hot_bytes + kmod_all().warm_bytes);
	bench_print("hundred-plain", plain / 1e6, "MB");
	bench_print("hundred-taken", took / 1e6, "MB");
	/* Of the bytes that are there once more than once. */
	bench_print("hundred-gone", 100 * (plain - took) / (plain - both), "%");
	/* A part of a conversation each; who has had all of them goes on from the one before. */
	for (unsigned i = 0; i < agents; i++) {
		unsigned talk = i % talks, part = i / talks;

		kmod_disk(disk, disk_talk_at(talk, bytes), text, bytes);
		bench_must(agentmem_alloc(all[i].am, AGENTMEM_CONVERSATION, text + part % 8 * said, said, &all[i].talk), "conversation");
		bench_must(agentmem_append(all[i].am, all[i].talk, "end\n", 4), "append");
	}
	for (unsigned i = 0; i < agents; i++)
		bench_must(agentmem_set_state(all[i].am, AGENTMEM_SUSPENDED), "suspend");
	bench_print("hundred-all-plain", (plain + (double)agents * (double)said) / 1e6, "MB");
	bench_print("hundred-suspended", taken(free_bytes) / 1e6, "MB");
	for (unsigned i = 0; i < agents; i++) {
		kmod_disk(disk, disk_talk_at(i % talks, bytes), text, bytes);
		bench_must(agentmem_set_state(all[i].am, AGENTMEM_ACTIVE), "resume");
		is_as_said(all[i].am, all[i].prompt, prompt, room, DISK_PROMPT_BYTES);
		is_as_said(all[i].am, all[i].tools, tools, room, DISK_TOOLS_BYTES);
		memmove(text, text + i / talks % 8 * said, said);
		memcpy(text + said, "end\n", 4);
		is_as_said(all[i].am, all[i].talk, text, room, said + 4);
		agentmem_close(all[i].am);
	}
	bench_print("hundred-left", (double)kmod_all().contents, "");
}
