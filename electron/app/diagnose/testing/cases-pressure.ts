import { known, missing } from '../../../../helper/contract/known.ts'
import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { LIMITED_GROUP } from './healthy.ts'
import { beside, disk, each, GB, group, mm, meminfo, near, oneLess, oneMore, over, percentOfMemory, pressure, swap, sysctl, thread, total, under, vmstat, zram, zswap, MB, type Case } from './edit.ts'

const COMPRESSED = [zram(GB)]
const PAGE = 4096

/** Free memory as a share of all; what it was holds files now. */
const free = (looks: readonly Evidence[], percent: number): void =>
  each(looks, (look) => {
    const was = look.meminfo['MemFree'] ?? 0
    meminfo([look], 'MemFree', () => (total(look) * percent) / 100)
    meminfo([look], 'Cached', () => (look.meminfo['Cached'] ?? 0) + was - (look.meminfo['MemFree'] ?? 0))
  })

/** Memory that programs can get, as a share of all. */
const available = (looks: readonly Evidence[], percent: number): void => meminfo(looks, 'MemAvailable', (look) => Math.ceil((total(look) * percent) / 100))

export const pressureCases: readonly Case[] = [
  { rule: 'pressure.stalled', edit: 'memory pressure, full', ...over('fullAvg10Percent', (looks, value) => pressure(looks, 'memory', {}, { avg10Percent: value })) },
  { rule: 'pressure.stalled', edit: 'how much of the time', severity: ['warning', 'critical'], ...over('criticalAvg10Percent', (looks, value) => pressure(looks, 'memory', {}, { avg10Percent: value })) },
  { rule: 'pressure.slowed', edit: 'memory pressure, some', ...over('someAvg60Percent', (looks, value) => pressure(looks, 'memory', { avg60Percent: value })) },
  {
    rule: 'pressure.slowed', edit: 'memory pressure, full, where "stalled" says it more loudly', instead: ['pressure.stalled'],
    ...near('fullAvg10Percent', (looks, value) => pressure(looks, 'memory', { avg60Percent: 20 }, { avg10Percent: value }), (value) => value * 1.002, (value) => value),
  },
  { rule: 'pressure.low-available', edit: 'MemAvailable', ...under('availablePercent', (looks, value) => available(looks, value)) },
  { rule: 'pressure.low-available', edit: 'hardly any MemAvailable', severity: ['warning', 'critical'], ...under('criticalPercent', (looks, value) => available(looks, value)) },
  { rule: 'pressure.direct-reclaim', edit: 'pages collected by programs', looks: 2, ...over('pagesPerSecond', (looks, value) => vmstat(looks, 'pgsteal_direct', value), 1.01) },
  {
    rule: 'pressure.direct-reclaim', edit: 'their share', looks: 2,
    ...near('sharePercent', (looks, share) => { vmstat(looks, 'pgsteal_direct', share * 100); vmstat(looks, 'pgsteal_kswapd', (100 - share) * 100) }, (value) => value, (value) => value + 0.1),
  },
  {
    rule: 'pressure.direct-reclaim', edit: 'few pages, where time is lost', looks: 2, also: ['pressure.stalled'],
    ...over('fullAvg10Percent', (looks, value) => { vmstat(looks, 'pgsteal_direct', 100); pressure(looks, 'memory', {}, { avg10Percent: value }) }),
  },
  {
    rule: 'pressure.direct-reclaim', edit: 'how much time is lost', looks: 2, also: ['pressure.stalled'], severity: ['warning', 'critical'],
    ...over('criticalAvg10Percent', (looks, value) => { vmstat(looks, 'pgsteal_direct', 1000); pressure(looks, 'memory', {}, { avg10Percent: value }) }),
  },
  { rule: 'pressure.allocation-stalls', edit: 'allocstall_normal', looks: 2, ...over('stallsPerSecond', (looks, value) => vmstat(looks, 'allocstall_normal', value), 1.01) },
  { rule: 'pressure.kswapd-cpu', edit: 'CPU time of kswapd', looks: 2, ...over('corePercent', (looks, value) => { meminfo(looks, 'MemAvailable', (look) => percentOfMemory(look, 20)); thread(looks, 'kswapd', value) }) },
  { rule: 'pressure.kswapd-cpu', edit: 'MemAvailable', looks: 2, ...under('availablePercent', (looks, value) => { available(looks, value); thread(looks, 'kswapd', 30) }) },
  { rule: 'pressure.thrashing', edit: 'pages in and out', looks: 2, ...over('bytesPerSecondEachWay', (looks, value) => { vmstat(looks, 'pswpin', value / PAGE); vmstat(looks, 'pswpout', (value * 2) / PAGE) }) },
  { rule: 'pressure.thrashing', edit: 'pages out, hardly any in', looks: 2, ...over('bytesPerSecondEachWay', (looks, value) => { vmstat(looks, 'pswpin', (value * 2) / PAGE); vmstat(looks, 'pswpout', value / PAGE) }) },
  { rule: 'pressure.thrashing', edit: 'a pause in it', looks: 4, ...beside((looks, pausedLook) => each(looks, (look, seconds) => { for (const name of ['pswpin', 'pswpout']) look.vmstat[name] = (looks[0]?.vmstat[name] ?? 0) + Math.round((seconds - (seconds >= pausedLook ? 60 : 0)) * 10_000) }), () => 120, () => 9999) },
  { rule: 'pressure.refaults', edit: 'workingset_refault_file', looks: 2, ...over('bytesPerSecond', (looks, value) => vmstat(looks, 'workingset_refault_file', value / PAGE)) },
  { rule: 'pressure.refaults', edit: 'workingset_refault_file, with little memory free', looks: 2, ...over('bytesPerSecond', (looks, value) => { free(looks, 20); vmstat(looks, 'workingset_refault_file', value / PAGE) }) },
  {
    rule: 'pressure.refaults', edit: 'how much lies free', looks: 2, severity: ['advice', 'warning'],
    ...near('roomPercent', (looks, value) => { free(looks, value); vmstat(looks, 'workingset_refault_file', (16 * MB) / PAGE) }, (value) => value * 1.002, (value) => value),
  },
  {
    rule: 'pressure.oom-kill', edit: 'an OOM kill an hour ago',
    ...beside((looks, ageS) => each(looks, (look) => { look.kernelMessages = known([{ atS: look.uptimeS - ageS, kind: 'oom-kill', text: 'killed node (process 4711): out of memory' }]) }), () => 3600, () => 3599),
  },
  {
    rule: 'pressure.oom-kill', edit: 'oom_kill of vmstat, where messages may not be read', looks: 2,
    ...over('kills', (looks, value) => { vmstat(looks, 'oom_kill', value / 60); each(looks, (look) => { look.kernelMessages = missing('not-permitted') }) }),
  },
  {
    rule: 'pressure.oom-kill', edit: 'oom_kill of vmstat, where groups may not be read either', looks: 2,
    ...over('kills', (looks, value) => { vmstat(looks, 'oom_kill', value / 60); each(looks, (look) => { look.kernelMessages = missing('not-permitted'); look.cgroups = missing('not-supported') }) }),
  },
  {
    rule: 'pressure.oom-kill', edit: 'more kills than groups had, which are counted a moment apart', looks: 2, also: ['cgroups.oom-kill'],
    ...beside((looks, kills) => {
      vmstat(looks, 'oom_kill', kills / 60)
      each(looks, (look) => { look.kernelMessages = missing('not-permitted') })
      for (const path of ['/system.slice', LIMITED_GROUP]) group(looks, path, (_, seconds) => ({ events: { oom_kill: seconds > 0 ? 1 : 0 } }))
    }, () => 2, () => 3),
  },
  { rule: 'pressure.reserve-too-large', edit: 'high watermarks', ...over('reservePercent', (looks, value) => each(looks, (look) => { for (const zone of look.zones) zone.highPages = zone.zone === 'Normal' ? Math.floor(percentOfMemory(look, value) / PAGE) : 0 }), 1.01) },
]

