// SPDX-License-Identifier: GPL-2.0
/* What a worker does to units, its own and those of others, one step after another. */
#include "race.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define TALK_MOST (512u << 10)
#define UNITS_MOST 16u

/* Refused for want of room, or because somebody took it away. */
static bool expected(void)
{
	return errno == ENOENT || errno == ENOMEM || errno == EDQUOT || errno == EMFILE || errno == EINTR;
}

static void give(struct worker *w, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 1;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	if (sendmsg(w->mail_out, &message, MSG_DONTWAIT) == 1)
		count(PASSED);
}

int take(int mail)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { &byte, 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head;
	int fd = -1;

	if (recvmsg(mail, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != 1)
		return -1;
	head = CMSG_FIRSTHDR(&message);
	if (head)
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
	return fd;
}

/* Maps what a descriptor is of and looks at all of it; closed before or after. */
static void look_at(struct worker *w, int fd)
{
	off_t bytes = lseek(fd, 0, SEEK_END);
	char *map;

	if (bytes <= 0) {
		close(fd);
		return;
	}
	map = mmap(NULL, (size_t)bytes, PROT_READ, kit_random(&w->seed) % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	CHECK(map != MAP_FAILED);
	if (kit_random(&w->seed) % 3 == 0)
		give(w, fd);
	if (kit_random(&w->seed) % 4 == 0)
		ioctl(w->agent, AGENTMEM_IOC_SHARE, &SIZED(share, .fd = fd));
	close(fd);
	if (kit_random(&w->seed) % 4 == 0)
		kit_state(w->agent, AGENTMEM_ABI_SUSPENDED);
	CHECK(whole(map, (uint32_t)bytes) || whole_records(map, (size_t)bytes));
	munmap(map, (size_t)bytes);
	count(MAPS);
}

static void add_unit(struct worker *w)
{
	bool talk = kit_random(&w->seed) % 2;
	uint32_t which = kit_random(&w->seed) % 24, bytes = (uint32_t)sizeof(struct head) + which * which * 270;

	if (talk)
		bytes = fill_records(w, 300);
	else
		fill(w->data, which, bytes);
	if (!kit_alloc(w->agent, talk ? AGENTMEM_ABI_CONVERSATION : 2 + which % 4, w->data, bytes))
		CHECK(expected());
	count(ALLOCS);
}

static void change(struct worker *w, const struct agentmem_abi_unit_line *unit)
{
	uint64_t records = unit->bytes / RECORD_BYTES;
	struct agentmem_abi_edit args = SIZED(edit, .unit = unit->unit, .data = (uintptr_t)w->data, .bytes = fill_records(w, 120));
	struct agentmem_abi_fork fork_args = SIZED(fork, .unit = unit->unit, .prefix_bytes = kit_random(&w->seed) % (records + 1) * RECORD_BYTES);

	switch (kit_random(&w->seed) % 4) {
	case 0:
		fork_args.flags = kit_random(&w->seed) % 2 ? AGENTMEM_ABI_WANT_FD : 0;
		if (ioctl(w->agent, AGENTMEM_IOC_FORK, &fork_args) < 0)
			CHECK(expected());
		else if (fork_args.fd >= 0)
			look_at(w, fork_args.fd);
		count(FORKS);
		break;
	case 1:
		args.offset = kit_random(&w->seed) % (records + 1) * RECORD_BYTES;
		args.old_bytes = kit_random(&w->seed) % 100 * RECORD_BYTES;
		/* ERANGE where somebody made it shorter. */
		if (ioctl(w->agent, AGENTMEM_IOC_EDIT, &args) < 0)
			CHECK(expected() || errno == ERANGE);
		count(EDITS);
		break;
	default:
		if (ioctl(w->agent, AGENTMEM_IOC_APPEND, &args) < 0)
			CHECK(expected());
		count(APPENDS);
	}
}

/* What somebody edits between two blocks of one read is torn, once; never again and again. */
#define TORN_MOST 50

static void read_unit(struct worker *w, const struct agentmem_abi_unit_line *unit)
{
	bool talk = unit->kind == AGENTMEM_ABI_CONVERSATION;
	uint64_t offset = talk ? kit_random(&w->seed) % (unit->bytes / RECORD_BYTES + 1) * RECORD_BYTES : 0;
	size_t wanted = talk ? 40 * RECORD_BYTES : FLAT_MOST / RECORD_BYTES * RECORD_BYTES;
	bool good = false;

	for (int i = 0; i < TORN_MOST && !good; i++) {
		ssize_t got = kit_read(w->agent, unit->unit, offset, w->back, wanted);

		if (got < 0) {
			CHECK(expected());
			return;
		}
		good = whole_records(w->back, (size_t)got) || (!talk && whole(w->back, (uint32_t)got));
		if (!talk) {
			good = good && (uint64_t)got == (unit->bytes < wanted ? unit->bytes : wanted);
			break;
		}
	}
	if (!good)
		tell("read", unit, w->back);
	count(READS);
}

static void share(struct worker *w, uint64_t unit)
{
	struct agentmem_abi_agent_line lines[16];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)lines, .most = 16, .line_bytes = sizeof(lines[0]));

	GIVES(0, ioctl(w->agent, AGENTMEM_IOC_LIST_AGENTS, &args));
	if (!args.count)
		return;
	if (ioctl(w->agent, AGENTMEM_IOC_SHARE, &SIZED(share, .unit = unit, .agent = lines[kit_random(&w->seed) % args.count].agent, .fd = -1)) < 0)
		CHECK(expected());
	count(SHARES);
}

