import type { Evidence, Zone } from '../../../../helper/contract/evidence.ts'
import { amount, counted, often, percent, times } from '../../amounts.ts'
import { plural } from '../../report/format.ts'
import { above, below, figure, rateHistoryOf } from '../figures.ts'
import { needsCounter, needsReading, needsSpan } from '../needs.ts'
import type { Rule } from '../rule.ts'
import { lastOf, numberIn, rateOf, vmstatRate } from '../series.ts'
import { define } from './define.ts'
import { largeZones, percentOf, RATE_MS, recent, vm } from './kit.ts'
import { advice, compactOnce, keepFree, leaveIt, MACHINE, tunable } from './offers.ts'

/** Free memory in pieces too small for who asks. */

const HUGE_BYTES = 2 * 1024 ** 2
const hugeOrder = (look: Evidence): number => Math.round(Math.log2(HUGE_BYTES / look.pageBytes))
const zoneName = (zone: Zone): string => `node ${zone.node}, ${zone.zone}`

const tidyAhead = (look: Evidence) => {
  const now = numberIn(look.sysctl, vm('compaction_proactiveness')) ?? 20
  return tunable({
    id: 'tidy-ahead',
    title: 'Tidy up ahead of time',
    what: `Raises vm.compaction_proactiveness from ${now} to ${Math.min(100, Math.max(40, now * 2))} (Linux 5.9 and newer): the kernel moves free memory together in the background, before somebody needs a large piece.`,
    tradeOff: 'Some CPU time all the time.',
    sideEffects: 'Pages in use are moved; a program that uses one at that moment waits some microseconds.',
  }, { compactionProactiveness: Math.min(100, Math.max(40, now * 2)) })
}

const fewerHuge = () => tunable({
  id: 'no-huge',
  title: 'Ask for large pieces less often',
  what: 'Sets huge pages to "madvise": only programs that ask for them get pieces of 2 MB.',
  tradeOff: 'Programs with very much memory may run a few percent slower.',
  sideEffects: 'Holds for memory that is asked for from now on.',
}, { transparentHugePages: 'madvise' })

const noLargeBlocks = define({
  id: 'fragmentation.no-large-blocks',
  topic: 'fragmentation',
  title: 'Memory is free, but only in small pieces',
  needs: [(looks) => (largeZones(lastOf(looks)).some((zone) => zone.freeBlocks.length > 0) ? null : '/proc/buddyinfo')],
  thresholds: { freePercentOfZone: 5, inLargePercent: 5 },
  because: 'Documentation/admin-guide/mm/concepts.rst (compaction): after a long time free pages lie scattered. /proc/buddyinfo lists free pieces by size; a huge page needs 2 MB in one.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const order = hugeOrder(look)
    return largeZones(look).flatMap((zone) => {
      const free = zone.freeBlocks.reduce((sum, count, i) => sum + count * 2 ** i, 0)
      const large = zone.freeBlocks.reduce((sum, count, i) => sum + (i >= order ? count * 2 ** i : 0), 0)
      const freeShare = percentOf(free, zone.managedPages)
      const share = percentOf(large, free)
      if (zone.freeBlocks.length <= order || freeShare <= limit.freePercentOfZone || share >= limit.inLargePercent) return []
      return [{
        subject: zoneName(zone),
        severity: 'advice' as const,
        explanation: `${amount(free * look.pageBytes)} are free here, but only ${percent(share)} of that in pieces of 2 MB or more; the rest lies scattered between pages in use. Programs that get ordinary pages do not notice. Huge pages, virtual machines, network and graphics drivers need large pieces: they fail, or the kernel has to tidy up first while they wait.`,
        figures: [
          figure({ what: 'Free memory in pieces of 2 MB or more', value: share, unit: 'percent', source: `/proc/buddyinfo ${zoneName(zone)}`, threshold: below(limit.inLargePercent) }),
          figure({ what: 'Free in this zone', value: free * look.pageBytes, unit: 'bytes', source: '/proc/buddyinfo', threshold: above(Math.round((zone.managedPages * look.pageBytes * limit.freePercentOfZone) / 100)) }),
        ],
        solutions: [compactOnce(), tidyAhead(look), fewerHuge()],
      }]
    })
  },
  lookDeeper: ['ftrace.compaction'],
})

