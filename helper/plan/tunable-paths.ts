/** Settings of the kernel's own memory management that a run may change; docs/kernel-interfaces.md says what each is. */
export const vmPath = (
  name:
    | 'swappiness'
    | 'watermark_scale_factor'
    | 'min_free_kbytes'
    | 'vfs_cache_pressure'
    | 'page-cluster'
    | 'dirty_bytes'
    | 'dirty_background_bytes'
    | 'dirty_ratio'
    | 'dirty_background_ratio'
    | 'dirty_expire_centisecs'
    | 'compaction_proactiveness'
    | 'overcommit_memory'
    | 'nr_hugepages'
    | 'compact_memory',
): string => `/proc/sys/vm/${name}`

export const hugePagePath = (name: 'enabled' | 'defrag'): string => `/sys/kernel/mm/transparent_hugepage/${name}`

export const LRU_MIN_TTL_PATH = '/sys/kernel/mm/lru_gen/min_ttl_ms'

/** Of a limit in bytes, the ratio that holds while the bytes are 0: the kernel sets either to 0 when the other is written. */
export const ratioOf = (path: string): string | null => {
  if (path === vmPath('dirty_bytes')) return vmPath('dirty_ratio')
  return path === vmPath('dirty_background_bytes') ? vmPath('dirty_background_ratio') : null
}
