import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

const folders = ['/sys/kernel/mm/ksm', '/sys/module/zswap/parameters']
const ksmSettings = /^(?:run|pages_to_scan|sleep_millisecs|merge_across_nodes|max_page_sharing|use_zero_pages|smart_scan|advisor_\w+|stable_node_chains_prune_millisecs)$/u
const vmSettings = ['swappiness', 'page-cluster', 'overcommit_memory', 'min_free_kbytes', 'watermark_scale_factor', 'watermark_boost_factor', 'vfs_cache_pressure', 'zone_reclaim_mode', 'dirty_bytes', 'dirty_background_bytes', 'dirty_ratio', 'dirty_background_ratio', 'dirty_expire_centisecs', 'compaction_proactiveness', 'nr_hugepages']
const zramSettings = ['disksize', 'comp_algorithm', 'backing_dev', 'max_comp_streams', 'initstate', 'mem_limit']

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])

/**
 * Every setting a layer may touch, and its neighbours, with its exact bytes:
 * what undo has to give back. A file that is not there is "absent", so that a
 * device added and left behind shows as well.
 */
export const readSettings = async (more: readonly string[] = []): Promise<Record<string, string>> => {
  const paths = new Set<string>(more)
  for (const folder of folders) {
    for (const name of await list(folder)) if (!folder.endsWith('ksm') || ksmSettings.test(name)) paths.add(join(folder, name))
  }
  for (const name of vmSettings) paths.add(join('/proc/sys/vm', name))
  for (const path of ['/sys/kernel/mm/transparent_hugepage/enabled', '/sys/kernel/mm/transparent_hugepage/defrag', '/sys/kernel/mm/lru_gen/min_ttl_ms']) paths.add(path)
  paths.add('/proc/swaps')
  for (const block of await list('/sys/block')) {
    if (block.startsWith('zram')) for (const name of zramSettings) paths.add(join('/sys/block', block, name))
  }
  const found: Record<string, string> = {}
  for (const path of [...paths].toSorted()) {
    found[path] = await readFile(path, 'latin1').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? 'absent' : `unreadable: ${error.code}`))
  }
  return found
}
