import { valueOr } from '../contract/known.ts'
import { readMeminfo } from './meminfo.ts'

/** Settings of memory management that a run may change, and the ratios that hold where bytes are 0. */
export const TUNABLE_FILES: readonly string[] = [
  ...[
    'swappiness', 'watermark_scale_factor', 'min_free_kbytes', 'vfs_cache_pressure', 'page-cluster', 'dirty_bytes', 'dirty_background_bytes', 'dirty_ratio', 'dirty_background_ratio',
    'dirty_expire_centisecs', 'compaction_proactiveness', 'overcommit_memory', 'nr_hugepages',
  ].map((name) => `/proc/sys/vm/${name}`),
  '/sys/kernel/mm/transparent_hugepage/enabled',
  '/sys/kernel/mm/transparent_hugepage/defrag',
  '/sys/kernel/mm/lru_gen/min_ttl_ms',
]

/** How many of the huge pages set aside are free, and how many of those are promised: of the default size, which nr_hugepages is about. */
export const reservedPageFiles = (root: string): string[] => {
  const size = valueOr(readMeminfo(root), null)?.get('Hugepagesize')
  return size === undefined ? [] : ['free_hugepages', 'resv_hugepages'].map((name) => `/sys/kernel/mm/hugepages/hugepages-${size / 1024}kB/${name}`)
}