const zswapOver = (looks: Parameters<typeof zswap>[0]): void => { zswap(looks, 'enabled', 'Y'); swap(looks, [disk(64 * MB)]) }
const noZram = (looks: Parameters<typeof each>[0]): void => each(looks, (look) => { look.zram = [] })

export const swapCases: readonly Case[] = [
  { rule: 'swap.none', edit: 'no swap', limit: 'swapBytes', below: (looks) => swap(looks, [zram(0, { sizeBytes: PAGE })]), above: (looks) => swap(looks, []) },
  { rule: 'swap.none', edit: 'MemAvailable without swap', severity: ['advice', 'warning'], ...under('warnAvailablePercent', (looks, value) => { swap(looks, []); available(looks, value) }) },
  { rule: 'swap.nearly-full', edit: 'used swap', ...over('usedPercent', (looks, value) => swap(looks, [zram((GB * value) / 100, { sizeBytes: GB })])) },
  { rule: 'swap.nearly-full', edit: 'MemAvailable beside it', also: ['pressure.low-available'], severity: ['warning', 'critical'], ...under('criticalAvailablePercent', (looks, value) => { swap(looks, [zram(GB * 0.95, { sizeBytes: GB })]); available(looks, value) }) },
  { rule: 'swap.only-disk', edit: 'memory on disk', ...over('usedBytes', (looks, value) => { swap(looks, [disk(value)]); noZram(looks) }) },
  { rule: 'swap.only-disk', edit: 'the same with zswap before it', below: (looks) => { swap(looks, [disk(GB)]); noZram(looks); zswap(looks, 'enabled', 'Y') }, above: (looks) => { swap(looks, [disk(GB)]); noZram(looks); zswap(looks, 'enabled', 'N') } },
  { rule: 'swap.order', edit: 'priority of the disk', below: (looks) => swap(looks, [zram(GB), disk(0, { priority: 99 })]), above: (looks) => swap(looks, [zram(GB), disk(0, { priority: 100 })]) },
  { rule: 'swap.swappiness-low', edit: 'vm.swappiness', ...oneLess('swappiness', (looks, value) => sysctl(looks, 'swappiness', value)) },
  { rule: 'swap.page-cluster', edit: 'used compressed swap', ...over('usedPercentOfMemory', (looks, value) => { swap(looks, [zram(0)]); each(looks, (look) => { for (const device of look.swapDevices) device.usedBytes = percentOfMemory(look, value) }) }) },
  { rule: 'swap.page-cluster', edit: 'vm.page-cluster', ...oneMore('pageCluster', (looks, value) => { swap(looks, [zram(4 * GB)]); sysctl(looks, 'page-cluster', value) }) },
  { rule: 'swap.zram-too-large', edit: 'size of zram', ...over('percentOfMemory', (looks, value) => each(looks, (look) => { for (const device of look.zram) device.diskSizeBytes = percentOfMemory(look, value) })) },
  {
    rule: 'swap.zswap-pool-full', edit: 'the pool',
    ...over('fullPercent', (looks, value) => { zswapOver(looks); noZram(looks); meminfo(looks, 'Zswap', (look) => (percentOfMemory(look, 20) * value) / 100); meminfo(looks, 'Zswapped', (look) => percentOfMemory(look, 50)); meminfo(looks, 'MemFree', (look) => (look.meminfo['MemFree'] ?? 0) - percentOfMemory(look, 20)) }),
  },
  ...([['emptiedPercent', 'a pool that was full'], ['onDiskBytes', 'what went past it']] as const).map(([name, edit]): Case => ({
    rule: 'swap.zswap-pool-full', edit,
    ...over(name, (looks, value, limit) => {
      const share = name === 'emptiedPercent' ? value : (limit['emptiedPercent'] ?? 0) + 5
      const onDisk = name === 'onDiskBytes' ? value : (limit['onDiskBytes'] ?? 0) * 2
      zswapOver(looks)
      noZram(looks)
      meminfo(looks, 'Zswap', (look) => (percentOfMemory(look, 20) * share) / 100)
      sysctl(looks, 'page-cluster', 0)
      each(looks, (look) => { swap([look], [disk(percentOfMemory(look, 30) + onDisk)]); meminfo([look], 'Zswapped', () => percentOfMemory(look, 30)) })
    }, 1.01),
  })),
  { rule: 'swap.zswap-rejects', edit: 'pages turned away', looks: 2, ...over('pagesPerSecond', (looks, value) => { zswapOver(looks); noZram(looks); each(looks, (look, seconds) => { look.zswapDebug['reject_compress_poor'] = Math.round(value * seconds) }) }, 1.01) },
  { rule: 'swap.zswap-writes-back', edit: 'zswpwb', looks: 2, ...over('pagesPerSecond', (looks, value) => { zswapOver(looks); noZram(looks); vmstat(looks, 'zswpwb', value) }, 1.01) },
  { rule: 'swap.zswap-without-swap', edit: 'zswap without swap', limit: 'swapDevices', also: ['swap.none'], below: (looks) => { zswapOver(looks); noZram(looks) }, above: (looks) => { zswapOver(looks); noZram(looks); swap(looks, []) } },
  { rule: 'swap.slow-compressor', edit: 'zswap\'s compressor', below: (looks) => { zswapOver(looks); noZram(looks); zswap(looks, 'compressor', 'lz4') }, above: (looks) => { zswapOver(looks); noZram(looks); zswap(looks, 'compressor', 'deflate') } },
  { rule: 'swap.slow-compressor', edit: 'zram\'s algorithm', below: (looks) => each(looks, (look) => { for (const device of look.zram) device.algorithm = 'lzo' }), above: (looks) => each(looks, (look) => { for (const device of look.zram) device.algorithm = '842' }) },
  { rule: 'swap.compressed-twice', edit: 'zswap before zram', below: (looks) => swap(looks, COMPRESSED), above: (looks) => { swap(looks, COMPRESSED); zswap(looks, 'enabled', 'Y') } },
  { rule: 'swap.compressed-twice', edit: 'zram behind zswap', ...oneMore('zramDevices', (looks, count) => { zswapOver(looks); swap(looks, [disk(64 * MB), ...Array.from({ length: count }, () => zram(GB))]) }) },
  { rule: 'swap.poor-compression', edit: 'pool of zram', ...under('ratio', (looks, value) => each(looks, (look) => { for (const device of look.zram) Object.assign(device, { storedBytes: GB, poolBytes: Math.floor(GB / value) }) })) },
  { rule: 'swap.poor-compression', edit: 'what is stored', ...over('storedBytes', (looks, value) => each(looks, (look) => { for (const device of look.zram) Object.assign(device, { storedBytes: Math.floor(value), poolBytes: Math.floor(value * 0.9) }) })) },
]

