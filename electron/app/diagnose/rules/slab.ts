import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, listed, percent } from '../../amounts.ts'
import { durationText } from '../../report/format.ts'
import { above, below, figure, historyOf } from '../figures.ts'
import { needsMeminfo, needsReading, needsSpan } from '../needs.ts'
import type { Offer, Rule } from '../rule.ts'
import { lastOf, spanMs } from '../series.ts'
import { define } from './define.ts'
import { GB, MB, mem, percentOf, totalOf } from './kit.ts'
import { advice, command, leaveIt, MACHINE, preset } from './offers.ts'

/** The kernel's own objects (slab): names of files, network buffers, and leaks of drivers. */

const KNOWN: readonly [RegExp, string][] = [
  [/^dentry$/u, 'names of files'],
  [/inode/u, 'attributes of files'],
  [/^(?:buffer_head|jbd2|ext4|xfs|btrfs|zfs|arc)/u, 'a file system\'s bookkeeping'],
  [/^(?:skbuff|sock|tcp|udp|request_sock|net|nf_conntrack)/u, 'network connections and packets'],
  [/^(?:kmalloc|dma-kmalloc)/u, 'general pieces of the kernel and its drivers'],
  [/^(?:vm_area_struct|maple_node|anon_vma|mm_struct|task_struct|signal|sighand|files_cache|pid)/u, 'processes and their memory maps'],
  [/^(?:filp|eventpoll|epi|inotify|fsnotify)/u, 'open and watched files'],
  [/^(?:radix_tree_node|xarray)/u, 'the index of the file cache'],
  [/^(?:drm|i915|amdgpu|nouveau)/u, 'the graphics driver'],
  [/^bio|^blk|^nvme|^scsi/u, 'disk requests'],
]
const meaning = (cache: string): string => KNOWN.find(([pattern]) => pattern.test(cache))?.[1] ?? 'a part of the kernel'

const topCaches = (look: Evidence): string => {
  const top = look.slab.value?.toSorted((a, b) => b.bytes - a.bytes).slice(0, 3) ?? []
  return top.length === 0 ? ' Which kind it is only root can see: look with the helper.' : ` The largest kinds are ${listed(top.map((cache) => `${cache.name} (${amount(cache.bytes)}: ${meaning(cache.name)})`))}.`
}

const dropNames = (): Offer => preset({
  id: 'drop-names',
  title: 'Drop cached names of files once',
  what: 'Gives back names and attributes of files that the kernel keeps; what belongs to open files stays.',
  tradeOff: 'The next walk through folders, such as git status, is slower.',
  sideEffects: 'What does not become smaller by it is no cache.',
  scope: MACHINE,
}, 'action-prune-cache-2', 'nothing-to-undo')

const watch = (): Offer => command({
  id: 'watch-slab',
  title: 'Watch which kind grows',
  what: 'Shows the kernel\'s objects, the largest first, again and again.',
  tradeOff: 'Takes a terminal and some minutes.',
  sideEffects: 'Only reads.',
  scope: MACHINE,
}, 'sudo slabtop --sort=c', true, 'There is nothing to undo.', 'nothing-to-undo')

const newKernel = (): Offer => advice({
  id: 'newer-kernel',
  title: 'Update or leave out what holds it',
  what: 'Growth that never ends is a fault of the kernel or of a driver. Update the kernel, and try without drivers that came from elsewhere (graphics, VPN, virus scanner, file systems): unload one and look whether the figure stops to rise. A restart gives all of it back.',
  tradeOff: 'Takes a restart, and patience.',
  sideEffects: 'The device or program of the driver does not work meanwhile.',
  scope: MACHINE,
})

const unreclaimable = define({
  id: 'slab.unreclaimable',
  topic: 'slab',
  title: 'The kernel itself holds much memory it cannot give back',
  needs: [needsMeminfo('SUnreclaim', 'MemTotal')],
  thresholds: { percentOfMemory: 8, bytes: 512 * MB },
  because: 'SUnreclaim of /proc/meminfo: objects of the kernel "that cannot be reclaimed on memory pressure" (proc.rst). Usual are 0.5 to 3 % of memory.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const bytes = mem(look, 'SUnreclaim')
    const share = percentOf(bytes, totalOf(look))
    if (share <= limit.percentOfMemory || bytes <= limit.bytes) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${amount(bytes)} (${percent(share)} of memory) are the kernel's own objects that it cannot give back when memory gets tight. No program shows them, so they seem to be missing.${topCaches(look)}`,
      figures: [figure({ what: 'Kernel objects that cannot be given back', value: bytes, unit: 'bytes', source: '/proc/meminfo SUnreclaim', threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, (each) => each.meminfo['SUnreclaim']) })],
      solutions: [watch(), newKernel(), dropNames()],
    }]
  },
  lookDeeper: ['bpftrace.slab'],
})

