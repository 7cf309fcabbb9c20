import type { Evidence } from '../../../../helper/contract/evidence.ts'
import { amount, counted, percent } from '../../amounts.ts'
import { above, below, figure, historyOf, isNot } from '../figures.ts'
import { needsSpan, needsSysctl } from '../needs.ts'
import type { Looks, Rule } from '../rule.ts'
import { lastOf, numberIn, rateOf } from '../series.ts'
import { define } from './define.ts'
import { GB, percentOf, processSubject, processWords, RATE_MS, recent, vm } from './kit.ts'
import { advice, command, leaveIt, MACHINE } from './offers.ts'

/** Machines whose memory lies in several places (NUMA), some nearer to a processor than others. */

const hasNodes = (looks: Looks): boolean => withMemory(lastOf(looks)).length > 1
const withMemory = (look: Evidence): Evidence['numa'] => look.numa.filter((node) => node.totalBytes > 0)

const balancing = () => command({
  id: 'balance',
  title: 'Let the kernel move pages to who uses them',
  what: 'Switches on automatic NUMA balancing: the kernel notices from where pages are used and moves them there.',
  tradeOff: 'Costs a few percent of CPU time.',
  sideEffects: 'Short pauses while pages are moved.',
  scope: MACHINE,
}, 'sudo sysctl kernel.numa_balancing=1', true, 'sudo sysctl kernel.numa_balancing=0')

const spreadOut = () => advice({
  id: 'spread',
  title: 'Spread a large program over all nodes',
  what: 'Start it with numactl --interleave=all PROGRAM: its pages then go to all nodes in turns.',
  tradeOff: 'Half of its accesses are a little slower, but none of the nodes runs out.',
  sideEffects: 'None for others.',
  scope: 'The program you start that way',
}, 'Start it without numactl.')

const imbalance = define({
  id: 'numa.imbalance',
  topic: 'numa',
  title: 'One part of memory is full while another is free',
  appliesTo: hasNodes,
  needs: [],
  thresholds: { fullFreePercent: 5, otherFreePercent: 30 },
  because: 'Documentation/admin-guide/mm/numa_memory_policy.rst: memory is taken from the local node first; processes bound to it (cpusets, mbind) are reclaimed and swapped there although others have room.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    // Memory without processors (CXL, a persistent tier) is meant to be taken last.
    const nodes = withMemory(look).filter((node) => node.hasCpus)
    const roomy = nodes.filter((node) => percentOf(node.freeBytes, node.totalBytes) > limit.otherFreePercent)
    if (roomy.length === 0) return []
    return nodes.filter((node) => percentOf(node.freeBytes, node.totalBytes) < limit.fullFreePercent).map((node) => ({
      subject: `node ${node.node}`,
      severity: 'advice',
      explanation: `This machine's memory is in ${counted(nodes.length)} parts, each near to some of its processors. Part ${node.node} has ${amount(node.freeBytes)} of ${amount(node.totalBytes)} free, part ${roomy[0]?.node ?? 0} has ${amount(roomy[0]?.freeBytes ?? 0)}. Programs on the processors of the full part get memory from far away, or wait until some has been made free, although the machine has enough.`,
      figures: [
        figure({ what: `Free in part ${node.node}`, value: percentOf(node.freeBytes, node.totalBytes), unit: 'percent', source: `/sys/devices/system/node/node${node.node}/meminfo`, threshold: below(limit.fullFreePercent), history: historyOf(looks, (each) => each.numa.find((other) => other.node === node.node)?.freeBytes) }),
        figure({ what: `Free in part ${roomy[0]?.node ?? 0}`, value: percentOf(roomy[0]?.freeBytes ?? 0, roomy[0]?.totalBytes ?? 0), unit: 'percent', source: `/sys/devices/system/node/node${roomy[0]?.node ?? 0}/meminfo`, threshold: above(limit.otherFreePercent) }),
      ],
      solutions: [balancing(), spreadOut()],
    }))
  },
  lookDeeper: ['ftrace.reclaim'],
})

