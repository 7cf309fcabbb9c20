import type { RunDetail } from '../../contract/views.ts'
import type { Figure, Finding } from '../../contract/diagnosis.ts'
import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { amount, counted, listed } from '../amounts.ts'
import { durationText, plural } from '../report/format.ts'
import { above, below, figure, is } from './figures.ts'
import type { Found, Looks } from './rule.ts'
import { fit } from './rules/fit.ts'
import { advice, compressedSwapOn, endUnneeded, leaveIt, limitAgents, MACHINE, moreMemory, once, page, pageOutIdle, suspendIdle, trial } from './rules/offers.ts'
import { hasCompressedSwap, ksm, ksmRuns, MB, mem, swapSize, swapUsed } from './rules/kit.ts'
import { lastOf, numberIn } from './series.ts'

/**
 * Why memory did not fall with a run: the five usual causes, and what to do
 * when a program was ended or the kernel is too old. Recognised from the run's
 * plan and steps, from its before and after, and from a look at the machine.
 */

type Cause = Omit<Found, 'subject'> & { readonly rule: string; readonly title: string }

/** What counts as fallen: more than the noise, and more than anybody would notice. */
export const DID_NOT_FALL_LIMITS = { leastGainBytes: 64 * MB, cameBackShare: 0.5, ksmRounds: 2, ksmMs: 120_000, swapFreeShare: 0.05, cacheBackShare: 0.8, freeShare: 0.25 } as const
const LIMIT = DID_NOT_FALL_LIMITS

interface Run {
  readonly record: RunDetail['record']
  readonly delta: SnapshotDelta
  readonly looks: Looks
}

const change = ({ delta }: Run, id: string): number => delta.machine.find((row) => row.id === id)?.changeBytes.value ?? 0
const before = ({ delta }: Run, id: string): number => delta.machine.find((row) => row.id === id)?.beforeBytes.value ?? 0
const after = ({ delta }: Run, id: string): number => delta.machine.find((row) => row.id === id)?.afterBytes.value ?? 0
const noise = ({ delta }: Run, id: string): number => delta.machine.find((row) => row.id === id)?.noiseBytes.value ?? 0

const fell = (run: Run): boolean => {
  const gained = run.delta.total.verdict === 'gain' && run.delta.total.gainBytes > LIMIT.leastGainBytes
  return gained || change(run, 'available') > Math.max(LIMIT.leastGainBytes, noise(run, 'available'))
}

type Step = RunDetail['record']['plan']['steps'][number]
const done = ({ record }: Run): readonly Step[] => record.plan.steps.filter((step) => record.steps.some((outcome) => outcome.number === step.number && outcome.outcome === 'done'))
const stepsOf = (run: Run, ...ops: readonly Step['operation']['op'][]): readonly Step[] => done(run).filter((step) => ops.includes(step.operation.op))
const wonBy = (run: Run, op: Step['operation']['op']): number => {
  const numbers = new Set(stepsOf(run, op).map((step) => step.number))
  return run.record.steps.reduce((sum, outcome) => sum + (numbers.has(outcome.number) ? (outcome.wonBytes ?? 0) : 0), 0)
}
const startsMerging = (run: Run): boolean => done(run).some((step) => step.operation.op === 'write' && step.operation.path === ksm('run') && step.operation.value === '1')
/** Giving back reserved huge pages is the one setting that frees memory by itself. */
const givesBack = (step: Step): boolean => step.operation.op === 'write' && step.operation.path.endsWith('/nr_hugepages')

const availableFigure = (run: Run): Figure => figure({ what: 'Change of available memory', value: change(run, 'available'), unit: 'bytes', source: 'before and after the run: /proc/meminfo MemAvailable' })

const pageOutNow = () => once({ id: 'page-out-now', title: 'Page out idle agents now', what: 'Moves memory of agents that rest into compressed swap at once, instead of when memory gets tight.', tradeOff: 'The first key in such an agent takes some hundredths of a second longer, once.', sideEffects: 'Costs some seconds of CPU time.', scope: 'Your idle agents' }, { reclaim: { minIdleMs: 60_000 } })

