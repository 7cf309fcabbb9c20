import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, percent, times } from '../../amounts.ts'
import { above, below, figure, historyOf, is, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsMeminfo, needsMm, needsSpan } from '../needs.ts'
import type { Looks, Offer, Rule } from '../rule.ts'
import { lastOf, numberIn, rateOf, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { MB, mem, percentOf, RATE_MS, recent, swapUsed, totalOf, zswap, zswapOn } from './kit.ts'
import { compressedSwapOn, endUnneeded, leaveIt, MACHINE, suspendIdle, trial } from './offers.ts'

/** zswap and zram: how full, how well it compresses, and whether the two are in each other's way. */

const hasZswap = (looks: Looks): boolean => zswapOn(lastOf(looks))
const compressorOf = (look: Evidence): string => look.mm[zswap('compressor')]?.value ?? 'unknown'

const poolTo = (id: string, title: string, poolPercent: number): Offer => trial({
  id, title,
  what: `Lets zswap's pool take up to ${percent(poolPercent)} of memory.`,
  tradeOff: 'What the pool takes is not there for programs and files.',
  sideEffects: 'None while the pool does not fill.',
  scope: MACHINE,
}, { compressedSwap: { mode: 'zswap', poolPercent } })

const denser = (mode: 'auto' | 'zswap' = 'auto'): Offer => trial({
  id: 'denser',
  title: 'Compress more densely',
  what: 'Uses zstd where the kernel has it: text of agents takes about a third instead of a half.',
  tradeOff: 'About half again the CPU time of lz4 when storing, and four times when reading back.',
  sideEffects: 'Only what is stored from now on is denser.',
  scope: MACHINE,
}, { compressedSwap: { mode, compressors: ['zstd', 'lz4', 'lzo-rle', 'lzo'] } })

const faster = (mode: 'auto' | 'zswap'): Offer => trial({
  id: 'faster',
  title: 'Use a quick compressor',
  what: 'Uses lz4, else lzo: ten times quicker than deflate in measurements (15 instead of 171 CPU seconds for 6.8 GB).',
  tradeOff: 'Takes about a third to a half more room in memory than a dense one.',
  sideEffects: 'Only what is stored from now on uses it.',
  scope: MACHINE,
}, { compressedSwap: { mode, compressors: ['lz4', 'lzo-rle', 'lzo'] } })

const poolFull = define({
  id: 'swap.zswap-pool-full',
  topic: 'swap',
  title: 'The compressed pool (zswap) is full',
  appliesTo: hasZswap,
  needs: [needsMm(zswap('max_pool_percent')), needsMeminfo('Zswap', 'Zswapped', 'MemTotal')],
  thresholds: { fullPercent: 95, emptiedPercent: 80, onDiskBytes: 32 * MB },
  because: 'Documentation/admin-guide/mm/zswap.rst: max_pool_percent is the most of memory the pool may take. At the limit pages are written to disk, or refused, until it falls below accept_threshold_percent (90): a pool that was full is seen somewhat below its limit, and more is swapped out than it holds.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const most = numberIn(look.mm, zswap('max_pool_percent')) ?? 20
    const limitBytes = (totalOf(look) * most) / 100
    const full = percentOf(mem(look, 'Zswap'), limitBytes)
    const onDisk = swapUsed(look) - mem(look, 'Zswapped')
    const wasFull = full > limit.emptiedPercent && onDisk > limit.onDiskBytes
    if (full <= limit.fullPercent && !wasFull) return []
    const next = Math.min(50, most + 15)
    return [{
      subject: '',
      severity: 'warning',
      explanation: `zswap keeps idle memory compressed, in up to ${percent(most)} of memory (${amount(limitBytes)}). ${amount(mem(look, 'Zswap'))} are taken; they hold ${amount(mem(look, 'Zswapped'))} of programs' memory. It is full${wasFull ? `, and ${amount(onDisk)} more already lie on the disk behind it` : ''}: what goes out now is written to that disk, as it is and slowly, and comes back as slowly.`,
      figures: [
        figure({ what: 'Pool, of what it may take', value: full, unit: 'percent', source: '/proc/meminfo Zswap, max_pool_percent', threshold: above(wasFull ? limit.emptiedPercent : limit.fullPercent), history: historyOf(looks, (each) => percentOf(mem(each, 'Zswap'), limitBytes)) }),
        figure({ what: 'Pool', value: mem(look, 'Zswap'), unit: 'bytes', source: '/proc/meminfo Zswap' }),
        figure({ what: 'Held in it, uncompressed', value: mem(look, 'Zswapped'), unit: 'bytes', source: '/proc/meminfo Zswapped' }),
        ...(onDisk > 0 ? [figure({ what: 'Swapped out beyond that, so on the disk', value: onDisk, unit: 'bytes', source: '/proc/swaps less Zswapped', threshold: above(limit.onDiskBytes) })] : []),
      ],
      solutions: next > most ? [poolTo('larger-pool', 'Let the pool grow', next), denser('zswap'), endUnneeded(), shrink()] : [denser('zswap'), endUnneeded(), shrink()],
    }]
  },
  lookDeeper: ['bpftrace.swap-in', 'ftrace.reclaim'],
})

