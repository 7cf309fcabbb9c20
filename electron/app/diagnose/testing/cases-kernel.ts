import { known } from '../../../../helper/contract/known.ts'
import { beside, each, fromOn, GB, ksm, meminfo, near, oneMore, over, percentOfMemory, small, thp, thread, total, under, vmstat, type Case } from './edit.ts'

/** Free memory of the Normal zones: `large` percent in pieces of 2 MB. */
const pieces = (looks: Parameters<typeof each>[0], freePages: number, largePercent: number): void => each(looks, (look) => {
  for (const zone of look.zones) {
    if (zone.zone === 'DMA') continue
    const large = Math.floor((freePages * largePercent) / 100 / 512)
    zone.freeBlocks = [freePages - large * 512, 0, 0, 0, 0, 0, 0, 0, 0, large, 0]
  }
})

export const fragmentationCases: readonly Case[] = [
  { rule: 'fragmentation.no-large-blocks', edit: 'free pieces of 2 MB', ...under('inLargePercent', (looks, value) => pieces(looks, 512_000, value + 0.05), 0.95) },
  {
    rule: 'fragmentation.no-large-blocks', edit: 'free memory of the zone',
    ...over('freePercentOfZone', (looks, value) => each(looks, (look) => { for (const zone of look.zones) if (zone.zone === 'Normal') zone.freeBlocks = [Math.floor((zone.managedPages * value) / 100), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] })),
  },
  { rule: 'fragmentation.index', edit: 'fragmentation index of order 4', ...over('index', (looks, value) => each(looks, (look) => { for (const zone of look.zones) zone.fragmentationIndex = known([-1, -1, -1, -1, value, 0.9]) })) },
  {
    rule: 'fragmentation.index', edit: 'the order it is bad in',
    ...fromOn('order', (looks, order) => each(looks, (look) => { for (const zone of look.zones) zone.fragmentationIndex = known(Array.from({ length: 6 }, (_, i) => (i === order ? 0.9 : 0.1))) })),
  },
  { rule: 'fragmentation.compaction-fails', edit: 'share of failures', looks: 2, ...over('failedPercent', (looks, value) => { vmstat(looks, 'compact_fail', value); vmstat(looks, 'compact_success', 100 - value) }, 1.02) },
  { rule: 'fragmentation.compaction-fails', edit: 'attempts', looks: 2, ...oneMore('attempts', (looks, value) => vmstat(looks, 'compact_fail', value / 60)) },
  { rule: 'fragmentation.compaction-stalls', edit: 'compact_stall', looks: 2, ...over('stallsPerSecond', (looks, value) => vmstat(looks, 'compact_stall', value), 1.01) },
  { rule: 'fragmentation.kcompactd-cpu', edit: 'CPU time of kcompactd', looks: 2, ...over('corePercent', (looks, value) => thread(looks, 'kcompactd', value)) },
  {
    rule: 'fragmentation.allocation-failed', edit: 'a failed allocation an hour ago',
    ...beside((looks, ageS) => each(looks, (look) => { look.kernelMessages = known([{ atS: look.uptimeS - ageS, kind: 'allocation-failure', text: 'no block of 2^4 pages for iwlwifi' }]) }), () => 3600, () => 3599),
  },
  {
    rule: 'fragmentation.allocation-failed', edit: 'failed allocations',
    ...oneMore('failures', (looks, count) => each(looks, (look) => { look.kernelMessages = known(Array.from({ length: count }, () => ({ atS: look.uptimeS - 60, kind: 'allocation-failure' as const, text: 'no block of 2^4 pages for iwlwifi' }))) })),
  },
]

export const hugePageCases: readonly Case[] = [
  { rule: 'huge-pages.khugepaged-cpu', edit: 'CPU time of khugepaged', looks: 2, ...over('corePercent', (looks, value) => thread(looks, 'khugepaged', value)) },
  { rule: 'huge-pages.defrag-stalls', edit: 'compact_stall with defrag=always', looks: 2, ...over('stallsPerSecond', (looks, value) => { thp(looks, 'defrag', '[always] defer defer+madvise madvise never'); vmstat(looks, 'compact_stall', value) }, 1.02) },
  { rule: 'huge-pages.defrag-stalls', edit: 'defrag', looks: 2, below: (looks) => vmstat(looks, 'compact_stall', 2), above: (looks) => { vmstat(looks, 'compact_stall', 2); thp(looks, 'defrag', '[always] defer defer+madvise madvise never') } },
  { rule: 'huge-pages.fallback', edit: 'share of huge pages not to be had', looks: 2, ...over('failedPercent', (looks, value) => { vmstat(looks, 'thp_fault_fallback', value); vmstat(looks, 'thp_fault_alloc', 100 - value) }, 1.02) },
  { rule: 'huge-pages.fallback', edit: 'how many were asked for', looks: 2, ...oneMore('asked', (looks, value) => vmstat(looks, 'thp_fault_fallback', value / 60)) },
  {
    rule: 'huge-pages.reserved-unused', edit: 'unused huge pages',
    ...over('unusedPercentOfMemory', (looks, value) => each(looks, (look) => {
      const pages = Math.floor(percentOfMemory(look, value) / (2 * 1024 ** 2))
      Object.assign(look.meminfo, { HugePages_Total: pages + 10, HugePages_Free: pages, HugePages_Rsvd: 0, Hugepagesize: 2 * 1024 ** 2, Hugetlb: (pages + 10) * 2 * 1024 ** 2, MemFree: (look.meminfo['MemFree'] ?? 0) - (pages + 10) * 2 * 1024 ** 2 })
    }), 1.02),
  },
]

