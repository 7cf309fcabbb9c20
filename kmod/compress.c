// SPDX-License-Identifier: GPL-2.0
/* Compression through the crypto API, so that software and hardware go the same way. */
#include <linux/crypto.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/xxhash.h>

#include "contents.h"

static struct crypto_acomp *transform;

/*
 * Requests that nobody uses now. Until 6.14 one for a compressor in software
 * brings its workspace along, more than a megabyte for zstd: to ask for that
 * with each extent costs more than compressing does, and in the middle of a
 * fault, when memory is short, it may not be there.
 */
#define KEPT_MOST 4u
static struct acomp_req *kept[KEPT_MOST];
static u32 kept_count;
static DEFINE_SPINLOCK(kept_lock);

static struct acomp_req *request_take(void)
{
	struct acomp_req *request = NULL;

	spin_lock(&kept_lock);
	if (kept_count)
		request = kept[--kept_count];
	spin_unlock(&kept_lock);
	return request ?: acomp_request_alloc(transform);
}

static void request_give(struct acomp_req *request)
{
	spin_lock(&kept_lock);
	if (kept_count < min(KEPT_MOST, num_online_cpus())) {
		kept[kept_count++] = request;
		request = NULL;
	}
	spin_unlock(&kept_lock);
	if (request)
		acomp_request_free(request);
}

struct am_packer {
	struct page *room[AM_EXTENT_PAGES];
	struct scatterlist from[AM_EXTENT_PAGES];
	struct scatterlist to[AM_EXTENT_PAGES];
};

int am_compress_open(void)
{
	if (!strcmp(am_compressor, "none"))
		return 0;
	transform = crypto_alloc_acomp(am_compressor, 0, 0);
	if (!IS_ERR(transform))
		return 0;
	pr_warn("agentmem: there is no compressor %s (%pe); units stay plain\n", am_compressor, transform);
	transform = NULL;
	return 0;
}

void am_compress_close(void)
{
	while (kept_count)
		acomp_request_free(kept[--kept_count]);
	if (transform)
		crypto_free_acomp(transform);
}

bool am_compress_ready(void)
{
	return transform;
}

const char *am_compress_driver(void)
{
	return transform ? am_acomp_driver(transform) : "none";
}

void am_packer_free(struct am_packer *packer)
{
	if (!packer)
		return;
	for (unsigned int i = 0; i < AM_EXTENT_PAGES; i++) {
		if (packer->room[i])
			__free_page(packer->room[i]);
	}
	kfree(packer);
}

struct am_packer *am_packer_new(void)
{
	struct am_packer *packer = kzalloc(sizeof(*packer), GFP_KERNEL);

	if (!packer)
		return NULL;
	for (unsigned int i = 0; i < AM_EXTENT_PAGES; i++) {
		packer->room[i] = alloc_page(GFP_KERNEL);
		if (!packer->room[i]) {
			am_packer_free(packer);
			return NULL;
		}
	}
	return packer;
}

static void table_of(struct scatterlist *list, struct page *const *pages, u32 bytes)
{
	u32 count = DIV_ROUND_UP(bytes, PAGE_SIZE);

	sg_init_table(list, count);
	for (u32 i = 0; i < count; i++)
		sg_set_page(&list[i], pages[i], min_t(u32, bytes - i * PAGE_SIZE, PAGE_SIZE), 0);
}

/* Bytes written, or an error. Sleeps until it is done. */
static int run(struct scatterlist *from, u32 from_bytes, struct scatterlist *to, u32 to_bytes, bool packing)
{
	DECLARE_CRYPTO_WAIT(wait);
	struct acomp_req *request;
	int error;

	if (!transform)
		return -EOPNOTSUPP;
	request = request_take();
	if (!request)
		return -ENOMEM;
	acomp_request_set_params(request, from, to, from_bytes, to_bytes);
	acomp_request_set_callback(request, CRYPTO_TFM_REQ_MAY_BACKLOG | CRYPTO_TFM_REQ_MAY_SLEEP, crypto_req_done, &wait);
	error = crypto_wait_req(packing ? crypto_acomp_compress(request) : crypto_acomp_decompress(request), &wait);
	if (!error)
		error = request->dlen;
	request_give(request);
	return error;
}

void am_blob_free(struct am_blob *blob)
{
	if (!blob)
		return;
	if (blob->where == AM_ON_FILE) {
		am_cold_drop(blob);
		return;
	}
	/* What is lost has no bytes. */
	for (u32 i = 0; i < blob->bytes / PAGE_SIZE; i++) {
		if (blob->pages[i])
			__free_page(blob->pages[i]);
	}
	kfree(blob->rest);
	kfree(blob);
}

static struct am_blob *blob_of(struct page *const *pages, u32 bytes)
{
	u32 whole = bytes / PAGE_SIZE, rest = bytes % PAGE_SIZE;
	struct am_blob *blob = kzalloc(struct_size(blob, pages, whole), AM_GFP);
	u64 sum = 0;

	if (!blob)
		return NULL;
	blob->bytes = bytes;
	for (u32 i = 0; i < whole; i++) {
		blob->pages[i] = alloc_page(AM_GFP);
		if (!blob->pages[i])
			goto failed;
		copy_page(page_address(blob->pages[i]), page_address(pages[i]));
		sum = xxh64(page_address(pages[i]), PAGE_SIZE, sum);
	}
	if (rest) {
		blob->rest = kmemdup(page_address(pages[whole]), rest, AM_GFP);
		if (!blob->rest)
			goto failed;
		sum = xxh64(blob->rest, rest, sum);
	}
	blob->sum = sum;
	return blob;

failed:
	am_blob_free(blob);
	return NULL;
}

