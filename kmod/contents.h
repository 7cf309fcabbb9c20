/* SPDX-License-Identifier: GPL-2.0 */
/* Contents, and where their bytes are: in memory, compressed, on a file. Its locks stand in agentmem.h. */
#ifndef AM_CONTENTS_H
#define AM_CONTENTS_H

#include <linux/llist.h>

#include "agentmem.h"

/* What is compressed together: the most that the crypto API takes in one call on every kernel. */
#define AM_EXTENT_BYTES (128u << 10)
#define AM_EXTENT_PAGES (AM_EXTENT_BYTES / PAGE_SIZE)

enum am_where {
	AM_IN_MEMORY,
	AM_ON_FILE,
	AM_LOST,	/* was on a file that could not be read when it was taken away */
};

/* Compressed bytes: in memory whole pages and the rest, so that no size class wastes up to half; or a place on the backing file. */
struct am_blob {
	u32 bytes;
	u8 where;		/* enum am_where */
	bool plain;		/* on the file as it is: it does not pay to compress it */
	u64 sum;		/* xxh64, page by page */
	union {
		void *rest;
		struct {
			u64 place;
			struct llist_node later;
		};
	};
	struct page *pages[];
};

/* At least one of the two is there, or the content's run. */
struct am_extent {
	struct page **pages;
	struct am_blob *blob;
	bool far;		/* the pages are on a node without CPUs */
};

struct am_content {
	struct am_entry entry;	/* in the table; its number is that of the content */
	refcount_t ref;
	struct rcu_head rcu;
	struct llist_node later;
	struct am_item *item;
	struct am_domain *domain;
	struct mem_cgroup *memcg;	/* of who handed it in: pays for the compressed bytes too */
	struct am_unit *unit;	/* the flat unit of it, not counted; am_store_lock */
	struct inode *inode;	/* for descriptors and mappings, made with the first; am_store_lock */
	struct rw_semaphore lock;
	u64 bytes;
	u64 used_ms;
	u64 pinned_until_ms;
	u64 look_ms;		/* not looked at before; 0 for at once */
	u32 generation;
	u32 kind;		/* of what was handed in first */
	/* What the last walk over the agents saw. */
	u32 seen_walk;
	u32 seen_state;
	u32 seen_importance;
	u32 extents_count;
	u32 hot_pages;		/* content->lock */
	/* Of extents that have no pages, plain, by where they are; content->lock. */
	u64 warm_bytes;
	u64 cold_bytes;
	u64 packed_bytes;	/* compressed, in memory, as stored; content->lock */
	bool incompressible;
	bool spared;		/* reclaim met it once, and let it be */
	bool retired;		/* not in the table any more: it cannot be read, and another may take its place; am_store_lock */
	struct am_run *run;	/* a block of a conversation, compressed with others of it; content->lock */
	u32 run_offset;
	struct am_extent extents[];
};

/* contents.c */
extern struct mutex am_store_lock;
int am_store_open(void);
void am_store_close(void);
size_t am_store_bytes(void);
/* Fills `bytes` at `to` with what stands at `offset`. */
typedef int (*am_source)(void *context, u64 offset, u8 *to, size_t bytes);
struct am_content *am_content_from(struct am_domain *domain, am_source source, void *context, u64 bytes);
int am_source_user(void *context, u64 offset, u8 *to, size_t bytes);
int am_source_kernel(void *context, u64 offset, u8 *to, size_t bytes);
struct am_content *am_content_find(struct am_domain *domain, const struct am_digest *digest);
bool am_content_get(struct am_content *content);
void am_content_put(struct am_content *content);
/* From reclaim, where no lock may be waited for. */
void am_content_put_later(struct am_content *content);
void am_content_flush(void);
/* Each content in turn, from `*number` on, with a reference; NULL behind the last. */
struct am_content *am_content_next(unsigned long *number);
void am_content_used(struct am_content *content);

/* pages.c */
struct page **am_pages_new(u32 count, gfp_t gfp);
/* Those that are there. */
void am_pages_free(struct page **pages, u32 count);