const HOUR_MS = 3_600_000

const grows = define({
  id: 'slab.grows',
  topic: 'slab',
  title: 'The kernel\'s own memory keeps growing',
  needs: [needsSpan(10 * 60_000), needsMeminfo('SUnreclaim')],
  thresholds: { bytesPerHour: 100 * MB, percentPerHour: 10 },
  because: 'What the kernel needs levels off once the same programs run. Steady growth over ten minutes and more, by both measures, is a leak of the kernel or of a driver.',
  find: (looks, limit) => {
    const values = looks.map((look) => mem(look, 'SUnreclaim'))
    const first = values[0] ?? 0
    const grown = (values.at(-1) ?? 0) - first
    const perHour = (grown * HOUR_MS) / spanMs(looks)
    // Half of the growth must have come in the second half: what levels off is no leak.
    const middle = values[Math.floor(values.length / 2)] ?? first
    const steady = looks.length < 3 || (values.at(-1) ?? 0) - middle > grown / 4
    const share = percentOf(perHour, first)
    if (perHour <= limit.bytesPerHour || share <= limit.percentPerHour || !steady) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `Objects of the kernel that cannot be given back grew from ${amount(first)} to ${amount(values.at(-1) ?? 0)} in ${durationText(spanMs(looks))}: ${amount(perHour)} an hour. If that goes on, it takes all memory, and no program is to blame.${topCaches(lastOf(looks))}`,
      figures: [
        figure({ what: 'Growth an hour', value: perHour, unit: 'bytes', source: '/proc/meminfo SUnreclaim', threshold: above(limit.bytesPerHour), history: historyOf(looks, (look) => look.meminfo['SUnreclaim']) }),
        figure({ what: 'Growth an hour, of what it was', value: share, unit: 'percent', source: '/proc/meminfo SUnreclaim', threshold: above(limit.percentPerHour) }),
      ],
      solutions: [watch(), newKernel()],
    }]
  },
  lookDeeper: ['bpftrace.slab'],
})

const oneCache = define({
  id: 'slab.one-cache',
  topic: 'slab',
  title: 'One kind of kernel object holds most of the kernel\'s memory',
  needs: [needsReading('/proc/slabinfo', (look) => look.slab), needsMeminfo('Slab', 'MemTotal')],
  thresholds: { percentOfSlab: 50, percentOfMemory: 5 },
  because: '/proc/slabinfo. Usually no kind holds more than a third; names of files may, after a walk through very many.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return (look.slab.value ?? []).filter((cache) => percentOf(cache.bytes, mem(look, 'Slab')) > limit.percentOfSlab && percentOf(cache.bytes, totalOf(look)) > limit.percentOfMemory).map((cache) => ({
      subject: cache.name,
      severity: 'advice',
      title: `${cache.name} holds most of the kernel's memory`,
      explanation: `"${cache.name}" takes ${amount(cache.bytes)}, ${percent(percentOf(cache.bytes, mem(look, 'Slab')))} of the kernel's objects. It holds ${meaning(cache.name)}. For names and attributes of files that is a cache and goes by itself; for anything else something makes these objects faster than it frees them.`,
      figures: [
        figure({ what: `Of the kernel's objects`, value: percentOf(cache.bytes, mem(look, 'Slab')), unit: 'percent', source: `/proc/slabinfo ${cache.name}`, threshold: above(limit.percentOfSlab) }),
        figure({ what: cache.name, value: cache.bytes, unit: 'bytes', source: `/proc/slabinfo ${cache.name}`, threshold: above(Math.round((totalOf(look) * limit.percentOfMemory) / 100)), history: historyOf(looks, (each) => each.slab.value?.find((other) => other.name === cache.name)?.bytes) }),
      ],
      solutions: [dropNames(), watch(), newKernel()],
    }))
  },
  lookDeeper: ['bpftrace.slab'],
})