const shrink = (): Offer => trial({
  id: 'shrinker',
  title: 'Let the coldest pages leave for the disk',
  what: 'Switches on zswap\'s shrinker (Linux 6.8 and newer): what nobody asked for in a long time moves to the swap on disk, and the pool has room for what matters.',
  tradeOff: 'What moved to the disk is slow to come back.',
  sideEffects: 'Memory of programs, keys and conversations included, is written to the disk as it is, unless the swap there is encrypted.',
  scope: MACHINE,
}, { compressedSwap: { mode: 'zswap', shrinker: true } })

const REJECTS = ['reject_reclaim_fail', 'reject_alloc_fail', 'reject_kmemcache_fail', 'reject_compress_fail', 'reject_compress_poor', 'pool_limit_hit'] as const
const rejected = (look: Evidence): number | null => {
  const there = REJECTS.flatMap((name) => look.zswapDebug[name] ?? [])
  return there.length === 0 ? null : there.reduce((sum, value) => sum + value, 0)
}

const rejects = define({
  id: 'swap.zswap-rejects',
  topic: 'swap',
  title: 'The compressed pool (zswap) turns pages away',
  appliesTo: hasZswap,
  needs: [needsSpan(RATE_MS), (looks) => (rejected(lastOf(looks)) === null ? '/sys/kernel/debug/zswap: only root may read it, where debugfs is mounted' : null)],
  thresholds: { pagesPerSecond: 25 },
  because: 'mm/zswap.c counts why a page was not stored: no memory for the pool, it compressed badly, or the limit was hit. 25 pages are 0.1 MB a second: less never adds up.',
  find: (looks, limit) => {
    const last = recent(looks)
    const rate = rateOf(last, rejected).value
    if (rate === null || rate.perSecond <= limit.pagesPerSecond) return []
    const changes = REJECTS.map((name) => ({ name, change: (lastOf(last).zswapDebug[name] ?? 0) - (last[0].zswapDebug[name] ?? 0) })).toSorted((a, b) => b.change - a.change)
    const main = changes[0]?.name ?? 'reject_reclaim_fail'
    const why = main === 'reject_compress_poor' || main === 'reject_compress_fail' ? 'their content does not compress (pictures, archives, encrypted data)' : main === 'pool_limit_hit' || main === 'reject_reclaim_fail' ? 'the pool is at its limit' : 'no memory could be found for the pool itself'
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${counted(rate.perSecond)} pages a second that should be kept compressed are turned away, mostly because ${why}. They go to the disk behind the pool instead, uncompressed and slowly.`,
      figures: [
        figure({ what: 'Pages turned away', value: rate.perSecond, unit: 'per-second', source: '/sys/kernel/debug/zswap/reject_*', threshold: above(limit.pagesPerSecond), history: rateHistoryOf(looks, rejected) }),
        figure({ what: 'Most frequent reason', value: main, unit: 'text', source: '/sys/kernel/debug/zswap' }),
      ],
      solutions: [poolTo('larger-pool', 'Let the pool grow', Math.min(50, (numberIn(lastOf(looks).mm, zswap('max_pool_percent')) ?? 20) + 15)), suspendIdle(), endUnneeded(), leaveIt('Leave it', 'Where the reason is content that does not compress, a disk is the right place for it.', 'It is slow to come back.')],
    }]
  },
  lookDeeper: ['ftrace.reclaim'],
})

const writesBack = define({
  id: 'swap.zswap-writes-back',
  topic: 'swap',
  title: 'Compressed pages are moved on to the disk',
  appliesTo: hasZswap,
  needs: [needsSpan(RATE_MS), needsCounter('zswpwb')],
  thresholds: { pagesPerSecond: 256 },
  because: 'zswpwb of /proc/vmstat (6.8+): pages that zswap unpacked and wrote to the swap behind it. 256 pages are 1 MB a second.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const rate = vmstatRate(recent(looks), 'zswpwb').value
    if (rate === null || rate.perSecond <= limit.pagesPerSecond) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `${amount(rate.perSecond * look.pageBytes)} a second leave the compressed pool for the swap on disk. There they lie as they are, and are slow to come back. zswap does that when its pool is full, or when its shrinker is on.`,
      figures: [figure({ what: 'Pages written on to the disk', value: rate.perSecond, unit: 'per-second', source: '/proc/vmstat zswpwb', threshold: above(limit.pagesPerSecond), history: rateHistoryOf(looks, (each) => each.vmstat['zswpwb']) })],
      solutions: [trial({
        id: 'no-shrinker',
        title: 'Keep it in memory',
        what: 'Switches the shrinker off and lets the pool take up to 35 % of memory.',
        tradeOff: 'The pool takes more memory.',
        sideEffects: 'When it is full, pages still go to the disk.',
        scope: MACHINE,
      }, { compressedSwap: { mode: 'zswap', poolPercent: 35, shrinker: false } }), suspendIdle(), leaveIt('Leave it', 'Right where the disk\'s swap is encrypted and memory is needed for something else.', 'What went out is slow to come back.')],
    }]
  },
  lookDeeper: ['ftrace.reclaim'],
})

const useless = define({
  id: 'swap.zswap-without-swap',
  topic: 'swap',
  title: 'zswap is on and can hold nothing: there is no swap behind it',
  appliesTo: hasZswap,
  needs: [],
  thresholds: { swapDevices: 0 },
  because: 'Documentation/admin-guide/mm/zswap.rst: zswap is a cache for swap pages. Measured: it stores nothing without a swap device.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    if (look.swapDevices.length > limit.swapDevices) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: 'zswap compresses pages on their way to swap. This machine has no swap, so no page is ever on its way there: the switch is on and does nothing.',
      figures: [
        figure({ what: 'Swap devices', value: look.swapDevices.length, unit: 'count', source: '/proc/swaps', threshold: is(limit.swapDevices) }),
        figure({ what: 'zswap', value: 'on', unit: 'text', source: zswap('enabled') }),
      ],
      solutions: [compressedSwapOn(), trial({
        id: 'zswap-with-file',
        title: 'Give zswap a swap file no larger than its pool',
        what: 'Makes a swap file that only reserves places; pages stay in the compressed pool in memory.',
        tradeOff: 'Takes disk space of a part of your memory.',
        sideEffects: 'None known.',
        scope: MACHINE,
      }, { compressedSwap: { mode: 'zswap', poolPercent: 30, shrinker: false } })],
    }]
  },
  lookDeeper: [],
})

/** Measured, or known from the kernel's own benchmarks, to be many times slower than lz4 for little more. */
const SLOW = /^(?:deflate|deflate-iso|842|lz4hc)$/u

const slowCompressor = define({
  id: 'swap.slow-compressor',
  topic: 'swap',
  title: 'Compressed swap uses a slow compressor',
  appliesTo: (looks) => zswapOn(lastOf(looks)) || lastOf(looks).zram.length > 0,
  needs: [],
  thresholds: {},
  because: 'Measured on 6.8 GB of agents: deflate took 171 CPU seconds for a pool of 1.3 GB, lz4 and lzo 15 for 1.9 GB. zswap may keep an old compressor without a word when it lacks the one asked for.',
  find: (looks) => {
    const look = lastOf(looks)
    const used = [...(zswapOn(look) ? [{ where: 'zswap', compressor: compressorOf(look), source: zswap('compressor') }] : []), ...look.zram.filter((device) => device.diskSizeBytes > 0).map((device) => ({ where: device.name, compressor: device.algorithm, source: `/sys/block/${device.name}/comp_algorithm` }))]
    return used.filter(({ compressor }) => SLOW.test(compressor)).map(({ where, compressor, source }) => ({
      subject: where,
      severity: 'advice',
      explanation: `${where} compresses with ${compressor}. In measurements it took eleven times the CPU time of lz4 for a pool that was a third smaller: the machine hangs for seconds when memory is paged out, and waking an agent takes longer.`,
      figures: [figure({ what: `Compressor of ${where}`, value: compressor, unit: 'text', source, threshold: { kind: 'is', value: compressor } })],
      solutions: [faster(where === 'zswap' ? 'zswap' : 'auto'), denser(where === 'zswap' ? 'zswap' : 'auto'), leaveIt('Leave it', 'Where memory is scarce and CPU time is not, it does hold most.', 'Pages take long to come back.')],
    }))
  },
  lookDeeper: ['perf.kernel-cpu'],
})

const twice = define({
  id: 'swap.compressed-twice',
  topic: 'swap',
  title: 'Memory is compressed twice: zswap lies before zram',
  appliesTo: hasZswap,
  needs: [],
  thresholds: { zramDevices: 0 },
  because: 'Documentation/admin-guide/mm/zswap.rst: zswap takes pages on their way to any swap device. With zram behind it, what leaves the pool is unpacked and compressed again into memory.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const zram = look.swapDevices.filter((device) => device.kind === 'zram')
    if (zram.length <= limit.zramDevices) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Two things that do the same are in a row: zswap compresses pages into its pool, and ${zram.map((device) => device.path).join(', ')} compresses into memory as well. What zswap moves on is unpacked, compressed again and stays in memory: CPU time for nothing. One of them is enough.`,
      figures: [
        figure({ what: 'zram used as swap behind zswap', value: zram.length, unit: 'count', source: '/proc/swaps', threshold: above(limit.zramDevices) }),
        figure({ what: 'In zswap\'s pool', value: mem(look, 'Zswap'), unit: 'bytes', source: '/proc/meminfo Zswap' }),
      ],
      solutions: [
        trial({ id: 'zram-alone', title: 'Keep zram, without zswap', what: 'Uses zram alone.', tradeOff: 'zswap cannot move cold pages on to a disk any more.', sideEffects: 'What is in zswap\'s pool stays until it is used.', scope: MACHINE }, { compressedSwap: { mode: 'zram' } }),
        { id: 'zswap-off', title: 'Switch zswap off by hand', what: 'Stops zswap from taking pages; zram goes on.', tradeOff: 'Lasts until the next restart; for good, add zswap.enabled=0 to the kernel\'s command line.', sideEffects: 'What is in the pool stays until it is used.', scope: MACHINE, undo: 'by-hand', undoWords: `echo Y | sudo tee ${zswap('enabled')}`, act: { how: 'command', command: `echo N | sudo tee ${zswap('enabled')}`, needsRoot: true } },
      ],
    }]
  },
  lookDeeper: [],
})