/* Another process acts for the same agent for a moment. */
static void second(struct worker *w)
{
	struct agentmem_abi_agent_stat stat = SIZED(agent_stat);
	struct agentmem_abi_register args = SIZED(register);
	pid_t child;

	if (ioctl(w->agent, AGENTMEM_IOC_STAT_AGENT, &stat) < 0)
		return;
	memcpy(args.token, stat.token, sizeof(args.token));
	child = fork();
	if (child == 0) {
		int joined = kit_device();

		ioctl(joined, AGENTMEM_IOC_REGISTER, &args);
		fill(w->data, kit_random(&w->seed) % 500, RECORD_BYTES);
		kit_alloc(joined, AGENTMEM_ABI_OTHER, w->data, RECORD_BYTES);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void step(struct worker *w)
{
	struct agentmem_abi_unit_line lines[UNITS_MOST * 2];
	struct agentmem_abi_list args = SIZED(list, .lines = (uintptr_t)lines, .most = UNITS_MOST * 2, .line_bytes = sizeof(lines[0]));
	const struct agentmem_abi_unit_line *unit;
	int fd;

	GIVES(0, ioctl(w->agent, AGENTMEM_IOC_LIST_UNITS, &args));
	if (!args.count) {
		add_unit(w);
		return;
	}
	unit = &lines[kit_random(&w->seed) % args.count];
	if (args.count > UNITS_MOST || unit->bytes > TALK_MOST) {
		if (kit_free(w->agent, unit->unit) < 0)
			CHECK(expected());
		return;
	}
	switch (kit_random(&w->seed) % 16) {
	case 0: case 1: case 2:
		add_unit(w);
		break;
	case 3: case 4: case 5:
		read_unit(w, unit);
		break;
	case 6: case 7:
		fd = kit_open(w->agent, unit->unit);
		if (fd >= 0)
			look_at(w, fd);
		else
			CHECK(expected() || errno == EINVAL);
		break;
	case 8: case 9:
		if (unit->kind == AGENTMEM_ABI_CONVERSATION)
			change(w, unit);
		break;
	case 10:
		share(w, unit->unit);
		break;
	case 11:
		fd = take(w->mail_in);
		if (fd >= 0)
			look_at(w, fd);
		break;
	case 12:
		kit_state(w->agent, AGENTMEM_ABI_SUSPENDED);
		if (kit_random(&w->seed) % 2)
			kit_state(w->agent, AGENTMEM_ABI_ACTIVE);
		count(SUSPENDS);
		break;
	case 13:
		ioctl(w->agent, AGENTMEM_IOC_MARK_HOT, &SIZED(unit, .unit = unit->unit));
		ioctl(w->agent, AGENTMEM_IOC_STAT_UNIT, &SIZED(unit_stat, .unit = unit->unit));
		ioctl(w->agent, AGENTMEM_IOC_IMPORTANCE, &SIZED(value, .value = kit_random(&w->seed) % 101));
		break;
	case 14:
		if (kit_free(w->agent, unit->unit) < 0)
			CHECK(expected());
		break;
	default:
		if (kit_random(&w->seed) % 8 == 0)
			second(w);
	}
}

void *run_worker(void *context)
{
	struct worker *w = context;

	w->data = malloc(FLAT_MOST);
	w->back = malloc(FLAT_MOST);
	while (!kit_failed)
		step(w);
	return NULL;
}
