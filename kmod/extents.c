// SPDX-License-Identifier: GPL-2.0
/* Extents of a content: pages, compressed bytes, or both; how much there is of either, and the way out of memory. */
#include <linux/memcontrol.h>
#include <linux/sched/mm.h>

#include "extents.h"
#include "trace.h"

/* A whole page more or less of a content that is in the table. */
void am_count_pages(struct am_content *content, s64 pages)
{
	u64 limit = READ_ONCE(am_hot_most_bytes);

	atomic64_add(pages * (s64)PAGE_SIZE, &content->domain->user->counts.hot_bytes);
	if (atomic64_add_return(pages * (s64)PAGE_SIZE, &am_all.hot_bytes) > (s64)limit && limit && pages > 0)
		am_evict_over();
}

/* A compressed form more or less, by where it is. */
void am_blob_count(struct am_content *content, const struct am_blob *blob, int sign)
{
	struct am_counts *user = &content->domain->user->counts;
	s64 bytes = sign * (s64)blob->bytes;

	if (blob->where == AM_IN_MEMORY) {
		WRITE_ONCE(content->packed_bytes, content->packed_bytes + bytes);
		atomic64_add(bytes, &user->warm_bytes);
		atomic64_add(bytes, &am_all.warm_bytes);
	} else {
		atomic64_add(bytes, &user->cold_bytes);
		atomic64_add(bytes, &am_all.cold_bytes);
	}
}

/* An extent more or less that has no pages. */
void am_extent_count_out(struct am_content *content, u32 index, int sign)
{
	s64 bytes = sign * (s64)am_extent_plain(content, index);

	const struct am_blob *blob = content->extents[index].blob;

	if (!blob || blob->where == AM_IN_MEMORY)
		WRITE_ONCE(content->warm_bytes, content->warm_bytes + bytes);
	else
		WRITE_ONCE(content->cold_bytes, content->cold_bytes + bytes);
}

/* Plain bytes of one. */
u32 am_extent_plain(const struct am_content *content, u32 extent)
{
	return min_t(u64, content->bytes - (u64)extent * AM_EXTENT_BYTES, AM_EXTENT_BYTES);
}

/* Under content->lock for writing: pages go, what is compressed stays. */
void am_extent_drop_pages(struct am_content *content, u32 index)
{
	struct am_extent *extent = &content->extents[index];
	struct page **pages = extent->pages;
	struct inode *inode;
	u32 count = am_extent_pages(content, index);

	extent->pages = NULL;
	if (extent->far)
		am_far_count(-(s64)count);
	extent->far = false;
	WRITE_ONCE(content->hot_pages, content->hot_pages - count);
	am_extent_count_out(content, index, 1);
	/* Set without this lock; but who maps comes by here, and finds no pages. */
	inode = READ_ONCE(content->inode);
	if (inode)
		unmap_mapping_range(inode->i_mapping, (loff_t)index * AM_EXTENT_BYTES, (loff_t)count << PAGE_SHIFT, 1);
	am_pages_free(pages, count);
	am_count_pages(content, -(s64)count);
	trace_agentmem_evict(content->entry.number, index, am_extent_plain(content, index), am_extent_copy_bytes(content, index));
}

/* At its end, or of one that never got into the table: nobody else sees it. */
void am_content_free_extents(struct am_content *content)
{
	bool counted = content->entry.number != 0;

	for (u32 i = 0; i < content->extents_count; i++) {
		struct am_extent *extent = &content->extents[i];

		if (extent->far)
			am_far_count(-(s64)am_extent_pages(content, i));
		if (extent->pages)
			am_pages_free(extent->pages, am_extent_pages(content, i));
		if (extent->blob && counted)
			am_blob_count(content, extent->blob, -1);
		am_blob_free(extent->blob);
	}
	am_run_put(content->run);
	if (counted)
		am_count_pages(content, -(s64)content->hot_pages);
}

/* Under content->lock for writing: a compressed form beside the pages. -E2BIG where it does not pay. */
int am_extent_pack(struct am_content *content, u32 index, struct am_packer *packer)
{
	struct am_extent *extent = &content->extents[index];
	u32 plain = am_extent_plain(content, index);
	struct mem_cgroup *before;
	int error;

	/* Whoever does it: idle memory stays charged to whose it is. */
	before = set_active_memcg(content->memcg);
	error = am_pack(packer, extent->pages, plain, &extent->blob);
	set_active_memcg(before);
	trace_agentmem_compress(content->entry.number, index, plain, error ? 0 : extent->blob->bytes);
	if (!error)
		am_blob_count(content, extent->blob, 1);
	return error;
}