struct page **am_packer_pages(struct am_packer *packer)
{
	return packer->room;
}

void am_packer_copy_blob(struct am_packer *packer, const struct am_blob *blob)
{
	u32 whole = blob->bytes / PAGE_SIZE, rest = blob->bytes % PAGE_SIZE;

	for (u32 i = 0; i < whole; i++)
		copy_page(page_address(packer->room[i]), page_address(blob->pages[i]));
	if (rest) {
		memcpy(page_address(packer->room[whole]), blob->rest, rest);
		/* Whole pages go on: with nothing in them of what was there before. */
		memset(page_address(packer->room[whole]) + rest, 0, PAGE_SIZE - rest);
	}
}

void am_packer_copy_pages(struct am_packer *packer, struct page *const *pages, u32 bytes)
{
	for (u32 i = 0; i < DIV_ROUND_UP(bytes, PAGE_SIZE); i++)
		copy_page(page_address(packer->room[i]), page_address(pages[i]));
}

/* What stands in the packer's pages, in memory for good. */
int am_packer_keep(struct am_packer *packer, u32 bytes, struct am_blob **blob)
{
	*blob = blob_of(packer->room, bytes);
	return *blob ? 0 : -ENOMEM;
}

/* -E2BIG where it does not save a page and an eighth. */
int am_pack(struct am_packer *packer, struct page **pages, u32 bytes, struct am_blob **blob)
{
	u32 most = min_t(u32, bytes - bytes / 8, round_up(bytes, PAGE_SIZE) - PAGE_SIZE / 8);
	int packed;

	table_of(packer->from, pages, bytes);
	table_of(packer->to, packer->room, AM_EXTENT_BYTES);
	packed = run(packer->from, bytes, packer->to, AM_EXTENT_BYTES, true);
	/* What has no room, or no smaller form, is told in as many ways as there are algorithms. */
	if (packed < 0)
		return packed == -ENOMEM || packed == -EOPNOTSUPP ? packed : -E2BIG;
	if (packed == 0 || (u32)packed > most)
		return -E2BIG;
	*blob = blob_of(packer->room, packed);
	if (!*blob) {
		/* The pages go in a moment: what is needed to free them may be more than is allowed. */
		unsigned int before = memalloc_noreclaim_save();

		*blob = blob_of(packer->room, packed);
		memalloc_noreclaim_restore(before);
	}
	return *blob ? 0 : -ENOMEM;
}

static u64 sum_of(const struct am_blob *blob)
{
	u32 rest = blob->bytes % PAGE_SIZE;
	u64 sum = 0;

	for (u32 i = 0; i < blob->bytes / PAGE_SIZE; i++)
		sum = xxh64(page_address(blob->pages[i]), PAGE_SIZE, sum);
	return rest ? xxh64(blob->rest, rest, sum) : sum;
}

/* `from` is filled in; behind it there is room for the other list. */
static int unpack(struct scatterlist *from, u32 packed_bytes, struct page **pages, u32 bytes)
{
	struct scatterlist *to = from + AM_EXTENT_PAGES;
	int got;

	table_of(to, pages, bytes);
	got = run(from, packed_bytes, to, bytes, false);
	if (got < 0)
		return got == -ENOMEM ? got : -EIO;
	if ((u32)got != bytes)
		return -EIO;
	if (bytes % PAGE_SIZE)
		memset(page_address(pages[bytes / PAGE_SIZE]) + bytes % PAGE_SIZE, 0, PAGE_SIZE - bytes % PAGE_SIZE);
	return 0;
}

/* Fills whole pages: behind the last byte there are zeros. */
int am_unpack(const struct am_blob *blob, struct page **pages, u32 bytes)
{
	u32 whole = blob->bytes / PAGE_SIZE, rest = blob->bytes % PAGE_SIZE;
	struct scatterlist *lists;
	int error;

	if (sum_of(blob) != blob->sum)
		return -EIO;
	lists = kmalloc_array(2 * AM_EXTENT_PAGES, sizeof(*lists), AM_GFP_BACK);
	if (!lists)
		return -ENOMEM;
	sg_init_table(lists, whole + (rest ? 1 : 0));
	for (u32 i = 0; i < whole; i++)
		sg_set_page(&lists[i], blob->pages[i], PAGE_SIZE, 0);
	if (rest)
		sg_set_buf(&lists[whole], blob->rest, rest);
	error = unpack(lists, blob->bytes, pages, bytes);
	kfree(lists);
	return error;
}

/* The same from pages, which somebody has checked. */
int am_unpack_pages(struct page *const *packed, u32 packed_bytes, struct page **pages, u32 bytes)
{
	struct scatterlist *lists = kmalloc_array(2 * AM_EXTENT_PAGES, sizeof(*lists), AM_GFP_BACK);
	int error;

	if (!lists)
		return -ENOMEM;
	table_of(lists, packed, packed_bytes);
	error = unpack(lists, packed_bytes, pages, bytes);
	kfree(lists);
	return error;
}
