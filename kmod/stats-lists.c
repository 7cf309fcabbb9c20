// SPDX-License-Identifier: GPL-2.0
/* The figures line by line, for who may know them, a user's own agents, root all: the lists, and /proc/agent_stats. */
#include <linux/pid_namespace.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/user_namespace.h>

#include "contents.h"
#include "stats.h"

#define LINES_MOST 4096u

/* The next one of those that may be seen, with a reference: whose it is can be read of what stays. */
static struct am_agent *agent_after(unsigned long *number, kuid_t uid, bool everybody)
{
	struct am_agent *agent;

	for (;;) {
		rcu_read_lock();
		do {
			agent = xa_find_after(&am_agents, number, U32_MAX, XA_PRESENT);
		} while (agent && !kref_get_unless_zero(&agent->ref));
		rcu_read_unlock();
		if (!agent || everybody || uid_eq(agent->domain->user->uid, uid))
			return agent;
		am_agent_put(agent);
		cond_resched();
	}
}

static int check_list(const struct agentmem_abi_list *list, u32 first_bytes)
{
	return list->reserved || list->line_bytes < first_bytes || list->line_bytes > PAGE_SIZE ? -EINVAL : 0;
}

/* A line as the caller knows it: cut off, or filled up with zeros. */
static int give_line(struct agentmem_abi_list *list, const void *line, size_t bytes)
{
	u8 __user *to = u64_to_user_ptr(list->lines + (u64)list->count * list->line_bytes);
	size_t known = min_t(size_t, bytes, list->line_bytes);

	if (copy_to_user(to, line, known) || clear_user(to + known, list->line_bytes - known))
		return -EFAULT;
	list->count++;
	return 0;
}

int am_list_agents(struct agentmem_abi_list *list)
{
	bool everybody = capable(CAP_SYS_ADMIN);
	u32 most = min(list->most, LINES_MOST);
	unsigned long number = list->after;
	struct am_agent *agent;
	int error = check_list(list, 184);

	list->count = 0;
	if (list->after >= U32_MAX)
		return error;
	while (!error && list->count < most && (agent = agent_after(&number, current_euid(), everybody))) {
		struct agentmem_abi_agent_line line = { .agent = agent->number };
		struct am_agent_sums sums = { };

		am_sum_agent(agent, &sums);
		line.pid = pid_vnr(agent->pid);
		line.state = am_agent_state(agent);
		line.importance = READ_ONCE(agent->importance);
		line.processes = READ_ONCE(agent->processes);
		line.units = sums.units;
		line.bytes = sums.bytes;
		line.shared_bytes = sums.shared;
		line.hot_bytes = sums.hot;
		line.warm_bytes = sums.warm;
		line.cold_bytes = sums.cold;
		line.idle_ms = am_since_ms(READ_ONCE(agent->used_ms));
		memcpy(line.name, agent->name, sizeof(line.name));
		memcpy(line.domain, agent->domain->name, sizeof(line.domain));
		am_agent_put(agent);
		error = give_line(list, &line, sizeof(line));
	}
	list->line_bytes = sizeof(struct agentmem_abi_agent_line);
	return error;
}

struct listing {
	struct agentmem_abi_list *list;
	struct am_agent *agent;
	u32 most;
	bool with_digests;
	int error;
};

/* Whether the list ends here: it is full, or cannot be written to. */
static bool list_unit(struct am_unit *unit, struct listing *listing)
{
	struct agentmem_abi_unit_line line = { .unit = unit->number, .agent = listing->agent->number, .kind = unit->kind };
	struct am_sums sums = { };

	if (listing->list->count >= listing->most)
		return true;
	am_sum_up(unit, &sums);
	line.bytes = am_plain_of(&sums);
	line.stored_bytes = sums.stored;
	line.idle_ms = am_since_ms(READ_ONCE(unit->used_ms));
	line.tier = am_tier_of(&sums);
	line.sharers = sums.sharers;
	line.importance = READ_ONCE(listing->agent->importance);
	if (unit->content && listing->with_digests)
		memcpy(line.digest, unit->content->entry.digest.bytes, sizeof(line.digest));
	listing->error = give_line(listing->list, &line, sizeof(line));
	return listing->error != 0;
}

/* Each of the agent's with a number above `after`. */
static void list_after(struct listing *listing, u64 after)
{
	unsigned long number = after + 1;
	struct am_unit *unit;
	bool stop = false;

	if (after >= ULONG_MAX)
		return;
	while (!stop && (unit = am_unit_next(listing->agent, &number))) {
		stop = list_unit(unit, listing);
		am_unit_put(unit);
		number++;
		cond_resched();
	}
}

