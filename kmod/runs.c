// SPDX-License-Identifier: GPL-2.0
/*
 * Runs: many blocks of a conversation compressed as one, which takes a quarter
 * less than each for itself, and is undone as one. For what sleeps: to bring
 * one block back all of its run is unpacked, once for all who come for the
 * next ones. Blocks stay contents of their own, shared as ever; a run is there
 * as long as one of them is.
 *
 * By zstd itself, since acomp takes no more than 128 KiB on every kernel; where
 * another compressor is asked for, or the kernel has no zstd, there are none.
 */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/xxhash.h>

#include "contents.h"

#if IS_ENABLED(CONFIG_ZSTD_COMPRESS) && IS_ENABLED(CONFIG_ZSTD_DECOMPRESS)
#include <linux/zstd.h>

#define RUN_BYTES (1u << 20)
/* Of one block nothing is won. */
#define RUN_LEAST_BYTES (128u << 10)
#define RUN_MEMBERS 128u
#define RUN_LEVEL 6

struct am_run {
	refcount_t ref;
	u64 number;		/* never used again */
	u32 plain;
	u32 bytes;
	u64 sum;
	struct am_domain *domain;
	void *packed;
};

struct member {
	struct am_content *content;
	u32 offset;
};

struct am_run_packer {
	zstd_parameters parameters;
	zstd_cctx *context;
	void *workspace;
	u8 *plain;
	u8 *packed;
	u32 count;
	struct member members[RUN_MEMBERS];
};

/* What was unpacked last, for who comes for the block behind it. Inside content->lock; nothing is locked inside of it. */
static struct {
	struct mutex lock;
	u64 number;
	void *workspace;
	zstd_dctx *context;
	u8 *plain;
} unpacked = { .lock = __MUTEX_INITIALIZER(unpacked.lock) };
static atomic64_t last_number;

/* Before there is a run there must be what undoes it: it is kept until the end. */
static bool prepare(void)
{
	bool ready;

	mutex_lock(&unpacked.lock);
	if (!unpacked.context) {
		size_t bytes = zstd_dctx_workspace_bound();

		unpacked.plain = kvmalloc(RUN_BYTES, GFP_KERNEL | __GFP_NOWARN);
		unpacked.workspace = kvmalloc(bytes, GFP_KERNEL | __GFP_NOWARN);
		if (unpacked.plain && unpacked.workspace)
			unpacked.context = zstd_init_dctx(unpacked.workspace, bytes);
		if (!unpacked.context) {
			kvfree(unpacked.plain);
			kvfree(unpacked.workspace);
			unpacked.plain = NULL;
			unpacked.workspace = NULL;
		}
	}
	ready = unpacked.context;
	mutex_unlock(&unpacked.lock);
	return ready;
}

int am_runs_open(void)
{
	return 0;
}

void am_runs_close(void)
{
	kvfree(unpacked.plain);
	kvfree(unpacked.workspace);
}

void am_run_packer_free(struct am_run_packer *packer)
{
	if (!packer)
		return;
	kvfree(packer->workspace);
	kvfree(packer->plain);
	kvfree(packer->packed);
	kvfree(packer);
}

/* NULL where there are no runs, or no memory: then blocks are compressed one by one. */
struct am_run_packer *am_run_packer_new(void)
{
	struct am_run_packer *packer;
	size_t bytes;

	if (strcmp(am_compressor, "zstd") || !prepare())
		return NULL;
	packer = kvzalloc(sizeof(*packer), GFP_KERNEL | __GFP_NOWARN);
	if (!packer)
		return NULL;
	packer->parameters = zstd_get_params(RUN_LEVEL, RUN_BYTES);
	bytes = zstd_cctx_workspace_bound(&packer->parameters.cParams);
	packer->workspace = kvmalloc(bytes, GFP_KERNEL | __GFP_NOWARN);
	packer->plain = kvmalloc(RUN_BYTES, GFP_KERNEL | __GFP_NOWARN);
	packer->packed = kvmalloc(RUN_BYTES, GFP_KERNEL | __GFP_NOWARN);
	if (packer->workspace && packer->plain && packer->packed)
		packer->context = zstd_init_cctx(packer->workspace, bytes);
	if (packer->context)
		return packer;
	am_run_packer_free(packer);
	return NULL;
}

static void count_run(const struct am_run *run, s64 bytes)
{
	atomic64_add(bytes, &run->domain->user->counts.warm_bytes);
	atomic64_add(bytes, &am_all.warm_bytes);
}

void am_run_put(struct am_run *run)
{
	if (!run || !refcount_dec_and_test(&run->ref))
		return;
	count_run(run, -(s64)run->bytes);
	am_domain_put(run->domain);
	kvfree(run->packed);
	kfree(run);
}

/* A block's part of what is stored. */
u32 am_run_share(const struct am_run *run, u32 plain)
{
	return div_u64((u64)run->bytes * plain, run->plain);
}

