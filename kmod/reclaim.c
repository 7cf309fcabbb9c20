// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel takes back when memory is short, for the machine and for one
 * cgroup: contents stand in a list for each cgroup that pays for them. First go
 * pages of which there is a compressed copy. Then what nobody reads is
 * compressed on the spot, in pages that are kept ready for it: so memory is
 * given back before somebody is killed for it, or refused it.
 *
 * Reclaim may begin under nearly every lock: here none is waited for.
 */
#include <linux/list_lru.h>
#include <linux/sched.h>

#include "contents.h"

#define BATCH 16u
/* Looked at in one call. */
#define WALK_MOST 256u
/* Read a moment ago: it would come back at once. */
#define FRESH_MS 500u

struct am_item {
	struct list_head link;
	struct am_content *content;
};

static struct kmem_cache *items;
static struct list_lru list;
static struct shrinker *shrinker;
/* The list is there: a shrinker has its number before it can be made. */
static bool ready;
static struct am_packer *packer;
static DEFINE_MUTEX(packer_lock);

/* Charged as the content is: by this it is found which list it belongs in. */
struct am_item *am_item_new(struct am_content *content)
{
	struct am_item *item = kmem_cache_alloc_lru(items, &list, AM_GFP);

	if (!item)
		return NULL;
	INIT_LIST_HEAD(&item->link);
	item->content = content;
	return item;
}

void am_item_add(struct am_item *item)
{
	am_lru_add(&list, &item->link);
}

/* Also of one that was not added. */
void am_item_free(struct am_item *item)
{
	if (!item)
		return;
	am_lru_del(&list, &item->link);
	kmem_cache_free(items, item);
}

struct batch {
	struct am_content *contents[BATCH];
	u32 count;
};

/* Under the list's lock: it is in the list, so it is not freed. Who was looked at goes to the end. */
static enum lru_status take(struct list_head *link, struct list_lru_one *of, AM_LRU_LOCK void *context)
{
	struct am_content *content = container_of(link, struct am_item, link)->content;
	struct batch *batch = context;

	if (READ_ONCE(content->hot_pages) && batch->count < BATCH && am_content_get(content))
		batch->contents[batch->count++] = content;
	return LRU_ROTATE;
}

/* What is in use goes when it is met a second time, and was not read in between. */
static bool may_go(struct am_content *content, u64 now_ms)
{
	u64 used_ms = READ_ONCE(content->used_ms);
	bool fresh = used_ms + FRESH_MS > now_ms;
	bool away = READ_ONCE(content->seen_state) >= AM_STATE_SUSPENDED && !fresh;

	if (READ_ONCE(content->pinned_until_ms) > now_ms)
		return false;
	if (away || READ_ONCE(content->spared))
		return true;
	WRITE_ONCE(content->spared, true);
	return false;
}

/* Pages that were freed. */
static unsigned long shrink(struct am_content *content, unsigned long want, u64 now_ms)
{
	unsigned long freed;
	s64 packed = 0;

	if (!may_go(content, now_ms))
		return 0;
	freed = am_content_drop_copies(content);
	/* Not where somebody only empties caches. */
	if (freed >= want || !(current->flags & PF_MEMALLOC) || !am_compress_ready() || !mutex_trylock(&packer_lock))
		return freed;
	packed = am_content_pack_some(content, packer, (u64)(want - freed) << PAGE_SHIFT);
	mutex_unlock(&packer_lock);
	return freed + (packed > 0 ? packed >> PAGE_SHIFT : 0);
}

static unsigned long shrink_scan(struct shrinker *me, struct shrink_control *control)
{
	unsigned long left = min_t(unsigned long, list_lru_shrink_count(&list, control), WALK_MOST), freed = 0;
	u64 now_ms = am_now_ms();

	while (left && freed < control->nr_to_scan) {
		unsigned long walk = min_t(unsigned long, left, BATCH);
		struct batch batch = { };

		left -= walk;
		list_lru_walk_one(&list, control->nid, control->memcg, take, &batch, &walk);
		for (u32 i = 0; i < batch.count; i++) {
			if (freed < control->nr_to_scan)
				freed += shrink(batch.contents[i], control->nr_to_scan - freed, now_ms);
			am_content_put_later(batch.contents[i]);
		}
	}
	if (freed < control->nr_to_scan)
		am_evict_short();
	return freed ?: SHRINK_STOP;
}

/* In pages: of all contents of this list, as they are on average. */
static unsigned long shrink_count(struct shrinker *me, struct shrink_control *control)
{
	u64 pages = atomic64_read(&am_all.hot_bytes) >> PAGE_SHIFT, contents = atomic64_read(&am_all.contents);
	unsigned long count;

	if (!smp_load_acquire(&ready) || !pages || !contents)
		return 0;
	count = list_lru_shrink_count(&list, control);
	return count ? mul_u64_u64_div_u64(pages, count, max_t(u64, contents, count)) ?: 1 : SHRINK_EMPTY;
}

int am_reclaim_open(void)
{
	int error = -ENOMEM;

	packer = am_packer_new();
	items = kmem_cache_create("agentmem_item", sizeof(struct am_item), 0, SLAB_ACCOUNT, NULL);
	shrinker = am_shrinker_alloc();
	if (!packer || !items || !shrinker)
		goto no_shrinker;
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker->seeks = DEFAULT_SEEKS;
	shrinker->batch = AM_EXTENT_PAGES;
	error = am_shrinker_register(shrinker);
	if (error)
		goto no_shrinker;
	error = list_lru_init_memcg(&list, shrinker);
	if (error) {
		am_shrinker_free(shrinker);
		shrinker = NULL;
		goto no_shrinker;
	}
	smp_store_release(&ready, true);
	return 0;

no_shrinker:
	if (shrinker)
		am_shrinker_discard(shrinker);
	kmem_cache_destroy(items);
	am_packer_free(packer);
	return error;
}

/* No content is left, but such as reclaim had in its hands. */
void am_reclaim_close(void)
{
	am_shrinker_free(shrinker);
	am_content_flush();
	list_lru_destroy(&list);
	kmem_cache_destroy(items);
	am_packer_free(packer);
}