const poorCompression = define({
  id: 'swap.poor-compression',
  topic: 'swap',
  title: 'What is in compressed swap hardly compresses',
  appliesTo: (looks) => zswapOn(lastOf(looks)) || lastOf(looks).zram.length > 0,
  needs: [],
  thresholds: { ratio: 1.5, storedBytes: 256 * MB },
  because: 'Measured on agents: 2.0 (lz4) to 3.9 (zstd with text). Below 1.5 a page gives back less than a third of itself.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const pools = [...look.zram.map((device) => ({ where: device.name, stored: device.storedBytes, pool: device.poolBytes, source: `/sys/block/${device.name}/mm_stat` })), ...(zswapOn(look) ? [{ where: 'zswap', stored: mem(look, 'Zswapped'), pool: mem(look, 'Zswap'), source: '/proc/meminfo Zswapped, Zswap' }] : [])]
    return pools.filter(({ stored, pool }) => stored > limit.storedBytes && pool > 0 && stored / pool < limit.ratio).map(({ where, stored, pool, source }) => ({
      subject: where,
      severity: 'advice',
      explanation: `${where} holds ${amount(stored)} in ${amount(pool)}: ${times(stored / pool)} to one, where two to four to one is usual. So paging out gives back little. Pictures, archives, models and encrypted data in memory do not compress.`,
      figures: [
        figure({ what: 'Stored bytes to the memory they take', value: stored / pool, unit: 'ratio', source, threshold: below(limit.ratio) }),
        figure({ what: 'Stored', value: stored, unit: 'bytes', source, threshold: above(limit.storedBytes) }),
      ],
      solutions: [denser(where === 'zswap' ? 'zswap' : 'auto'), endUnneeded(), leaveIt('Leave it', 'It still gives back a part.', 'It costs CPU time for little.')],
    }))
  },
  lookDeeper: [],
})

export const swapCompressed: readonly Rule[] = [poolFull, rejects, writesBack, useless, slowCompressor, twice, poorCompression]