/* NULL where it does not pay, or there is no memory. One reference. */
static struct am_run *run_of(struct am_run_packer *packer, u32 plain)
{
	const struct am_content *first = packer->members[0].content;
	size_t bytes = zstd_compress_cctx(packer->context, packer->packed, RUN_BYTES, packer->plain, plain, &packer->parameters);
	struct mem_cgroup *before;
	struct am_run *run;

	if (zstd_is_error(bytes) || bytes > plain - plain / 8)
		return NULL;
	before = set_active_memcg(first->memcg);
	run = kzalloc(sizeof(*run), AM_GFP);
	if (run)
		run->packed = kvmalloc(bytes, AM_GFP);
	set_active_memcg(before);
	if (!run || !run->packed) {
		kfree(run);
		return NULL;
	}
	memcpy(run->packed, packer->packed, bytes);
	refcount_set(&run->ref, 1);
	run->number = atomic64_inc_return(&last_number);
	run->plain = plain;
	run->bytes = bytes;
	run->sum = xxh64(run->packed, bytes, 0);
	am_domain_get(first->domain);
	run->domain = first->domain;
	count_run(run, bytes);
	return run;
}

/* Of the blocks from `*index` on those that may go, until a run is full. Plain bytes. */
static u32 gather(struct am_run_packer *packer, struct am_talk *talk, u32 *index, am_may_go may_go, void *context)
{
	u32 plain = 0;

	packer->count = 0;
	down_read(&talk->lock);
	for (; *index < talk->count && packer->count < RUN_MEMBERS; ++*index) {
		struct am_content *content = talk->blocks[*index].content;

		if (plain + content->bytes > RUN_BYTES)
			break;
		if (content->extents_count != 1 || READ_ONCE(content->run) || READ_ONCE(content->incompressible) || READ_ONCE(content->cold_bytes) || !may_go(content, context))
			continue;
		am_content_get(content);
		packer->members[packer->count++] = (struct member){ .content = content, .offset = plain };
		plain += content->bytes;
	}
	up_read(&talk->lock);
	return plain;
}

static s64 pack_run(struct am_run_packer *packer, u32 plain)
{
	struct am_run *run = NULL;
	s64 freed = 0;
	int error = packer->count > 1 && plain >= RUN_LEAST_BYTES ? 0 : -E2BIG;

	for (u32 i = 0; i < packer->count && !error; i++) {
		struct member *member = &packer->members[i];

		error = am_content_read(member->content, 0, packer->plain + member->offset, member->content->bytes);
	}
	if (!error)
		run = run_of(packer, plain);
	for (u32 i = 0; i < packer->count; i++) {
		if (run)
			freed += am_content_join(packer->members[i].content, run, packer->members[i].offset);
		am_content_put(packer->members[i].content);
	}
	am_run_put(run);
	return freed;
}

/* Plain bytes that left their pages. */
s64 am_run_talk(struct am_run_packer *packer, struct am_talk *talk, am_may_go may_go, void *context)
{
	s64 freed = 0;
	u32 index = 0, plain;

	if (!packer)
		return 0;
	do {
		plain = gather(packer, talk, &index, may_go, context);
		freed += pack_run(packer, plain);
		cond_resched();
	} while (plain && !fatal_signal_pending(current));
	return freed;
}

void am_run_get(struct am_run *run)
{
	refcount_inc(&run->ref);
}

/* Under content->lock for writing. Fills whole pages: behind the last byte there are zeros. */
int am_run_unpack(const struct am_run *run, u32 offset, struct page **pages, u32 bytes)
{
	int error = 0;

	mutex_lock(&unpacked.lock);
	if (unpacked.number != run->number) {
		unpacked.number = 0;
		if (xxh64(run->packed, run->bytes, 0) != run->sum || zstd_decompress_dctx(unpacked.context, unpacked.plain, run->plain, run->packed, run->bytes) != run->plain)
			error = -EIO;
		else
			unpacked.number = run->number;
	}
	for (u32 i = 0; !error && i < DIV_ROUND_UP(bytes, PAGE_SIZE); i++) {
		u32 piece = min_t(u32, bytes - i * PAGE_SIZE, PAGE_SIZE);
		u8 *to = page_address(pages[i]);

		memcpy(to, unpacked.plain + offset + i * PAGE_SIZE, piece);
		memset(to + piece, 0, PAGE_SIZE - piece);
	}
	mutex_unlock(&unpacked.lock);
	return error;
}
#else
struct am_run_packer *am_run_packer_new(void)
{
	return NULL;
}

void am_run_packer_free(struct am_run_packer *packer)
{
}

s64 am_run_talk(struct am_run_packer *packer, struct am_talk *talk, am_may_go may_go, void *context)
{
	return 0;
}

void am_run_get(struct am_run *run)
{
}

void am_run_put(struct am_run *run)
{
}

u32 am_run_share(const struct am_run *run, u32 plain)
{
	return 0;
}

int am_run_unpack(const struct am_run *run, u32 offset, struct page **pages, u32 bytes)
{
	return -EIO;
}

int am_runs_open(void)
{
	return 0;
}

void am_runs_close(void)
{
}
#endif