const onlyLimits = (run: Run): Cause | null => {
  const steps = done(run)
  const acting = steps.filter((step) => ['reclaim', 'prune-cache', 'ksm-unmerge'].includes(step.operation.op) || givesBack(step))
  // Settings that were watched by how often programs had to wait: memory was not to fall.
  if (run.delta.rates !== undefined && run.delta.rates.verdict !== null) return null
  if (steps.length === 0 || acting.length > 0 || startsMerging(run)) return null
  const look = lastOf(run.looks)
  const groups = look.cgroups.value?.filter((group) => group.agents > 0 && (group.highBytes.value ?? group.maxBytes.value ?? null) !== null) ?? []
  return {
    rule: 'did-not-fall.only-limits',
    title: 'Only limits and settings were changed: nothing had to go yet',
    severity: 'advice',
    explanation: `This run changed ${plural(steps.length, 'setting')} (${listed([...new Set(steps.map((step) => step.target))].slice(0, 3))}), and none of them moves memory by itself. A limit acts when it is reached, swap is used when memory gets tight, and a setting of the kernel when it next has to choose. ${amount(mem(look, 'MemAvailable'))} are available, so nothing had to go.${groups.length === 0 ? '' : ` ${plural(groups.length, 'group')} of agents ${groups.length === 1 ? 'is' : 'are'} below their limit as well.`}`,
    figures: [
      figure({ what: 'Steps that move memory', value: acting.length, unit: 'count', source: 'the run\'s plan', threshold: is(0) }),
      availableFigure(run),
    ],
    solutions: hasCompressedSwap(look) ? [pageOutNow(), leaveIt('Wait until memory gets tight', 'Then the settings do what they are for.', 'Until then the figure stays as it is.'), suspendIdle()] : [compressedSwapOn(), leaveIt('Wait until memory gets tight', 'Then the settings do what they are for.', 'Until then the figure stays as it is.'), suspendIdle()],
  }
}

const pageCache = (run: Run): Cause | null => {
  const cacheChange = change(run, 'cache')
  const pruned = stepsOf(run, 'prune-cache').length > 0
  const cameBack = pruned && before(run, 'cache') > 0 && after(run, 'cache') > before(run, 'cache') * LIMIT.cacheBackShare
  // Available rose, free did not: what was won holds files now.
  const filled = change(run, 'available') > LIMIT.leastGainBytes && change(run, 'free') < change(run, 'available') * LIMIT.freeShare
  const grew = !fell(run) && cacheChange > LIMIT.leastGainBytes && change(run, 'anonymous') < -LIMIT.leastGainBytes
  if (!cameBack && !filled && !grew) return null
  return {
    rule: 'did-not-fall.page-cache',
    title: 'What was won holds files now: that is fine',
    severity: 'information',
    explanation: `"Used" did not fall because the kernel put files where memory became free: the file cache is at ${amount(after(run, 'cache'))}, ${amount(Math.abs(cacheChange))} ${cacheChange < 0 ? 'less' : 'more'} than before.${cameBack ? ' It was dropped and filled again, since programs go on reading files.' : ''} Such memory is given to programs the moment they ask. "Available" tells what can be had: ${amount(after(run, 'available'))}, ${amount(Math.abs(change(run, 'available')))} ${change(run, 'available') < 0 ? 'less' : 'more'} than before.`,
    figures: [
      figure({ what: 'Change of free memory', value: change(run, 'free'), unit: 'bytes', source: 'before and after the run: /proc/meminfo MemFree', threshold: below(Math.round(Math.max(LIMIT.leastGainBytes, change(run, 'available') * LIMIT.freeShare))) }),
      figure({ what: 'Change of the file cache', value: cacheChange, unit: 'bytes', source: 'before and after the run: /proc/meminfo Cached' }),
      availableFigure(run),
    ],
    solutions: [leaveIt('Leave it as it is', 'Look at "available", not at "free" or "used": the cache goes by itself.', 'None.'), pageOutIdle(), suspendIdle()],
  }
}