/* extents.c */
struct am_packer;
void am_count_pages(struct am_content *content, s64 pages);
u32 am_extent_plain(const struct am_content *content, u32 extent);
/* Under content->lock for writing: */
void am_extent_count_out(struct am_content *content, u32 extent, int sign);
void am_blob_count(struct am_content *content, const struct am_blob *blob, int sign);
void am_extent_drop_pages(struct am_content *content, u32 extent);
int am_extent_pack(struct am_content *content, u32 extent, struct am_packer *packer);
/* Plain bytes that left their pages, or an error. `trying`: nobody is waited for, and EAGAIN where somebody had to be. */
s64 am_content_pack(struct am_content *content, struct am_packer *packer, bool trying);
/* For reclaim: pages that went, and bytes, of at least so many where there are. */
u64 am_content_drop_copies(struct am_content *content);
s64 am_content_pack_some(struct am_content *content, struct am_packer *packer, u64 want_bytes);
/* It is in the run too, and nowhere else from now on; bytes that left their pages. */
s64 am_content_join(struct am_content *content, struct am_run *run, u32 offset);
/* Under content->lock for writing. */
void am_content_part(struct am_content *content);
void am_content_free_extents(struct am_content *content);
u64 am_content_stored(struct am_content *content);

/* extents-read.c */
int am_extent_restore(struct am_content *content, u32 extent);
/* Under content->lock for writing. */
int am_extent_restore_locked(struct am_content *content, u32 extent, gfp_t gfp);
struct page *am_content_page(struct am_content *content, u64 index);
ssize_t am_content_read_user(struct am_content *content, u64 offset, void __user *to, size_t bytes);
int am_content_read(struct am_content *content, u64 offset, u8 *to, size_t bytes);
int am_content_restore(struct am_content *content);

/* compress.c */
int am_compress_open(void);
void am_compress_close(void);
bool am_compress_ready(void);
const char *am_compress_driver(void);
struct am_packer *am_packer_new(void);
void am_packer_free(struct am_packer *packer);
int am_pack(struct am_packer *packer, struct page **pages, u32 bytes, struct am_blob **blob);
int am_unpack(const struct am_blob *blob, struct page **pages, u32 bytes);
int am_unpack_pages(struct page *const *packed, u32 packed_bytes, struct page **pages, u32 bytes);
void am_blob_free(struct am_blob *blob);
/* Room of a packer's for one extent, as what is on its way through. */
struct page **am_packer_pages(struct am_packer *packer);
void am_packer_copy_blob(struct am_packer *packer, const struct am_blob *blob);
void am_packer_copy_pages(struct am_packer *packer, struct page *const *pages, u32 bytes);
int am_packer_keep(struct am_packer *packer, u32 bytes, struct am_blob **blob);

/* cold.c: a place on the backing file for as long as the blob is there. */
extern u64 am_cold_most_bytes;
int am_cold_open(void);
void am_cold_close(void);
bool am_cold_there(void);
bool am_cold_ready(void);
int am_cold_write(struct page *const *pages, u32 bytes, bool plain, struct am_blob *blob);
int am_cold_read(const struct am_blob *blob, struct page **pages);
void am_cold_drop(struct am_blob *blob);
void am_cold_lost(u32 bytes);
int am_cold_backing(struct agentmem_abi_backing *args);

/* chill.c */
s64 am_content_chill(struct am_content *content, struct am_packer *packer);
int am_cold_drain(void);

/* runs.c */
struct am_run;
struct am_run_packer;
typedef bool (*am_may_go)(struct am_content *content, void *context);
struct am_run_packer *am_run_packer_new(void);
void am_run_packer_free(struct am_run_packer *packer);
s64 am_run_talk(struct am_run_packer *packer, struct am_talk *talk, am_may_go may_go, void *context);
void am_run_get(struct am_run *run);
void am_run_put(struct am_run *run);
u32 am_run_share(const struct am_run *run, u32 plain);
int am_run_unpack(const struct am_run *run, u32 offset, struct page **pages, u32 bytes);
int am_runs_open(void);
void am_runs_close(void);

/* files.c */
int am_files_open(void);
void am_files_close(void);
int am_file_of(struct am_content *content, struct file **file);
struct am_content *am_content_of_fd(int fd);

/* reclaim.c: what the kernel takes back; an item for each content. */
struct am_item;
int am_reclaim_open(void);
void am_reclaim_close(void);
struct am_item *am_item_new(struct am_content *content);
void am_item_add(struct am_item *item);
void am_item_free(struct am_item *item);

/* node.c */
int am_node_open(void);
void am_node_close(void);
u64 am_far_bytes(void);
void am_far_count(s64 pages);
/* EAGAIN where somebody held the content, ENOMEM where the other node is full. */
int am_content_place(struct am_content *content, const struct am_view *view, u64 warm_after_ms);

#endif