const remote = define({
  id: 'numa.remote',
  topic: 'numa',
  title: 'Much memory is taken from far away',
  appliesTo: hasNodes,
  needs: [needsSpan(RATE_MS)],
  thresholds: { missPercent: 10, pagesPerSecond: 1000 },
  because: 'Documentation/admin-guide/numastat.rst: numa_miss counts pages taken from a node because the wanted one had none. 1000 pages are 4 MB a second.',
  find: (looks, limit) => {
    const last = recent(looks)
    const sum = (name: string) => (look: Evidence): number | null => (look.numa.every((node) => name in node.counters) ? look.numa.reduce((total, node) => total + (node.counters[name] ?? 0), 0) : null)
    const miss = rateOf(last, sum('numa_miss')).value
    const hit = rateOf(last, sum('numa_hit')).value
    if (miss === null || hit === null) return []
    const share = percentOf(miss.change, miss.change + hit.change)
    if (share <= limit.missPercent || miss.perSecond <= limit.pagesPerSecond) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `Of the pages that programs got lately, ${percent(share)} lie in a part of memory that is far from the processor that asked, because the near part was full. Each access to them takes half again to twice as long.`,
      figures: [
        figure({ what: 'Pages taken from far away', value: share, unit: 'percent', source: '/sys/devices/system/node/node*/numastat numa_miss', threshold: above(limit.missPercent) }),
        figure({ what: 'Such pages', value: miss.perSecond, unit: 'per-second', source: 'numastat numa_miss', threshold: above(limit.pagesPerSecond) }),
      ],
      solutions: [balancing(), spreadOut()],
    }]
  },
  lookDeeper: ['perf.page-faults'],
})

const zoneReclaim = define({
  id: 'numa.zone-reclaim',
  topic: 'numa',
  title: 'The kernel empties a near part of memory rather than use a far one',
  appliesTo: hasNodes,
  needs: [needsSysctl(vm('zone_reclaim_mode'))],
  thresholds: { mode: 0 },
  because: 'Documentation/admin-guide/sysctl/vm.rst: off by default; for "workloads that benefit from having their data cached, zone_reclaim_mode should be left disabled as the caching effect is likely to be more important than data locality".',
  find: (looks, limit) => {
    const mode = numberIn(lastOf(looks).sysctl, vm('zone_reclaim_mode')) ?? 0
    if (mode === limit.mode) return []
    return [{
      subject: '',
      severity: 'advice',
      explanation: `vm.zone_reclaim_mode is ${mode}: when the near part of memory is full, the kernel throws out files there${(mode & 4) > 0 ? ' and swaps' : ''} instead of taking free memory from another part. That made sense for a few supercomputers; for builds and agents it means reading files again while memory is free.`,
      figures: [figure({ what: 'vm.zone_reclaim_mode', value: mode, unit: 'count', source: vm('zone_reclaim_mode'), threshold: isNot(limit.mode) })],
      solutions: [command({ id: 'off', title: 'Switch it off', what: 'Sets it to 0, the kernel\'s default.', tradeOff: 'Some memory is farther away.', sideEffects: 'None known.', scope: MACHINE }, 'sudo sysctl vm.zone_reclaim_mode=0', true, `sudo sysctl vm.zone_reclaim_mode=${mode}`), leaveIt('Leave it', 'Right for programs pinned to one part that never share data.', 'Files are read again.')],
    }]
  },
  lookDeeper: [],
})

const split = define({
  id: 'numa.split-process',
  topic: 'numa',
  title: 'A large program lies in several parts of memory',
  appliesTo: hasNodes,
  needs: [],
  thresholds: { bytes: GB, otherPercent: 30 },
  because: '/proc/PID/numa_maps. A program that would fit into one part but lies in two pays for the way on each far access; 30 % keeps out what only spilled over.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    return look.processes.flatMap((process) => {
      const nodes = process.numaBytes.value ?? []
      const all = nodes.reduce((sum, bytes) => sum + bytes, 0)
      const main = Math.max(0, ...nodes)
      const fits = withMemory(look).some((node) => node.freeBytes + main > all)
      if (all <= limit.bytes || percentOf(all - main, all) <= limit.otherPercent || !fits) return []
      return [{
        subject: processSubject(process),
        severity: 'information' as const,
        title: `${process.title || process.name} lies in several parts of memory`,
        explanation: `${processWords(process)} has ${amount(all)}, of which ${amount(all - main)} (${percent(percentOf(all - main, all))}) are not where most of it is, although all of it would fit into one part. Programs with several threads on all processors may want that; one that runs on few processors is slowed down.`,
        figures: [
          figure({ what: 'Outside its main part', value: percentOf(all - main, all), unit: 'percent', source: `/proc/${process.ref.pid}/numa_maps`, threshold: above(limit.otherPercent) }),
          figure({ what: 'All of it', value: all, unit: 'bytes', source: `/proc/${process.ref.pid}/numa_maps`, threshold: above(limit.bytes) }),
        ],
        solutions: [command({ id: 'move', title: 'Move it together', what: 'Moves its pages to the part that holds most of it.', tradeOff: 'The program may pause meanwhile.', sideEffects: 'None for others.', scope: processWords(process) }, `sudo migratepages ${process.ref.pid} all ${nodes.indexOf(main)}`, true, `sudo migratepages ${process.ref.pid} ${nodes.indexOf(main)} all`), balancing(), leaveIt('Leave it', 'Right for programs that use all processors.', 'Some accesses are slower.')],
      }]
    })
  },
  lookDeeper: ['perf.page-faults'],
})

export const numa: readonly Rule[] = [imbalance, remote, zoneReclaim, split]
