import { amount, percent } from '../../amounts.ts'
import { above, below, figure, historyOf } from '../figures.ts'
import { needsMeminfo, needsPressure, needsReading } from '../needs.ts'
import type { Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { define } from './define.ts'
import { availablePercent, largestWords, mem, percentOf, totalOf } from './kit.ts'
import { compressedSwapOn, endUnneeded, moreMemory, pageOutIdle, suspendIdle, tunable } from './offers.ts'

/**
 * Programs that wait for memory, as the kernel's own clock of lost time (PSI)
 * says, and how little is left. These are signs, not causes: they carry few or
 * no bytes, so that of equal severity what causes them is named first.
 */

const PSI = 'Documentation/accounting/psi.rst: "full" is time in which no task ran that was not stalled, CPU cycles going to waste; "some" is time in which at least one was.'
const fullOf = (look: Parameters<typeof availablePercent>[0]): number | null => look.pressure.memory.value?.full.value?.avg10Percent ?? null

/** Protects what was used in the last second: better one program ended than all of them standing still. */
const protectWorkingSet = () => tunable({
  id: 'protect-working-set',
  title: 'Protect what was used in the last second',
  what: 'Tells the kernel (MGLRU, Linux 6.1 and newer) never to take pages that were used within the last 1000 ms.',
  tradeOff: 'When even that does not fit, the kernel ends a program (OOM kill) instead of letting all of them crawl.',
  sideEffects: 'None while memory suffices.',
}, { lruMinTtlMs: 1000 })

const stalled = define({
  id: 'pressure.stalled',
  topic: 'pressure',
  title: 'All programs stand still, waiting for memory',
  needs: [needsPressure('memory'), needsReading('/proc/pressure/memory full', (look) => look.pressure.memory.value?.full ?? { value: null, reason: 'not-supported' }), needsMeminfo('MemTotal', 'MemAvailable')],
  thresholds: { fullAvg10Percent: 5, criticalAvg10Percent: 20 },
  because: `${PSI} A twentieth of all time lost is felt as stutter; at a fifth a desktop no longer answers.`,
  find: (looks, limit) => {
    const look = lastOf(looks)
    const full = fullOf(look)
    if (full === null || full <= limit.fullAvg10Percent) return []
    return [{
      subject: '',
      severity: full > limit.criticalAvg10Percent ? 'critical' : 'warning',
      explanation: `During ${percent(full)} of the last 10 seconds nothing at all could run: every program that had work to do was waiting for memory. That happens when what programs use at the same moment is larger than the memory there is, so that the kernel takes a page from one only to be asked for it by another. ${amount(mem(look, 'MemAvailable'))} of ${amount(totalOf(look))} are available.${largestWords(look)}`,
      figures: [
        figure({ what: 'Time in which everything waited for memory, last 10 s', value: full, unit: 'percent', source: '/proc/pressure/memory full avg10', threshold: above(limit.fullAvg10Percent), history: historyOf(looks, fullOf) }),
        figure({ what: 'Available, of all memory', value: availablePercent(look), unit: 'percent', source: '/proc/meminfo MemAvailable', history: historyOf(looks, availablePercent) }),
      ],
      solutions: [suspendIdle(), pageOutIdle(), endUnneeded(), moreMemory(), protectWorkingSet()],
    }]
  },
  lookDeeper: ['ftrace.reclaim', 'bpftrace.direct-reclaim'],
})

const slowed = define({
  id: 'pressure.slowed',
  topic: 'pressure',
  title: 'Some programs keep waiting for memory',
  needs: [needsPressure('memory'), needsMeminfo('MemTotal', 'MemAvailable')],
  thresholds: { someAvg60Percent: 10, fullAvg10Percent: 5 },
  because: `${PSI} One minute of average passes over a single burst, such as starting a large program.`,
  find: (looks, limit) => {
    const look = lastOf(looks)
    const some = look.pressure.memory.value?.some.avg60Percent ?? 0
    // Where everything stands still, "pressure.stalled" says the same more loudly.
    if (some <= limit.someAvg60Percent || (fullOf(look) ?? 0) > limit.fullAvg10Percent) return []
    return [{
      subject: '',
      severity: 'warning',
      explanation: `During ${percent(some)} of the last minute at least one program was waiting for memory: for a page to be read back, or for room to be made. Others could go on meanwhile, so the machine works, only slower than it should.${largestWords(look)}`,
      figures: [
        figure({ what: 'Time in which some program waited for memory, last minute', value: some, unit: 'percent', source: '/proc/pressure/memory some avg60', threshold: above(limit.someAvg60Percent), history: historyOf(looks, (each) => each.pressure.memory.value?.some.avg60Percent) }),
        figure({ what: 'Available, of all memory', value: availablePercent(look), unit: 'percent', source: '/proc/meminfo MemAvailable', history: historyOf(looks, availablePercent) }),
      ],
      solutions: [pageOutIdle(), suspendIdle(), endUnneeded(), moreMemory()],
    }]
  },
  lookDeeper: ['ftrace.reclaim', 'perf.page-faults'],
})

const lowAvailable = define({
  id: 'pressure.low-available',
  topic: 'pressure',
  title: 'Hardly any memory is left',
  needs: [needsMeminfo('MemTotal', 'MemAvailable', 'AnonPages')],
  thresholds: { availablePercent: 10, criticalPercent: 4 },
  because: 'MemAvailable is the kernel\'s own estimate of what programs can still get without swapping (Documentation/filesystems/proc.rst). earlyoom, which ends programs to keep a desktop alive, acts from 10 % on.',
  find: (looks, limit) => {
    const look = lastOf(looks)
    const share = availablePercent(look)
    if (totalOf(look) === 0 || share >= limit.availablePercent) return []
    const kernel = mem(look, 'SUnreclaim') + mem(look, 'KernelStack') + mem(look, 'PageTables')
    return [{
      subject: '',
      severity: share < limit.criticalPercent ? 'critical' : 'warning',
      explanation: `Of ${amount(totalOf(look))} only ${amount(mem(look, 'MemAvailable'))} (${percent(share)}) can still be given to programs. ${amount(mem(look, 'AnonPages'))} are programs' own data, ${amount(mem(look, 'Shmem'))} files kept in memory (tmpfs) and shared memory, ${amount(kernel)} the kernel's own.${largestWords(look)} The file cache is already left out of this figure: the kernel drops it by itself.`,
      figures: [
        figure({ what: 'Available, of all memory', value: share, unit: 'percent', source: '/proc/meminfo MemAvailable / MemTotal', threshold: below(limit.availablePercent), history: historyOf(looks, availablePercent) }),
        figure({ what: 'Available memory', value: mem(look, 'MemAvailable'), unit: 'bytes', source: '/proc/meminfo MemAvailable' }),
        figure({ what: 'Data of programs, of all memory', value: percentOf(mem(look, 'AnonPages'), totalOf(look)), unit: 'percent', source: '/proc/meminfo AnonPages' }),
        figure({ what: 'Of agents', value: percentOf(look.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0), totalOf(look)), unit: 'percent', source: 'smaps_rollup of their processes' }),
      ],
      solutions: [pageOutIdle(), suspendIdle(), endUnneeded(), look.swapDevices.length === 0 ? compressedSwapOn() : moreMemory()],
    }]
  },
  lookDeeper: ['perf.page-faults'],
})

export const pressureStalls: readonly Rule[] = [stalled, slowed, lowAvailable]