export const cacheCases: readonly Case[] = [
  {
    rule: 'page-cache.mostly-cache', edit: 'file cache',
    ...over('cachePercent', (looks, value) => {
      meminfo(looks, 'MemFree', (look) => percentOfMemory(look, 10))
      meminfo(looks, 'AnonPages', (look) => percentOfMemory(look, 85 - value))
      meminfo(looks, 'Cached', (look) => percentOfMemory(look, value) - (look.meminfo['Buffers'] ?? 0) - (look.meminfo['SReclaimable'] ?? 0) + (look.meminfo['Shmem'] ?? 0))
    }),
  },
  {
    rule: 'page-cache.mostly-cache', edit: 'free memory',
    ...under('freePercent', (looks, value) => { meminfo(looks, 'Cached', (look) => percentOfMemory(look, 75)); meminfo(looks, 'MemFree', (look) => Math.ceil((total(look) * value) / 100)) }),
  },
  {
    rule: 'page-cache.mostly-cache', edit: 'MemAvailable',
    ...over('availablePercent', (looks, value) => { meminfo(looks, 'Cached', (look) => percentOfMemory(look, 75)); meminfo(looks, 'MemFree', (look) => percentOfMemory(look, 10)); meminfo(looks, 'MemAvailable', (look) => percentOfMemory(look, value)) }),
  },
  {
    rule: 'page-cache.names-kept', edit: 'vm.vfs_cache_pressure',
    ...oneLess('vfsCachePressure', (looks, value) => { sysctl(looks, 'vfs_cache_pressure', value); meminfo(looks, 'SReclaimable', (look) => percentOfMemory(look, 12)) }),
  },
  { rule: 'page-cache.names-kept', edit: 'names of files', ...over('slabPercent', (looks, value) => { sysctl(looks, 'vfs_cache_pressure', 10); meminfo(looks, 'SReclaimable', (look) => percentOfMemory(look, value)) }) },
  { rule: 'page-cache.dirty', edit: 'unwritten data', ...over('percentOfLimit', (looks, value) => { meminfo(looks, 'Writeback', () => 0); meminfo(looks, 'Dirty', (look) => ((look.vmstat['nr_dirty_threshold'] ?? 0) * PAGE * value) / 100) }) },
  { rule: 'page-cache.dirty', edit: 'unwritten data, where little is allowed', ...over('bytes', (looks, value) => { each(looks, (look) => { look.vmstat['nr_dirty_threshold'] = (700 * MB) / PAGE }); meminfo(looks, 'Writeback', () => 0); meminfo(looks, 'Dirty', () => value) }) },
  { rule: 'page-cache.dirty', edit: 'nearly all that is allowed', severity: ['advice', 'warning'], ...over('warnPercentOfLimit', (looks, value) => { meminfo(looks, 'Writeback', () => 0); meminfo(looks, 'Dirty', (look) => ((look.vmstat['nr_dirty_threshold'] ?? 0) * PAGE * value) / 100) }) },
  { rule: 'page-cache.reclaim-meets-dirty', edit: 'nr_vmscan_immediate_reclaim', looks: 2, ...over('pagesPerSecond', (looks, value) => vmstat(looks, 'nr_vmscan_immediate_reclaim', value), 1.01) },
  { rule: 'page-cache.dropped-regularly', edit: 'drop_pagecache', looks: 2, ...oneMore('drops', (looks, value) => vmstat(looks, 'drop_pagecache', value / 60)) },
  {
    rule: 'rivals.systemd-oomd', edit: 'used swap beside systemd-oomd',
    ...over('percentOfItsLimit', (looks, value) => { swap(looks, [zram((((GB * 90) / 100) * value) / 100, { sizeBytes: GB })]); each(looks, (look) => { look.rivals.push({ id: 'systemd-oomd', running: true, configured: true, settings: { '/etc/systemd/oomd.conf': '[OOM]\nSwapUsedLimit=90%' } }) }) }),
  },
  { rule: 'huge-pages.always', edit: 'huge pages', ...over('hugePercentOfAnon', (looks, value) => { mm(looks, '/sys/kernel/mm/transparent_hugepage/enabled', '[always] madvise never'); meminfo(looks, 'MemAvailable', (look) => percentOfMemory(look, 39)); meminfo(looks, 'AnonPages', (look) => percentOfMemory(look, 10)); meminfo(looks, 'AnonHugePages', (look) => Math.floor(((look.meminfo['AnonPages'] ?? 0) * value) / 100)) }, 1.01) },
  { rule: 'huge-pages.always', edit: 'MemAvailable', ...under('availablePercent', (looks, value) => { mm(looks, '/sys/kernel/mm/transparent_hugepage/enabled', '[always] madvise never'); available(looks, value); meminfo(looks, 'AnonPages', (look) => percentOfMemory(look, 10)); meminfo(looks, 'AnonHugePages', (look) => percentOfMemory(look, 5)) }) },
]