const noSwap = (run: Run): Cause | null => {
  const look = lastOf(run.looks)
  const wanted = run.record.plan.steps.some((step) => step.operation.op === 'reclaim') || run.record.plan.skipped.some((skip) => (skip.source === 'reclaim' || skip.source === 'compressed-swap') && skip.kind === 'impossible')
  const size = swapSize(look)
  const free = size - swapUsed(look)
  if (!wanted || fell(run) || free > size * LIMIT.swapFreeShare) return null
  const full = size > 0
  return {
    rule: 'did-not-fall.no-swap',
    title: full ? 'Swap is full: idle memory had nowhere to go' : 'There is no swap: idle memory had nowhere to go',
    severity: 'warning',
    explanation: `Paging out moves memory that nobody uses to swap. ${full ? `All ${amount(size)} of swap are in use` : 'This machine has none'}, so the kernel took the advice and kept the pages where they were: ${amount(wonBy(run, 'reclaim'))} went out. Only files that can be read again could be dropped.`,
    figures: [
      figure({ what: 'Free swap', value: free, unit: 'bytes', source: '/proc/swaps', threshold: full ? below(Math.round(size * LIMIT.swapFreeShare)) : is(0) }),
      figure({ what: 'Moved by this run', value: wonBy(run, 'reclaim'), unit: 'bytes', source: 'measured at each agent' }),
      availableFigure(run),
    ],
    solutions: [
      full ? trial({ id: 'larger-swap', title: 'Add larger compressed swap', what: 'Adds compressed swap as large as your memory beside what there is, then page out again.', tradeOff: 'What is compressed still takes about a third to a half of its size.', sideEffects: 'Costs CPU time when it fills.', scope: MACHINE }, { compressedSwap: { mode: 'auto', compressors: ['zstd', 'lz4', 'lzo-rle', 'lzo'], sizePercentOfMemory: 100, poolPercent: 40, shrinker: false } }) : compressedSwapOn(),
      advice({ id: 'load-zram', title: 'If this kernel has no compressed swap', what: 'sudo modprobe zram; on Ubuntu it is in linux-modules-extra-$(uname -r). In a container, the host has to offer swap.', tradeOff: 'Needs a package, or the host\'s consent.', sideEffects: 'None.', scope: MACHINE }),
      endUnneeded(),
    ],
  }
}

const inUse = (run: Run): Cause | null => {
  const won = wonBy(run, 'reclaim')
  const look = lastOf(run.looks)
  const paged = stepsOf(run, 'reclaim')
  const gain = run.delta.total.gainBytes
  const cameBack = paged.length > 0 && won > LIMIT.leastGainBytes && gain < won * LIMIT.cameBackShare
  const nobodyIdle = paged.length === 0 && run.record.treated.length === 0 && run.record.plan.skipped.some((skip) => skip.source === 'reclaim' && skip.kind === 'not-needed')
  if (fell(run) || (!cameBack && !nobodyIdle)) return null
  const active = look.agents.filter((agent) => agent.state === 'active').length
  return {
    rule: 'did-not-fall.in-use',
    title: nobodyIdle ? 'No agent was idle for long enough: nothing was paged out' : 'The memory is in use: it came back at once',
    severity: 'advice',
    explanation: nobodyIdle
      ? `The run pages out agents that rest, and none did for long enough: ${active === 0 ? 'those that wait for you have not waited for as long as it asks' : `${active === 1 ? '1 agent is' : `${counted(active)} agents are`} at work`}. Memory that a program uses right now cannot be made smaller from outside without making it slow.`
      : `${amount(won)} were moved out, but programs used them again: ${gain <= 0 ? 'at the second look nothing of it was won' : `only ${amount(gain)} of it were still won at the second look`}. ${active > 0 ? `${active === 1 ? '1 agent is' : `${counted(active)} agents are`} at work. ` : ''}An agent that was started lately, or works, touches its memory again within seconds (measured: 0.9 GB in 20 s by fresh agents' garbage collection, 0.08 GB by agents idle for seven minutes).`,
    figures: [
      nobodyIdle ? figure({ what: 'Agents paged out', value: 0, unit: 'count', source: 'the run\'s steps', threshold: is(0) }) : figure({ what: 'Won at the second look', value: gain, unit: 'bytes', source: 'before and after the run, against the control', threshold: below(Math.round(won * LIMIT.cameBackShare)) }),
      figure({ what: 'Moved out by this run', value: won, unit: 'bytes', source: 'measured at each agent' }),
      figure({ what: 'Agents at work', value: active, unit: 'count', source: 'CPU time, terminal, network of their processes' }),
    ],
    solutions: [suspendIdle(), leaveIt('Try again later', 'Agents that have rested for some minutes hardly touch their memory.', 'Nothing is won until then.'), endUnneeded(), moreMemory()],
  }
}