/* An agent sees its own domain; who is none sees his user's, as in the list of agents. */
static bool may_see(const struct am_agent *agent, const struct am_agent *other)
{
	if (agent)
		return agent->domain == other->domain;
	return uid_eq(other->domain->user->uid, current_euid()) || capable(CAP_SYS_ADMIN);
}

int am_list_units(struct am_agent *agent, struct agentmem_abi_list *list)
{
	struct listing listing = { .list = list, .most = min(list->most, LINES_MOST), .with_digests = agent };
	int error = check_list(list, 64);

	list->count = 0;
	if (error)
		return error;
	listing.agent = am_agent_find(list->agent || !agent ? list->agent : agent->number);
	if (!listing.agent)
		return -ENOENT;
	if (may_see(agent, listing.agent))
		list_after(&listing, list->after);
	else
		listing.error = -ENOENT;
	am_agent_put(listing.agent);
	list->line_bytes = sizeof(struct agentmem_abi_unit_line);
	return listing.error;
}

static const char *const states[] = { [AM_STATE_ACTIVE] = "active", [AM_STATE_IDLE] = "idle", [AM_STATE_SUSPENDED] = "suspended", [AM_STATE_GONE] = "gone" };

static void show_agent(struct seq_file *file, struct am_agent *agent)
{
	struct am_agent_sums sums = { };

	am_sum_agent(agent, &sums);
	seq_printf(file, "%u %d %u ", agent->number, pid_vnr(agent->pid), from_kuid_munged(current_user_ns(), agent->domain->user->uid));
	seq_printf(file, "%s %u %llu %llu %llu ", states[am_agent_state(agent)], READ_ONCE(agent->importance), sums.units, sums.bytes, sums.shared);
	seq_printf(file, "%llu %llu %llu ", sums.hot, sums.warm, am_since_ms(READ_ONCE(agent->used_ms)));
	seq_escape(file, agent->name, " \t\n\\");
	seq_putc(file, ' ');
	if (agent->domain->name[0])
		seq_escape(file, agent->domain->name, " \t\n\\");
	else
		seq_putc(file, '-');
	/* Columns that came later stand at the end. */
	seq_printf(file, " %llu\n", sums.cold);
}

/* That there is one, and how large it may become, is for everybody; how it stands tells of others. */
static void show_backing(struct seq_file *file, bool everybody)
{
	static const char *const words[] = { "none", "in-use", "full", "failing" };
	struct agentmem_abi_backing backing = { };
	u32 state;

	/* Only asks, so it is never refused. */
	am_cold_backing(&backing);
	state = everybody || !backing.state ? backing.state : AGENTMEM_ABI_BACKING_IN_USE;
	seq_printf(file, " backing %s backing_bytes %llu backing_used_bytes %llu\n", words[state], backing.most_bytes, everybody ? backing.used_bytes : 0);
}

/* What was allowed to who opened it: a descriptor that is passed on shows what he would have seen. */
static int show(struct seq_file *file, void *unused)
{
	const struct cred *cred = file->file->f_cred;
	bool everybody = file_ns_capable(file->file, &init_user_ns, CAP_SYS_ADMIN);
	struct agentmem_abi_all_stat stat = { };
	struct am_agent *agent;
	unsigned long number = 0;
	int error = am_sum_all(cred->euid, everybody, &stat);

	if (error)
		return error;
	seq_puts(file, "agent pid uid state importance units bytes shared_bytes hot_bytes warm_bytes idle_ms name domain cold_bytes\n");
	while ((agent = agent_after(&number, cred->euid, everybody))) {
		show_agent(file, agent);
		am_agent_put(agent);
	}
	seq_printf(file, "total agents %llu units %llu bytes %llu contents %llu content_bytes %llu ", stat.agents, stat.units, stat.bytes, stat.contents, stat.content_bytes);
	seq_printf(file, "hot_bytes %llu warm_bytes %llu cold_bytes %llu far_bytes %llu compressor %s", stat.hot_bytes, stat.warm_bytes, stat.cold_bytes, everybody ? am_far_bytes() : 0, am_compress_driver());
	show_backing(file, everybody);
	return 0;
}

int am_stats_open(void)
{
	return proc_create_single("agent_stats", 0444, NULL, show) ? 0 : -ENOMEM;
}

void am_stats_close(void)
{
	remove_proc_entry("agent_stats", NULL);
}
