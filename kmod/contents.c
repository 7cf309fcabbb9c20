// SPDX-License-Identifier: GPL-2.0
/* Contents: one for the same bytes of a domain. Writers of the table take am_store_lock, readers RCU. */
#include <linux/memcontrol.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "contents.h"

DEFINE_MUTEX(am_store_lock);
static struct am_table *table;
/* All of them by number, for walks. */
static DEFINE_XARRAY_ALLOC1(contents);

static void *table_allocate(void *context, am_size bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

static void table_release(void *context, void *memory, am_size bytes)
{
	kvfree(memory);
}

/* Seldom: when the table has doubled. */
static void table_retire(void *context, void *memory, am_size bytes)
{
	synchronize_rcu();
	kvfree(memory);
}

int am_store_open(void)
{
	const struct am_host host = { .allocate = table_allocate, .release = table_release };
	struct am_seed seed;

	get_random_bytes(&seed, sizeof(seed));
	table = am_table_open(&host, &seed, table_retire, NULL);
	return table ? 0 : -ENOMEM;
}

void am_store_close(void)
{
	WARN_ON(am_table_count(table) != 0 || !xa_empty(&contents));
	am_table_close(table);
	xa_destroy(&contents);
}

size_t am_store_bytes(void)
{
	size_t bytes;

	mutex_lock(&am_store_lock);
	bytes = am_table_bytes(table);
	mutex_unlock(&am_store_lock);
	return bytes;
}

bool am_content_get(struct am_content *content)
{
	return refcount_inc_not_zero(&content->ref);
}

static void content_free(struct am_content *content)
{
	am_item_free(content->item);
	am_content_free_extents(content);
	mem_cgroup_put(content->memcg);
	if (content->inode)
		iput(content->inode);
	am_domain_put(content->domain);
	kvfree_rcu(content, rcu);
}

static void count_content(struct am_content *content, int sign)
{
	struct am_counts *user = &content->domain->user->counts;

	atomic64_add(sign, &user->contents);
	atomic64_add(sign * (s64)content->bytes, &user->content_bytes);
	atomic64_add(sign, &am_all.contents);
	atomic64_add(sign * (s64)content->bytes, &am_all.content_bytes);
}

void am_content_put(struct am_content *content)
{
	if (!refcount_dec_and_mutex_lock(&content->ref, &am_store_lock))
		return;
	if (!content->retired)
		am_table_remove(table, &content->entry);
	xa_erase(&contents, content->entry.number);
	mutex_unlock(&am_store_lock);
	count_content(content, -1);
	content_free(content);
}

static LLIST_HEAD(put_later);

static void put_all(struct work_struct *work)
{
	struct am_content *content, *next;

	llist_for_each_entry_safe(content, next, llist_del_all(&put_later), later)
		am_content_put(content);
}

static DECLARE_WORK(put_work, put_all);

void am_content_put_later(struct am_content *content)
{
	if (refcount_dec_not_one(&content->ref))
		return;
	/* The last one: nobody else can be putting it there. */
	llist_add(&content->later, &put_later);
	schedule_work(&put_work);
}

void am_content_flush(void)
{
	flush_work(&put_work);
}

struct am_content *am_content_next(unsigned long *number)
{
	struct am_content *content;

	rcu_read_lock();
	content = xa_find(&contents, number, ULONG_MAX, XA_PRESENT);
	while (content && !am_content_get(content))
		content = xa_find_after(&contents, number, ULONG_MAX, XA_PRESENT);
	rcu_read_unlock();
	return content;
}

void am_content_used(struct am_content *content)
{
	WRITE_ONCE(content->used_ms, am_now_ms());
	WRITE_ONCE(content->generation, 0);
	WRITE_ONCE(content->look_ms, 0);
	WRITE_ONCE(content->spared, false);
}

/* Without a lock. */
struct am_content *am_content_find(struct am_domain *domain, const struct am_digest *digest)
{
	struct am_entry *entry;
	struct am_content *content = NULL;

	rcu_read_lock();
	entry = am_table_find_digest(table, domain->number, digest);
	if (entry) {
		content = container_of(entry, struct am_content, entry);
		if (!am_content_get(content))
			content = NULL;
	}
	rcu_read_unlock();
	return content;
}

static struct am_content *content_new(struct am_domain *domain, u64 bytes)
{
	u32 extents = DIV_ROUND_UP_ULL(bytes, AM_EXTENT_BYTES);
	struct am_content *content = kvzalloc(struct_size(content, extents, extents), AM_GFP);

	if (!content)
		return NULL;
	refcount_set(&content->ref, 1);
	init_rwsem(&content->lock);
	content->item = am_item_new(content);
	if (!content->item) {
		kvfree(content);
		return NULL;
	}
	am_domain_get(domain);
	content->domain = domain;
	content->memcg = get_mem_cgroup_from_mm(current->mm);
	content->bytes = bytes;
	content->extents_count = extents;
	content->used_ms = am_now_ms();
	return content;
}

/* Copies into pages of the content's own and hashes what was copied, so that nobody can change it in between. */
static int fill(struct am_content *content, am_source source, void *context)
{
	am_sha256 sha;
	u64 done = 0;
	int error;

	sha256_init(&sha);
	for (u32 extent = 0; extent < content->extents_count; extent++) {
		u32 plain = am_extent_plain(content, extent);
		u32 count = DIV_ROUND_UP(plain, PAGE_SIZE);
		struct page **pages = kcalloc(count, sizeof(*pages), AM_GFP);

		if (!pages)
			return -ENOMEM;
		content->extents[extent].pages = pages;
		for (u32 i = 0; i < count; i++) {
			size_t piece = min_t(size_t, content->bytes - done, PAGE_SIZE);
			u8 *to;

			pages[i] = alloc_page(AM_GFP);
			if (!pages[i])
				return -ENOMEM;
			content->hot_pages++;
			to = page_address(pages[i]);
			error = source(context, done, to, piece);
			if (error)
				return error;
			memset(to + piece, 0, PAGE_SIZE - piece);
			sha256_update(&sha, to, piece);
			done += piece;
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	sha256_final(&sha, content->entry.digest.bytes);
	return 0;
}

/* 1 where both have the same bytes, 0 where not. */
static int same(struct am_content *fresh, struct am_content *old)
{
	u64 pages = DIV_ROUND_UP_ULL(fresh->bytes, PAGE_SIZE);

	if (fresh->bytes != old->bytes)
		return 0;
	for (u64 i = 0; i < pages; i++) {
		struct page *page = am_content_page(old, i);
		int differs;

		if (IS_ERR(page))
			return PTR_ERR(page);
		differs = memcmp(page_address(page), page_address(fresh->extents[i / AM_EXTENT_PAGES].pages[i % AM_EXTENT_PAGES]), PAGE_SIZE);
		put_page(page);
		if (differs)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 1;
}

/* It cannot be read: who hands the same in again gets a new one, and who holds this keeps it. */
static void retire(struct am_content *content)
{
	mutex_lock(&am_store_lock);
	if (!content->retired) {
		content->retired = true;
		am_table_remove(table, &content->entry);
	}
	mutex_unlock(&am_store_lock);
}

/* 0: it is in the table now; 1: another one was there first. */
static int publish(struct am_content *content)
{
	struct am_entry *entry = &content->entry;
	u32 number;
	int error;

	/* Descriptors hold contents that no agent holds any more: they count here, and nowhere else. */
	if (atomic64_read(&content->domain->user->counts.content_bytes) + content->bytes > READ_ONCE(am_user_most_bytes))
		return -EDQUOT;
	if (mutex_lock_killable(&am_store_lock))
		return -EINTR;
	if (am_table_find_digest(table, entry->domain, &entry->digest)) {
		mutex_unlock(&am_store_lock);
		return 1;
	}
	/* Before anybody sees it, and sends it away. */
	count_content(content, 1);
	am_count_pages(content, content->hot_pages);
	error = xa_alloc(&contents, &number, content, xa_limit_32b, GFP_KERNEL_ACCOUNT);
	if (error) {
		count_content(content, -1);
		am_count_pages(content, -(s64)content->hot_pages);
	} else {
		entry->number = number;
		am_table_add(table, entry);
		am_item_add(content->item);
	}
	mutex_unlock(&am_store_lock);
	return error;
}

static void content_abandon(struct am_content *content)
{
	am_item_free(content->item);
	am_content_free_extents(content);
	mem_cgroup_put(content->memcg);
	am_domain_put(content->domain);
	kvfree(content);
}

int am_source_user(void *context, u64 offset, u8 *to, size_t bytes)
{
	const void __user *user = (const void __user __force *)context;

	return copy_from_user(to, user + offset, bytes) ? -EFAULT : 0;
}

int am_source_kernel(void *context, u64 offset, u8 *to, size_t bytes)
{
	memcpy(to, (u8 *)context + offset, bytes);
	return 0;
}

struct am_content *am_content_from(struct am_domain *domain, am_source source, void *context, u64 bytes)
{
	struct am_content *fresh = content_new(domain, bytes);
	struct am_content *old;
	int error;

	if (!fresh)
		return ERR_PTR(-ENOMEM);
	error = fill(fresh, source, context);
	fresh->entry.domain = domain->number;
	fresh->entry.has_digest = true;
	while (!error) {
		old = am_content_find(domain, &fresh->entry.digest);
		if (old) {
			int is_same = same(fresh, old);

			if (is_same == 1) {
				content_abandon(fresh);
				am_content_used(old);
				return old;
			}
			if (is_same == -EIO) {
				retire(old);
				am_content_put(old);
				continue;
			}
			am_content_put(old);
			/* Two contents with one SHA-256: not to be believed, so not to be stored. */
			error = is_same < 0 ? is_same : -EIO;
			break;
		}
		error = publish(fresh);
		if (!error)
			return fresh;
		if (error < 0)
			break;
		/* Found by digest but being freed, or just added: look again. */
		error = fatal_signal_pending(current) ? -EINTR : 0;
		cond_resched();
	}
	content_abandon(fresh);
	return ERR_PTR(error);
}
