// SPDX-License-Identifier: GPL-2.0
/* Start and end of the module, and its parameters. */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "contents.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

char *am_compressor = "zstd";
module_param_named(compressor, am_compressor, charp, 0444);
MODULE_PARM_DESC(compressor, "algorithm of the crypto API: zstd (default), lz4, deflate-iaa, ..., none; the driver in use stands in /proc/agent_stats");

ulong am_warm_after_ms = 5 * 60 * 1000;
module_param_named(warm_after_ms, am_warm_after_ms, ulong, 0644);
MODULE_PARM_DESC(warm_after_ms, "units that were not read for so many ms are compressed (default 300000)");

ulong am_quota_bytes = 16ul << 30;
module_param_named(quota_bytes, am_quota_bytes, ulong, 0644);
MODULE_PARM_DESC(quota_bytes, "plain bytes an agent may hold (default 16 GiB)");

ulong am_user_most_bytes = 64ul << 30;
module_param_named(user_most_bytes, am_user_most_bytes, ulong, 0644);
MODULE_PARM_DESC(user_most_bytes, "plain bytes all agents of a user may hold (default 64 GiB)");

ulong am_hot_most_bytes;
module_param_named(hot_most_bytes, am_hot_most_bytes, ulong, 0644);
MODULE_PARM_DESC(hot_most_bytes, "more plain bytes in memory than this are compressed whatever their age (default 0: no limit)");

ulong am_free_least_bytes;
module_param_named(free_least_bytes, am_free_least_bytes, ulong, 0644);
MODULE_PARM_DESC(free_least_bytes, "with less memory available than this units are compressed whatever their age; twice and four times that under pressure (default 0: a 32nd of the machine)");

bool am_far_node = true;
module_param_named(far_node, am_far_node, bool, 0444);
MODULE_PARM_DESC(far_node, "what is read seldom moves to a node that has memory and no CPUs, where there is one (default y)");

ulong am_cold_after_ms = 48ul * 60 * 60 * 1000;
module_param_named(cold_after_ms, am_cold_after_ms, ulong, 0644);
MODULE_PARM_DESC(cold_after_ms, "units that were not read for so many ms go to the backing file, where there is one (default 172800000)");

ulong am_warm_most_bytes;
module_param_named(warm_most_bytes, am_warm_most_bytes, ulong, 0644);
MODULE_PARM_DESC(warm_most_bytes, "more compressed bytes in memory than this go to the backing file whatever their age (default 0: no limit)");

uint am_user_agents_most = 4096;
module_param_named(user_agents_most, am_user_agents_most, uint, 0644);
MODULE_PARM_DESC(user_agents_most, "agents a user may have (default 4096)");

uint am_agent_units_most = 1u << 20;
module_param_named(agent_units_most, am_agent_units_most, uint, 0644);
MODULE_PARM_DESC(agent_units_most, "units an agent may hold (default 1048576)");

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "agentmem",
	.fops = &am_device_ops,
	.mode = 0666,
};

/* In the order of start; the end is its reverse. */
static const struct {
	int (*open)(void);
	void (*close)(void);
} parts[] = {
	{ am_store_open, am_store_close },
	{ am_compress_open, am_compress_close },
	{ am_runs_open, am_runs_close },
	{ am_cold_open, am_cold_close },
	{ am_files_open, am_files_close },
	{ am_node_open, am_node_close },
	{ am_reclaim_open, am_reclaim_close },
	{ am_evict_open, am_evict_close },
	{ am_stats_open, am_stats_close },
};

static void close_parts(unsigned int count)
{
	while (count > 0)
		parts[--count].close();
}

static int __init agentmem_init(void)
{
	unsigned int count;
	int error = 0;

	for (count = 0; count < ARRAY_SIZE(parts) && !error; count++)
		error = parts[count].open();
	if (error) {
		close_parts(count - 1);
		return error;
	}
	/* Last: from here on there are callers. */
	error = misc_register(&device);
	if (error)
		close_parts(count);
	return error;
}

/* Open descriptors and mappings hold the module, so there is nothing left in it. */
static void __exit agentmem_exit(void)
{
	misc_deregister(&device);
	close_parts(ARRAY_SIZE(parts));
	WARN_ON(atomic64_read(&am_all.contents) || atomic64_read(&am_all.hot_bytes) || atomic64_read(&am_all.warm_bytes) || atomic64_read(&am_all.cold_bytes));
}

module_init(agentmem_init);
module_exit(agentmem_exit);

MODULE_DESCRIPTION("Memory units that agents share");
MODULE_AUTHOR("Agent Memory Center");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
