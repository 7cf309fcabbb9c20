/* SPDX-License-Identifier: GPL-2.0 */
/* All that differs between the kernels from 6.1 on. */
#ifndef AM_COMPAT_H
#define AM_COMPAT_H

#include <linux/fs.h>
#include <linux/list_lru.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/uio.h>
#include <linux/version.h>
#include <crypto/acompress.h>
#include <crypto/sha2.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "agentmem needs Linux 6.1 or later"
#endif

/* 6.3 made vm_flags read-only but for these. */
static inline void am_vma_set_up(struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags |= VM_MIXEDMAP | VM_DONTDUMP;
	vma->vm_flags &= ~(VM_MAYWRITE | VM_MAYEXEC);
#else
	vm_flags_mod(vma, VM_MIXEDMAP | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
#endif
}

/* 6.8: it holds off a freeze of the file system by itself. */
static inline ssize_t am_iter_write(struct file *file, struct iov_iter *iter, loff_t *at)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	ssize_t got;

	file_start_write(file);
	got = vfs_iter_write(file, iter, at, 0);
	file_end_write(file);
	return got;
#else
	return vfs_iter_write(file, iter, at, 0);
#endif
}

/* The library's context got its own name in 6.16. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 16, 0)
typedef struct sha256_state am_sha256;
#else
typedef struct sha256_ctx am_sha256;
#endif

static inline const char *am_acomp_driver(struct crypto_acomp *tfm)
{
	return crypto_tfm_alg_driver_name(crypto_acomp_tfm(tfm));
}

/* 6.7: shrinkers are allocated. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
static inline struct shrinker *am_shrinker_alloc(void)
{
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (shrinker)
		shrinker->flags = SHRINKER_MEMCG_AWARE;
	return shrinker;
}

static inline int am_shrinker_register(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "agentmem");
}

static inline void am_shrinker_free(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
	kfree(shrinker);
}

/* One that was not registered. */
static inline void am_shrinker_discard(struct shrinker *shrinker)
{
	kfree(shrinker);
}
#else
static inline struct shrinker *am_shrinker_alloc(void)
{
	return shrinker_alloc(SHRINKER_MEMCG_AWARE, "agentmem");
}

static inline int am_shrinker_register(struct shrinker *shrinker)
{
	shrinker_register(shrinker);
	return 0;
}

static inline void am_shrinker_free(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}

static inline void am_shrinker_discard(struct shrinker *shrinker)
{
	shrinker_free(shrinker);
}
#endif

/* 6.8: by the item, or by node and cgroup. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define am_lru_add list_lru_add
#define am_lru_del list_lru_del
#else
#define am_lru_add list_lru_add_obj
#define am_lru_del list_lru_del_obj
#endif

/* 6.13: a walk's callback is not told the lock any more. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define AM_LRU_LOCK spinlock_t *lock,
#else
#define AM_LRU_LOCK
#endif

#endif
