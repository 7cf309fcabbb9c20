import { hugePagePath, LRU_MIN_TTL_PATH, vmPath } from '../../plan/tunable-paths.ts'
import type { KernelFile } from '../kernel-file.ts'

const file = (path: string, values: RegExp, readable = true): KernelFile => ({ source: 'tunables', path, values, readable })

/** docs/kernel-interfaces.md: admin-guide/sysctl/vm.rst, admin-guide/mm/transhuge.rst, admin-guide/mm/multigen_lru.rst. */
export const tunableFiles: readonly KernelFile[] = [
  file(vmPath('swappiness'), /^(?:\d{1,2}|1\d\d|200)$/u),
  file(vmPath('watermark_scale_factor'), /^\d{1,4}$/u),
  file(vmPath('min_free_kbytes'), /^\d{1,10}$/u),
  file(vmPath('vfs_cache_pressure'), /^\d{1,10}$/u),
  file(vmPath('page-cluster'), /^\d{1,2}$/u),
  // 0 is refused by the kernel; the ratio stands for it.
  file(vmPath('dirty_bytes'), /^[1-9]\d{0,14}$/u),
  file(vmPath('dirty_background_bytes'), /^[1-9]\d{0,14}$/u),
  file(vmPath('dirty_ratio'), /^(?:[1-9]\d?|100)$/u),
  file(vmPath('dirty_background_ratio'), /^(?:[1-9]\d?|100)$/u),
  file(vmPath('dirty_expire_centisecs'), /^\d{1,10}$/u),
  file(vmPath('compaction_proactiveness'), /^(?:\d{1,2}|100)$/u),
  // Never 2: with more promised than there is, requests of running programs would fail.
  file(vmPath('overcommit_memory'), /^[01]$/u),
  file(vmPath('nr_hugepages'), /^\d{1,9}$/u),
  file(vmPath('compact_memory'), /^1$/u, false),
  file(hugePagePath('enabled'), /^(?:always|madvise|never)$/u),
  file(hugePagePath('defrag'), /^(?:always|defer|defer\+madvise|madvise|never)$/u),
  file(LRU_MIN_TTL_PATH, /^\d{1,10}$/u),
]