const merging = { run: 1, full_scans: 40, pages_shared: 9000, pages_sharing: 60_000, pages_unshared: 150_000, pages_volatile: 20_000, general_profit: 180 * 1024 ** 2, pages_to_scan: 1000 }

export const ksmCases: readonly Case[] = [
  { rule: 'ksm.nothing-offered', edit: 'pages looked at', limit: 'pages', ...beside((looks, value) => ksm(looks, { run: 1, pages_shared: 0, pages_sharing: 0, pages_unshared: 0, pages_volatile: value }), () => 1, () => 0) },
  { rule: 'ksm.nothing-offered', edit: 'switched on', ...beside((looks, value) => ksm(looks, { run: value }), () => 0, () => 1) },
  { rule: 'ksm.no-profit', edit: 'general_profit', ...near('profitBytes', (looks, value) => ksm(looks, { ...merging, general_profit: value }), (value) => value, (value) => value - 1) },
  { rule: 'ksm.no-profit', edit: 'rounds', ...fromOn('rounds', (looks, value) => ksm(looks, { ...merging, general_profit: -4096, full_scans: value })) },
  { rule: 'ksm.no-profit', edit: 'pages looked at', ...fromOn('pagesLookedAt', (looks, value) => ksm(looks, { ...merging, general_profit: -4096, pages_shared: 0, pages_sharing: 0, pages_unshared: 0, pages_volatile: value })) },
  { rule: 'ksm.mostly-unequal', edit: 'pages without an equal', ...over('unsharedToSharing', (looks, value) => ksm(looks, { ...merging, pages_sharing: 5000, pages_unshared: 5000 * value })) },
  { rule: 'ksm.mostly-unequal', edit: 'how many', ...over('unsharedPages', (looks, value) => ksm(looks, { ...merging, pages_sharing: 100, pages_unshared: value })) },
  { rule: 'ksm.mostly-unequal', edit: 'rounds', ...fromOn('rounds', (looks, value) => ksm(looks, { ...merging, pages_sharing: 5000, full_scans: value })) },
  { rule: 'ksm.cost', edit: 'CPU time of ksmd', looks: 2, ...over('corePercent', (looks, value) => { ksm(looks, merging); thread(looks, 'ksmd', value) }) },
  { rule: 'ksm.flat', edit: 'CPU time of ksmd over five minutes', looks: 6, ...over('corePercent', (looks, value) => { ksm(looks, merging); thread(looks, 'ksmd', value) }) },
  {
    rule: 'ksm.flat', edit: 'change of what is merged', looks: 6,
    ...under('changePercent', (looks, value) => { ksm(looks, merging); thread(looks, 'ksmd', 5); ksm(looks.slice(0, 1), { pages_sharing: 60_000 * (1 - value / 100) }) }, 0.98),
  },
  { rule: 'ksm.flat', edit: 'what is merged', looks: 6, ...fromOn('savedBytes', (looks, value) => { ksm(looks, { ...merging, pages_sharing: value / 4096, pages_unshared: 1000 }); thread(looks, 'ksmd', 5) }, 4096) },
  { rule: 'ksm.chains', edit: 'copies', ...over('copies', (looks, value) => ksm(looks, { ...merging, stable_node_chains: 100, stable_node_dups: value })) },
  { rule: 'ksm.chains', edit: 'copies for each', ...over('copiesForEach', (looks, value) => ksm(looks, { ...merging, stable_node_chains: 5000, stable_node_dups: 5000 * value })) },
]

/** So many bytes that no field of /proc/meminfo holds. */
const unnamed = (looks: Parameters<typeof each>[0], bytes: (look: Parameters<typeof total>[0]) => number): void => each(looks, (look) => {
  const m = look.meminfo
  const others = ['Buffers', 'Cached', 'SwapCached', 'AnonPages', 'Slab', 'KernelStack', 'PageTables', 'SecPageTables', 'Percpu', 'Zswap', 'Hugetlb', 'VmallocUsed'].reduce((sum, name) => sum + (m[name] ?? 0), 0)
  m['MemFree'] = Math.ceil(total(look) - bytes(look)) - others - look.zram.reduce((sum, device) => sum + device.poolBytes, 0)
})

