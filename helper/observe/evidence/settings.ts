import { readdirSync, type Dirent } from 'node:fs'
import { known } from '../../contract/known.ts'
import type { Reading } from '../../contract/reading.ts'
import { readText, under } from '../files.ts'
import { ZSWAP_FOLDER } from '../zswap.ts'

const vm = [
  'admin_reserve_kbytes', 'compaction_proactiveness', 'defrag_mode', 'dirty_background_bytes', 'dirty_background_ratio', 'dirty_bytes', 'dirty_expire_centisecs',
  'dirty_ratio', 'dirty_writeback_centisecs', 'extfrag_threshold', 'hugetlb_optimize_vmemmap', 'laptop_mode', 'legacy_va_layout', 'lowmem_reserve_ratio',
  'max_map_count', 'memfd_noexec', 'min_free_kbytes', 'min_slab_ratio', 'min_unmapped_ratio', 'mmap_min_addr', 'nr_hugepages', 'nr_overcommit_hugepages',
  'oom_dump_tasks', 'oom_kill_allocating_task', 'overcommit_kbytes', 'overcommit_memory', 'overcommit_ratio', 'page-cluster', 'panic_on_oom',
  'percpu_pagelist_high_fraction', 'swappiness', 'unprivileged_userfaultfd', 'user_reserve_kbytes', 'vfs_cache_pressure', 'watermark_boost_factor',
  'watermark_scale_factor', 'zone_reclaim_mode',
]
const kernel = ['dmesg_restrict', 'numa_balancing', 'panic_on_oops', 'perf_event_paranoid', 'randomize_va_space', 'sysrq', 'unprivileged_bpf_disabled', 'yama/ptrace_scope', 'kptr_restrict']

/** Settings under /proc/sys that rules look at. */
export const SYSCTL_FILES: readonly string[] = [...vm.map((name) => `/proc/sys/vm/${name}`), ...kernel.map((name) => `/proc/sys/kernel/${name}`)]

/** Folders whose files are all read; per-size statistics of huge pages are left out, there are hundreds of them. */
const FOLDERS = ['ksm', 'transparent_hugepage', 'lru_gen', 'hugepages', 'numa', 'swap', 'damon'].map((name) => `/sys/kernel/mm/${name}`)
const PARAMETERS = [ZSWAP_FOLDER, '/sys/module/damon_reclaim/parameters', '/sys/module/damon_lru_sort/parameters', '/sys/module/damon_stat/parameters']
const DEEPEST = 4

const entriesOf = (root: string, folder: string): Dirent[] => {
  try {
    return readdirSync(under(root, folder), { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return [] // absent here, or root's alone: then none of its files is listed
  }
}

const filesUnder = (root: string, folder: string, depth: number): string[] =>
  entriesOf(root, folder).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isFile()) return [path]
    return entry.isDirectory() && depth < DEEPEST && entry.name !== 'stats' ? filesUnder(root, path, depth + 1) : []
  })

const read = (root: string, path: string): Reading<string> => {
  const text = readText(under(root, path))
  return text.value === null ? text : known(text.value.trim())
}

export const readSysctl = (root: string): Record<string, Reading<string>> =>
  Object.fromEntries(SYSCTL_FILES.map((path) => [path, read(root, path)]))

/** Paths of every readable setting of memory management outside /proc/sys. */
export const mmFiles = (root: string): string[] => [...FOLDERS, ...PARAMETERS].flatMap((folder) => filesUnder(root, folder, 1))

export const readMm = (root: string): Record<string, Reading<string>> =>
  Object.fromEntries(mmFiles(root).map((path) => [path, read(root, path)]))

const ZSWAP_DEBUG = '/sys/kernel/debug/zswap'

/** zswap's counters, which root alone may read. */
export const readZswapDebug = (root: string): Record<string, number> =>
  Object.fromEntries(entriesOf(root, ZSWAP_DEBUG).flatMap(({ name }): [string, number][] => {
    const text = readText(under(root, `${ZSWAP_DEBUG}/${name}`)).value?.trim() ?? ''
    return /^\d{1,15}$/u.test(text) ? [[name, Number(text)]] : []
  }))