const sparse = define({
  id: 'slab.sparse',
  topic: 'slab',
  title: 'Kernel memory is held by half-empty pieces',
  needs: [needsReading('/proc/slabinfo', (look) => look.slab)],
  thresholds: { activePercent: 40, bytes: 256 * MB },
  because: '/proc/slabinfo: objects in use to objects there is room for. After a burst, single objects keep whole pages; under 40 % in a large cache that is worth knowing.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return (look.slab.value ?? []).filter((cache) => cache.bytes > limit.bytes && percentOf(cache.activeObjects, cache.objects) < limit.activePercent).map((cache) => ({
      subject: cache.name,
      severity: 'information',
      explanation: `"${cache.name}" (${meaning(cache.name)}) keeps ${amount(cache.bytes)}, but only ${percent(percentOf(cache.activeObjects, cache.objects))} of the places are in use. A burst made it large, and what is left of it lies scattered, so the pages cannot be given back.`,
      figures: [
        figure({ what: 'Places in use', value: percentOf(cache.activeObjects, cache.objects), unit: 'percent', source: `/proc/slabinfo ${cache.name}`, threshold: below(limit.activePercent) }),
        figure({ what: cache.name, value: cache.bytes, unit: 'bytes', source: `/proc/slabinfo ${cache.name}`, threshold: above(limit.bytes) }),
      ],
      solutions: [dropNames(), leaveIt('Leave it', 'New objects fill the places before new pages are taken.', 'The memory stays with the kernel.')],
    }))
  },
  lookDeeper: ['bpftrace.slab'],
})

const unaccounted = define({
  id: 'slab.unaccounted',
  topic: 'slab',
  title: 'Memory is in use that no counter names',
  needs: [needsMeminfo('MemTotal', 'MemFree', 'Buffers', 'Cached', 'AnonPages', 'Slab', 'KernelStack', 'PageTables')],
  thresholds: { percentOfMemory: 12, bytes: GB },
  because: 'MemTotal less all that /proc/meminfo counts, less the pools of zram (mm_stat), which it does not. Usual are 1 to 4 %: what drivers took page by page. Graphics memory and a virtual machine\'s balloon are the common reasons for more.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const unnamed = (each: Evidence): number => {
      const named = ['MemFree', 'Buffers', 'Cached', 'SwapCached', 'AnonPages', 'Slab', 'KernelStack', 'PageTables', 'SecPageTables', 'Percpu', 'Zswap', 'Hugetlb', 'VmallocUsed', 'Balloon'].reduce((sum, name) => sum + mem(each, name), 0)
      return totalOf(each) - named - each.zram.reduce((sum, device) => sum + device.poolBytes, 0)
    }
    const bytes = unnamed(look)
    if (percentOf(bytes, totalOf(look)) <= limit.percentOfMemory || bytes <= limit.bytes) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(bytes)} (${percent(percentOf(bytes, totalOf(look)))} of memory) are in use, but belong to no program, no file and no counter of the kernel. Drivers take pages like that: graphics (textures, also those of a browser), network cards with large buffers, a virtual machine that gave memory back to its host.`,
      figures: [figure({ what: 'In use, counted nowhere', value: bytes, unit: 'bytes', source: '/proc/meminfo MemTotal less all it counts', threshold: above(Math.max(limit.bytes, Math.round((totalOf(look) * limit.percentOfMemory) / 100))), history: historyOf(looks, unnamed) })],
      solutions: [
        advice({ id: 'graphics', title: 'Look at graphics memory', what: 'Close programs that draw much (browser, editor with GPU acceleration, games) one after the other and look when the figure falls. As root, /sys/kernel/debug/dri/*/clients and fdinfo name who holds what.', tradeOff: 'Takes some trying.', sideEffects: 'Programs must be started again.', scope: 'Your programs' }, 'Start the programs again.'),
        advice({ id: 'balloon', title: 'In a virtual machine: look at its balloon', what: 'The host may have taken memory back. Give the machine a fixed size, or a larger least size.', tradeOff: 'The host has less for others.', sideEffects: 'None inside.', scope: MACHINE }),
        newKernel(),
      ],
    }]
  },
  lookDeeper: ['perf.kernel-allocations'],
})

export const slab: readonly Rule[] = [unreclaimable, grows, oneCache, sparse, unaccounted]