const index = define({
  id: 'fragmentation.index',
  topic: 'fragmentation',
  title: 'Medium-sized pieces of memory cannot be had',
  needs: [needsReading('/sys/kernel/debug/extfrag/extfrag_index', ({ zones }) => zones.find((zone) => zone.fragmentationIndex.value !== null)?.fragmentationIndex ?? zones[0]?.fragmentationIndex ?? { value: null, reason: 'not-supported' })],
  thresholds: { index: 0.5, order: 4 },
  because: 'Documentation/admin-guide/sysctl/vm.rst (extfrag_threshold): towards 0 a request fails for want of memory, towards 1000 (here 1) because of fragmentation; the kernel compacts above 500. Drivers and kernel stacks ask for up to order 4 (64 kB).',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return largeZones(look).flatMap((zone) => {
      const value = zone.fragmentationIndex.value?.[limit.order] ?? -1
      if (value <= limit.index) return []
      return [{
        subject: zoneName(zone),
        severity: 'warning' as const,
        explanation: `A request for ${amount(look.pageBytes * 2 ** limit.order)} in one piece would fail here now, and not for want of memory: the kernel's fragmentation index is ${times(value)}, where 0 means "too little memory" and 1 "only too scattered". Such pieces are what network cards, sound, graphics and new programs' kernel stacks need.`,
        figures: [figure({ what: 'Fragmentation index', value, unit: 'ratio', source: `/sys/kernel/debug/extfrag/extfrag_index ${zoneName(zone)}`, threshold: above(limit.index) })],
        solutions: [compactOnce(), tidyAhead(look), keepFree(look)],
      }]
    })
  },
  lookDeeper: ['ftrace.compaction'],
})