export const slabCases: readonly Case[] = [
  { rule: 'slab.unreclaimable', edit: 'SUnreclaim', ...over('percentOfMemory', (looks, value) => meminfo(looks, 'SUnreclaim', (look) => percentOfMemory(look, value))) },
  { rule: 'slab.unreclaimable', edit: 'SUnreclaim of a small machine', ...over('bytes', (looks, value) => { small(looks, 5 * GB); meminfo(looks, 'SUnreclaim', () => value) }) },
  { rule: 'slab.grows', edit: 'growth an hour', looks: 11, ...over('bytesPerHour', (looks, value) => each(looks, (look, seconds) => { look.meminfo['SUnreclaim'] = Math.floor(70 * 1024 ** 2 + (value * seconds) / 3600) })) },
  { rule: 'slab.grows', edit: 'growth an hour, of what it was', looks: 11, ...over('percentPerHour', (looks, value) => each(looks, (look, seconds) => { look.meminfo['SUnreclaim'] = Math.floor(1.5 * GB * (1 + (value * seconds) / 3600 / 100)) })) },
  { rule: 'slab.grows', edit: 'growth that goes on', looks: 11, ...beside((looks, share) => each(looks, (look, seconds) => { look.meminfo['SUnreclaim'] = Math.floor(200 * 1024 ** 2 * (1 + Math.min(1, seconds / (600 * share)))) }), () => 0.4, () => 0.9) },
  {
    rule: 'slab.one-cache', edit: 'share of the kernel\'s objects',
    ...over('percentOfSlab', (looks, value) => each(looks, (look) => { look.meminfo['Slab'] = 3 * GB; look.slab = known([{ name: 'dentry', bytes: Math.floor((3 * GB * value) / 100), activeObjects: 90, objects: 100 }]) })),
  },
  {
    rule: 'slab.one-cache', edit: 'share of memory',
    ...over('percentOfMemory', (looks, value) => each(looks, (look) => { look.meminfo['Slab'] = GB * 1.5; look.slab = known([{ name: 'kmalloc-1k', bytes: percentOfMemory(look, value), activeObjects: 90, objects: 100 }]) })),
  },
  { rule: 'slab.sparse', edit: 'places in use', ...under('activePercent', (looks, value) => each(looks, (look) => { look.slab = known([{ name: 'filp', bytes: 300 * 1024 ** 2, activeObjects: Math.floor(value * 1000), objects: 100_000 }]) }), 0.99) },
  { rule: 'slab.sparse', edit: 'its size', ...over('bytes', (looks, value) => each(looks, (look) => { look.slab = known([{ name: 'filp', bytes: Math.floor(value), activeObjects: 10, objects: 100 }]) })) },
  { rule: 'slab.unaccounted', edit: 'memory that nothing names', ...over('percentOfMemory', (looks, value) => unnamed(looks, (look) => (total(look) * value) / 100)) },
  { rule: 'slab.unaccounted', edit: 'memory that nothing names, of a small machine', ...over('bytes', (looks, value) => { small(looks, 6 * GB); unnamed(looks, () => value) }) },
]

export const numaCases: readonly Case[] = [
  { rule: 'numa.imbalance', edit: 'free memory of a node', ...under('fullFreePercent', (looks, value) => each(looks, (look) => { for (const node of look.numa) node.freeBytes = Math.ceil((node.totalBytes * (node.node === 1 ? value : 50)) / 100) })) },
  { rule: 'numa.imbalance', edit: 'free memory of the other', ...over('otherFreePercent', (looks, value) => each(looks, (look) => { for (const node of look.numa) node.freeBytes = Math.floor((node.totalBytes * (node.node === 1 ? 1 : value)) / 100) })) },
  { rule: 'numa.remote', edit: 'share from far away', looks: 2, ...over('missPercent', (looks, value) => each(looks, (look, seconds) => { for (const node of look.numa) Object.assign(node.counters, { numa_miss: Math.round(value * 300 * seconds), numa_hit: Math.round((100 - value) * 300 * seconds) }) }), 1.01) },
  { rule: 'numa.remote', edit: 'pages from far away', looks: 2, ...over('pagesPerSecond', (looks, value) => each(looks, (look, seconds) => { for (const node of look.numa) Object.assign(node.counters, { numa_miss: Math.round((value * seconds) / 2), numa_hit: 100 }) })) },
  { rule: 'numa.zone-reclaim', edit: 'vm.zone_reclaim_mode', limit: 'mode', ...beside((looks, value) => each(looks, (look) => { look.sysctl['/proc/sys/vm/zone_reclaim_mode'] = known(String(value)) }), () => 0, () => 1) },
  { rule: 'numa.split-process', edit: 'part outside its node', ...over('otherPercent', (looks, value) => each(looks, (look) => { const [first] = look.processes; if (first !== undefined) first.numaBytes = known([Math.ceil(2 * GB * (1 - value / 100)), Math.floor((2 * GB * value) / 100)]) }), 1.01) },
  { rule: 'numa.split-process', edit: 'its size', ...over('bytes', (looks, value) => each(looks, (look) => { const [first] = look.processes; if (first !== undefined) first.numaBytes = known([Math.floor(value / 2), Math.floor(value / 2)]) })) },
]