const ksmNeedsTime = (run: Run): Cause | null => {
  const look = lastOf(run.looks)
  if (!startsMerging(run) || !ksmRuns(look) || change(run, 'ksm-profit') > LIMIT.leastGainBytes) return null
  const rounds = numberIn(look.mm, ksm('full_scans')) ?? 0
  const forMs = look.takenAtMs - run.record.startedAtMs
  const tooSoon = rounds < LIMIT.ksmRounds || forMs < LIMIT.ksmMs
  const offered = ['pages_shared', 'pages_sharing', 'pages_unshared', 'pages_volatile'].reduce((sum, name) => sum + (numberIn(look.mm, ksm(name)) ?? 0), 0)
  if (!tooSoon || offered === 0) return null
  return {
    rule: 'did-not-fall.ksm-needs-time',
    title: 'Merging needs more time',
    severity: 'information',
    explanation: `Merging of equal pages (KSM) has been on for ${durationText(forMs)} and the kernel counts ${counted(rounds)} rounds over everything since it was started. It goes slowly from page to page, and merges one only when it found it unchanged twice; measured on 25 agents, nearly all was found after 98 seconds. It is looking at ${counted(offered)} pages.`,
    figures: [
      rounds < LIMIT.ksmRounds
        ? figure({ what: 'Full rounds', value: rounds, unit: 'count', source: ksm('full_scans'), threshold: below(LIMIT.ksmRounds) })
        : figure({ what: 'Merging for', value: forMs, unit: 'ms', source: 'since the run began', threshold: below(LIMIT.ksmMs) }),
      figure({ what: 'Saved by merging so far', value: after(run, 'ksm-profit'), unit: 'bytes', source: ksm('general_profit') }),
      figure({ what: 'Pages it looks at', value: offered, unit: 'count', source: ksm('pages_*') }),
    ],
    solutions: [leaveIt('Wait two minutes and look again', 'The history shows what it saves by then.', 'Some CPU time until it has settled.'), trial({ id: 'faster-scan', title: 'Look faster', what: 'Goes over 2000 pages every 20 ms until the profit is flat, then slows down by itself.', tradeOff: 'Up to a core for a minute or two.', sideEffects: 'On a battery it is felt.', scope: MACHINE }, { ksm: { mode: 'merge', pagesToScan: 2000, sleepMs: 20, smartScan: true, lowerWhenFlat: true } })],
  }
}

/** Not one of the five: a program was ended while the run was under way, so what is freed is a loss. */
const oomRecovery = (run: Run): Cause | null => {
  const look = lastOf(run.looks)
  const kills = look.kernelMessages.value?.filter((message) => (message.kind === 'oom-kill' || message.kind === 'cgroup-oom-kill') && look.takenAtMs - (look.uptimeS - message.atS) * 1000 >= run.record.startedAtMs) ?? []
  const lastKill = kills.at(-1)
  // Where messages may not be read, the counter tells how many, of the looks since then.
  const since = run.looks.filter((each) => each.takenAtMs >= run.record.startedAtMs)
  const unnamed = look.kernelMessages.value === null && since.length > 1 ? Math.max(0, (look.vmstat['oom_kill'] ?? 0) - (since[0]?.vmstat['oom_kill'] ?? 0)) : 0
  const count = kills.length + unnamed
  if (count === 0) return null
  return {
    rule: 'did-not-fall.oom',
    title: 'Memory ran out meanwhile, and a program was ended',
    severity: 'critical',
    explanation: `Since this run began the kernel ended ${plural(count, 'program')} for want of memory${lastKill === undefined ? '' : `; the last one: "${lastKill.text}"`}. What became free by that is no gain. Undo the run first when it was to blame, then make room before you start what was ended again.`,
    figures: [figure({ what: 'Programs ended since the run began', value: count, unit: 'count', source: lastKill === undefined ? '/proc/vmstat oom_kill' : 'kernel messages', threshold: above(0) }), availableFigure(run)],
    solutions: [
      page({ id: 'recover', title: 'Undo this run first', what: 'Opens the run: "Undo" puts back what it changed. Then make room, look that "available" is above a tenth of memory, and start again what was ended, one at a time. From a terminal: agentmemctl rollback.', tradeOff: 'What the run had won is given up.', sideEffects: 'Undoing waits until what lies in swap fits into memory.', scope: MACHINE }, 'history', 'Apply it again.', ['run', run.record.id]),
      hasCompressedSwap(look) ? pageOutIdle() : compressedSwapOn(), limitAgents(), suspendIdle(),
    ],
  }
}

const OLDER: readonly { readonly match: RegExp; readonly instead: string }[] = [
  { match: /memory\.reclaim|5\.19/u, instead: 'without memory.reclaim (Linux 5.19) agents are paged out by process_madvise (5.10), which does the same process by process' },
  { match: /process_madvise|5\.10/u, instead: 'without process_madvise (5.10) a limit (memory.high) set below what an agent holds for a moment makes its idle memory go out' },
  { match: /zswap|shrinker|6\.8/u, instead: 'without zswap\'s shrinker (6.8) use zram, or a swap file no larger than the pool' },
  { match: /zram|swap/u, instead: 'where neither zram nor zswap is built in, a swap file on an encrypted disk is what is left' },
  { match: /KSM|merge|6\.[47]/u, instead: 'before Linux 6.4 only programs that ask for it themselves can be merged; sharing units through this program works on every kernel' },
  { match: /advisor|smart/u, instead: 'without the advisor (6.8) or smart scan (6.7) a fixed pace is set, and lowered when the profit is flat' },
  { match: /min_ttl|MGLRU|LRU_GEN/u, instead: 'without MGLRU (6.1) raise vm.watermark_scale_factor, so that room is made before programs must wait' },
]