const compactionFails = define({
  id: 'fragmentation.compaction-fails',
  topic: 'fragmentation',
  title: 'Tidying up free memory mostly fails',
  needs: [needsSpan(RATE_MS), needsCounter('compact_fail'), needsCounter('compact_success')],
  thresholds: { failedPercent: 50, attempts: 50 },
  because: 'compact_fail and compact_success of /proc/vmstat (mm/compaction.c). Work that fails more often than not is CPU time and waiting for nothing; 50 attempts rule out chance.',
  find: (looks, limit) => {
    const last = recent(looks)
    const failed = vmstatRate(last, 'compact_fail').value?.change ?? 0
    const attempts = failed + (vmstatRate(last, 'compact_success').value?.change ?? 0)
    const share = percentOf(failed, attempts)
    if (attempts <= limit.attempts || share <= limit.failedPercent) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${counted(attempts)} times lately the kernel tried to move free memory together for somebody who waited, and ${percent(share)} of the tries failed. Usually pages that cannot be moved (of the kernel, of drivers, locked memory) lie in between, or too little is free.`,
      figures: [figure({ what: 'Tries that failed', value: share, unit: 'percent', source: '/proc/vmstat compact_fail / (compact_fail + compact_success)', threshold: above(limit.failedPercent) }), figure({ what: 'Tries', value: attempts, unit: 'count', source: '/proc/vmstat', threshold: above(limit.attempts) })],
      solutions: [fewerHuge(), tunable({
        id: 'do-not-wait',
        title: 'Do not wait for huge pages',
        what: 'Sets the huge pages\' "defrag" to "defer": who asks for one gets small pages at once, and the kernel tidies up later.',
        tradeOff: 'Huge pages come later or not at all.',
        sideEffects: 'None known.',
      }, { hugePageDefrag: 'defer' }), compactOnce()],
    }]
  },
  lookDeeper: ['ftrace.compaction'],
})

const compactionStalls = define({
  id: 'fragmentation.compaction-stalls',
  topic: 'fragmentation',
  title: 'Programs wait while free memory is tidied up',
  needs: [needsSpan(RATE_MS), needsCounter('compact_stall')],
  thresholds: { stallsPerSecond: 5 },
  because: 'compact_stall of /proc/vmstat: a request that stopped to compact memory itself (mm/page_alloc.c). Each takes milliseconds.',
  find: (looks, limit) => {
    const rate = vmstatRate(recent(looks), 'compact_stall').value
    if (rate === null || rate.perSecond <= limit.stallsPerSecond) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `About ${often(rate.perSecond)} a program that asked for a large piece of memory was stopped until pages had been moved together for it. Mostly that is for huge pages (2 MB), which programs could do without.`,
      figures: [figure({ what: 'Requests that tidied up themselves', value: rate.perSecond, unit: 'per-second', source: '/proc/vmstat compact_stall', threshold: above(limit.stallsPerSecond), history: rateHistoryOf(looks, (look) => look.vmstat['compact_stall']) })],
      solutions: [tunable({
        id: 'do-not-wait',
        title: 'Do not wait for huge pages',
        what: 'Sets the huge pages\' "defrag" to "defer": who asks for one gets small pages at once, and the kernel tidies up later.',
        tradeOff: 'Huge pages come later or not at all.',
        sideEffects: 'None known.',
      }, { hugePageDefrag: 'defer' }), fewerHuge(), tidyAhead(lastOf(looks))],
    }]
  },
  lookDeeper: ['ftrace.compaction', 'bpftrace.direct-reclaim'],
})

const kcompactd = define({
  id: 'fragmentation.kcompactd-cpu',
  topic: 'fragmentation',
  title: 'Tidying up memory takes much CPU time',
  needs: [needsSpan(RATE_MS), needsReading('CPU time of kcompactd', (look) => look.kernelThreadsCpuMs.kcompactd)],
  thresholds: { corePercent: 10 },
  because: 'kcompactd works in the background (Documentation/admin-guide/sysctl/vm.rst, compaction_proactiveness). A tenth of a core for minutes is no longer background.',
  find: (looks, limit) => {
    const rate = rateOf(recent(looks), (look) => look.kernelThreadsCpuMs.kcompactd.value).value
    const share = rate === null ? 0 : rate.perSecond / 10
    if (share <= limit.corePercent) return []
    const now = numberIn(lastOf(looks).sysctl, vm('compaction_proactiveness'))
    return [{
      subject: '',
      severity: 'advice',
      explanation: `kcompactd, the part of the kernel that moves free memory together, used ${percent(share)} of one core lately${now === null ? '' : ` (vm.compaction_proactiveness is ${now})`}. It works against programs that take memory apart as quickly as it tidies up.`,
      figures: [figure({ what: 'CPU time of kcompactd, of one core', value: share, unit: 'percent', source: '/proc/PID/stat of kcompactd', threshold: above(limit.corePercent) })],
      solutions: [tunable({ id: 'only-on-demand', title: 'Tidy up only when needed', what: 'Sets vm.compaction_proactiveness to 0.', tradeOff: 'Who needs a large piece waits until it is made.', sideEffects: 'None for ordinary programs.' }, { compactionProactiveness: 0 }), fewerHuge()],
    }]
  },
  lookDeeper: ['ftrace.compaction', 'perf.kernel-cpu'],
})

const RECENT_S = 3600

const allocationFailed = define({
  id: 'fragmentation.allocation-failed',
  topic: 'fragmentation',
  title: 'The kernel or a driver did not get the memory it asked for',
  needs: [needsReading('kernel messages', (look) => look.kernelMessages)],
  thresholds: { failures: 0 },
  because: '"page allocation failure" in the kernel\'s messages: a request that could not wait found no piece of its size. Of the last hour.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const failures = look.kernelMessages.value?.filter((message) => message.kind === 'allocation-failure' && look.uptimeS - message.atS < RECENT_S) ?? []
    if (failures.length <= limit.failures) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `${plural(failures.length, 'request')} of the kernel or a driver for a piece of memory failed within the last hour; the last one: "${failures.at(-1)?.text ?? ''}". Such requests cannot wait: a network card drops packets, a device stops. Either too little was free, or only in small pieces.`,
      figures: [figure({ what: 'Failed requests in the last hour', value: failures.length, unit: 'count', source: 'kernel messages', threshold: above(limit.failures) })],
      solutions: [keepFree(look), compactOnce(), advice({ id: 'driver', title: 'Look which driver it was', what: 'The message names it, and what it could not do. A newer driver or a smaller buffer (ethtool -G for network cards) may need smaller pieces.', tradeOff: 'Smaller buffers cost throughput.', sideEffects: 'Depends on the device.', scope: MACHINE }), leaveIt('Leave it', 'One such message under heavy load does no harm.', 'It may come back.')],
    }]
  },
  lookDeeper: ['ftrace.compaction'],
})

export const fragmentation: readonly Rule[] = [noLargeBlocks, index, compactionFails, compactionStalls, kcompactd, allocationFailed]
