/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints: what is handed in, shared, compressed, sent away and brought back. Seen by root alone. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM agentmem

#if !defined(AM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define AM_TRACE_H

#include <linux/tracepoint.h>

/* `bytes`: what is handed in, of an append or edit too. */
TRACE_EVENT(agentmem_allocate,
	TP_PROTO(u32 agent, u64 unit, u32 kind, u64 bytes),
	TP_ARGS(agent, unit, kind, bytes),
	TP_STRUCT__entry(
		__field(u64, unit)
		__field(u64, bytes)
		__field(u32, agent)
		__field(u32, kind)
	),
	TP_fast_assign(
		__entry->unit = unit;
		__entry->bytes = bytes;
		__entry->agent = agent;
		__entry->kind = kind;
	),
	TP_printk("agent=%u unit=%llu kind=%u bytes=%llu", __entry->agent, __entry->unit, __entry->kind, __entry->bytes)
);

/* `other` is the agent itself where it takes what is behind a descriptor. */
TRACE_EVENT(agentmem_share,
	TP_PROTO(u32 agent, u32 other, u64 unit),
	TP_ARGS(agent, other, unit),
	TP_STRUCT__entry(
		__field(u64, unit)
		__field(u32, agent)
		__field(u32, other)
	),
	TP_fast_assign(
		__entry->unit = unit;
		__entry->agent = agent;
		__entry->other = other;
	),
	TP_printk("agent=%u other=%u unit=%llu", __entry->agent, __entry->other, __entry->unit)
);

DECLARE_EVENT_CLASS(agentmem_extent,
	TP_PROTO(u64 content, u32 extent, u32 plain, u32 stored),
	TP_ARGS(content, extent, plain, stored),
	TP_STRUCT__entry(
		__field(u64, content)
		__field(u32, extent)
		__field(u32, plain)
		__field(u32, stored)
	),
	TP_fast_assign(
		__entry->content = content;
		__entry->extent = extent;
		__entry->plain = plain;
		__entry->stored = stored;
	),
	TP_printk("content=%llu extent=%u plain=%u stored=%u", __entry->content, __entry->extent, __entry->plain, __entry->stored)
);

/* `stored` is 0 where it does not pay. */
DEFINE_EVENT(agentmem_extent, agentmem_compress, TP_PROTO(u64 content, u32 extent, u32 plain, u32 stored), TP_ARGS(content, extent, plain, stored));
DEFINE_EVENT(agentmem_extent, agentmem_evict, TP_PROTO(u64 content, u32 extent, u32 plain, u32 stored), TP_ARGS(content, extent, plain, stored));
DEFINE_EVENT(agentmem_extent, agentmem_restore, TP_PROTO(u64 content, u32 extent, u32 plain, u32 stored), TP_ARGS(content, extent, plain, stored));

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