/** Not one of the five: a part of the plan could not be done by this kernel. */
const olderKernel = (run: Run): Cause | null => {
  // A layer of which the most was done lacks a detail only.
  const worked = new Set(done(run).map((step) => step.source))
  const missing = run.record.plan.skipped.filter((skip) => skip.kind === 'impossible' && !worked.has(skip.source))
  const [first] = missing
  if (fell(run) || first === undefined) return null
  const instead = [...new Set(missing.flatMap((skip) => OLDER.find(({ match }) => match.test(`${skip.what} ${skip.reason}`))?.instead ?? []))]
  return {
    rule: 'did-not-fall.older-kernel',
    title: 'This kernel cannot do a part of it',
    severity: 'advice',
    explanation: `${plural(missing.length, 'part')} of the plan could not be done on ${run.record.plan.kernelRelease}: ${listed(missing.slice(0, 3).map((skip) => `${skip.what} (${skip.reason})`))}.${instead.length === 0 ? '' : ` What to do instead: ${instead.join('; ')}.`}`,
    figures: [figure({ what: 'Parts left out', value: missing.length, unit: 'count', source: 'the run\'s plan', threshold: above(0) }), figure({ what: 'Kernel', value: run.record.plan.kernelRelease, unit: 'text', source: '/proc/sys/kernel/osrelease' })],
    solutions: [
      advice({ id: 'use-instead', title: 'Use what this kernel has', what: instead.length === 0 ? 'The page "Layers" says for each what this kernel has and what it would need.' : `${instead.join('. ')}.`.replace(/^./u, (letter) => letter.toUpperCase()), tradeOff: 'Wins somewhat less.', sideEffects: 'Depends on the way.', scope: MACHINE }),
      advice({ id: 'newer-kernel', title: 'Use a newer kernel', what: 'Debian: linux-image-amd64 from backports. Ubuntu: linux-generic-hwe. Both keep the old one to start from.', tradeOff: 'A restart, and drivers from elsewhere must fit it.', sideEffects: 'None known.', scope: MACHINE }, 'Choose the old kernel in the menu at start.', 'reboot'),
      suspendIdle(),
    ],
  }
}

/** What each is about, for a report that may not tell of anybody's programs. */
const TITLES: Readonly<Record<string, string>> = {
  'did-not-fall.only-limits': 'Only limits and settings were changed: nothing had to go yet',
  'did-not-fall.page-cache': 'What was won holds files now: that is fine',
  'did-not-fall.no-swap': 'There was no room in swap: idle memory had nowhere to go',
  'did-not-fall.in-use': 'The memory is in use',
  'did-not-fall.ksm-needs-time': 'Merging needs more time',
  'did-not-fall.oom': 'Memory ran out meanwhile, and a program was ended',
  'did-not-fall.older-kernel': 'This kernel cannot do a part of it',
}

/** The title of a cause whatever its figures are; null for what is none. */
export const causeTitle = (rule: string): string | null => TITLES[rule] ?? null

const CAUSES = [oomRecovery, noSwap, inUse, onlyLimits, olderKernel, ksmNeedsTime, pageCache] as const

/**
 * The causes that explain why memory did not fall with this run; none where it
 * fell, was never measured, failed, or its two sides cannot be compared.
 */
export const didNotFall = ({ record, delta }: RunDetail, looks: Looks): readonly Finding[] => {
  if (delta === null || !delta.comparable || record.state === 'failed') return []
  const run: Run = { record, delta, looks }
  return CAUSES.flatMap((cause): Finding[] => {
    const found = cause(run)
    if (found === null || (fell(run) && cause !== pageCache && cause !== oomRecovery)) return []
    const { rule, title, severity, explanation, figures, solutions } = found
    return [{ rule, subject: '', severity, topic: 'did-not-fall', title, explanation, figures: [...figures], solutions: fit(lastOf(looks), solutions).map((offer) => ({ ...offer, before: [] })), lookDeeper: [] }]
  })
}
