// SPDX-License-Identifier: GPL-2.0
/* Extents on their way to the backing file, and all of them back from it. */
#include <linux/memcontrol.h>

#include "contents.h"
#include "trace.h"

/* Under content->lock for writing: what stands in `blob` from now on; the old one is freed. */
static void replace(struct am_content *content, u32 index, struct am_blob *blob)
{
	struct am_extent *extent = &content->extents[index];
	bool was_out = !extent->pages;

	if (was_out)
		am_extent_count_out(content, index, -1);
	if (extent->blob)
		am_blob_count(content, extent->blob, -1);
	am_blob_free(extent->blob);
	extent->blob = blob;
	if (blob)
		am_blob_count(content, blob, 1);
	if (was_out)
		am_extent_count_out(content, index, 1);
}

/* Bytes that are to be written, in the packer's pages; 0 where there is nothing to do. */
static u32 take_copy(struct am_content *content, u32 index, struct am_packer *packer, struct am_blob **of)
{
	struct am_extent *extent = &content->extents[index];
	u32 plain = am_extent_plain(content, index);

	*of = extent->blob;
	if (extent->blob && extent->blob->where != AM_IN_MEMORY) {
		if (extent->pages)
			am_extent_drop_pages(content, index);
		return 0;
	}
	if (extent->blob) {
		am_packer_copy_blob(packer, extent->blob);
		return extent->blob->bytes;
	}
	am_packer_copy_pages(packer, extent->pages, plain);
	return plain;
}

/* Plain bytes that left memory, 0 where they were not in it, or an error. */
static s64 chill(struct am_content *content, u32 index, struct am_packer *packer)
{
	struct am_extent *extent = &content->extents[index];
	struct am_blob *old, *fresh;
	struct mem_cgroup *before;
	s64 moved = 0;
	int error = 0;
	u32 bytes;

	if (down_write_killable(&content->lock))
		return -EINTR;
	/* Of a run it is taken out: others of it may stay. */
	if (!extent->pages && !extent->blob)
		error = am_extent_restore_locked(content, index, AM_GFP);
	if (!error && !extent->blob)
		am_extent_pack(content, index, packer);
	if (error) {
		up_write(&content->lock);
		return error;
	}
	bytes = take_copy(content, index, packer, &old);
	up_write(&content->lock);
	if (!bytes)
		return 0;
	/* No lock is held while it is written: readers do not wait for it. */
	before = set_active_memcg(content->memcg);
	fresh = kzalloc(sizeof(*fresh), AM_GFP);
	/* What the file takes up in memory is not the group's. */
	set_active_memcg(before);
	if (!fresh)
		return -ENOMEM;
	error = am_cold_write(am_packer_pages(packer), bytes, !old, fresh);
	if (error)
		return error;
	down_write(&content->lock);
	if (extent->blob == old) {
		replace(content, index, fresh);
		am_content_part(content);
		if (extent->pages)
			am_extent_drop_pages(content, index);
		moved = am_extent_plain(content, index);
	} else {
		am_blob_free(fresh);
	}
	up_write(&content->lock);
	return moved;
}

s64 am_content_chill(struct am_content *content, struct am_packer *packer)
{
	s64 moved = 0;

	for (u32 i = 0; i < content->extents_count; i++) {
		s64 one = chill(content, i, packer);

		if (one < 0)
			return moved ? moved : one;
		moved += one;
		cond_resched();
	}
	return moved;
}

/* Under content->lock for writing. What cannot be read is lost: it gives EIO from now on. */
static int bring_back(struct am_content *content, u32 index, struct am_packer *packer)
{
	struct am_extent *extent = &content->extents[index];
	struct am_blob *blob = extent->blob, *fresh = NULL;
	int error = 0;

	if (!blob || blob->where != AM_ON_FILE)
		return 0;
	if (!extent->pages && blob->plain) {
		error = am_extent_restore_locked(content, index, AM_GFP);
	} else if (!extent->pages) {
		error = am_cold_read(blob, am_packer_pages(packer));
		if (!error)
			error = am_packer_keep(packer, blob->bytes, &fresh);
	}
	if (error == -EIO) {
		fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
		error = fresh ? 0 : -ENOMEM;
		if (fresh) {
			fresh->where = AM_LOST;
			am_cold_lost(am_extent_plain(content, index));
		}
	}
	if (!error)
		replace(content, index, fresh);
	return error;
}

/* Everything, to memory: compressed where it was, else as pages. */
int am_cold_drain(void)
{
	struct am_packer *packer = am_packer_new();
	struct am_content *content;
	unsigned long number = 0;
	int error = packer ? 0 : -ENOMEM;

	while (!error && (content = am_content_next(&number))) {
		struct mem_cgroup *before = set_active_memcg(content->memcg);

		for (u32 i = 0; i < content->extents_count && !error; i++) {
			if (down_write_killable(&content->lock)) {
				error = -EINTR;
				break;
			}
			error = bring_back(content, i, packer);
			up_write(&content->lock);
			cond_resched();
		}
		set_active_memcg(before);
		am_content_put(content);
		number++;
	}
	am_packer_free(packer);
	return error;
}