/* Under content->lock for writing: bytes that left, 0 where it does not pay. */
static s64 pack(struct am_content *content, u32 index, struct am_packer *packer)
{
	struct am_extent *extent = &content->extents[index];
	int error;

	if (!extent->pages)
		return 0;
	error = am_extent_has_copy(content, index) ? 0 : am_extent_pack(content, index, packer);
	if (error)
		return error == -E2BIG ? 0 : error;
	am_extent_drop_pages(content, index);
	return am_extent_plain(content, index);
}

static s64 pack_up_to(struct am_content *content, struct am_packer *packer, bool trying, u64 want_bytes)
{
	s64 freed = 0;

	if (READ_ONCE(content->incompressible) || !READ_ONCE(content->hot_pages))
		return 0;
	for (u32 i = 0; i < content->extents_count && freed < want_bytes; i++) {
		s64 packed;

		if (trying ? !down_write_trylock(&content->lock) : down_write_killable(&content->lock)) {
			bool enough = !trying || (freed && want_bytes != S64_MAX);

			/* Where all of it was to go, the rest is due still. */
			return enough ? freed : -EAGAIN;
		}
		packed = pack(content, i, packer);
		up_write(&content->lock);
		if (packed < 0)
			return freed ? freed : packed;
		freed += packed;
		cond_resched();
	}
	if (!freed)
		WRITE_ONCE(content->incompressible, true);
	return freed;
}

s64 am_content_pack(struct am_content *content, struct am_packer *packer, bool trying)
{
	return pack_up_to(content, packer, trying, S64_MAX);
}

s64 am_content_pack_some(struct am_content *content, struct am_packer *packer, u64 want_bytes)
{
	return pack_up_to(content, packer, true, want_bytes);
}

s64 am_content_join(struct am_content *content, struct am_run *run, u32 offset)
{
	struct am_extent *extent = content->extents;
	s64 freed = 0;

	if (down_write_killable(&content->lock))
		return 0;
	if (!content->run) {
		am_run_get(run);
		if (!extent->pages)
			am_extent_count_out(content, 0, -1);
		if (extent->blob) {
			am_blob_count(content, extent->blob, -1);
			am_blob_free(extent->blob);
			extent->blob = NULL;
		}
		content->run = run;
		content->run_offset = offset;
		WRITE_ONCE(content->packed_bytes, content->packed_bytes + am_run_share(run, content->bytes));
		if (!extent->pages)
			am_extent_count_out(content, 0, 1);
		if (extent->pages) {
			freed = content->bytes;
			am_extent_drop_pages(content, 0);
		}
	}
	up_write(&content->lock);
	return freed;
}

/* Under content->lock for writing: what it needs of the run it has elsewhere. */
void am_content_part(struct am_content *content)
{
	struct am_run *run = content->run;

	if (!run)
		return;
	WRITE_ONCE(content->packed_bytes, content->packed_bytes - am_run_share(run, content->bytes));
	content->run = NULL;
	am_run_put(run);
}

/* Pages of which there is a compressed copy go without any work: for reclaim, which may hold whatever it likes. */
u64 am_content_drop_copies(struct am_content *content)
{
	u64 freed = 0;

	if (!READ_ONCE(content->hot_pages) || !down_write_trylock(&content->lock))
		return 0;
	for (u32 i = 0; i < content->extents_count; i++) {
		if (!content->extents[i].pages || !am_extent_has_copy(content, i))
			continue;
		freed += am_extent_pages(content, i);
		am_extent_drop_pages(content, i);
	}
	up_write(&content->lock);
	return freed;
}

/* Bytes that it takes now. */
u64 am_content_stored(struct am_content *content)
{
	u64 bytes;

	down_read(&content->lock);
	bytes = (u64)content->hot_pages * PAGE_SIZE;
	for (u32 i = 0; i < content->extents_count; i++) {
		if (content->extents[i].blob)
			bytes += content->extents[i].blob->bytes;
	}
	if (content->run)
		bytes += am_run_share(content->run, content->bytes);
	up_read(&content->lock);
	return bytes;
}
