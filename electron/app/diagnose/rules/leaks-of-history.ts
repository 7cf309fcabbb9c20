import type { Evidence } from '../../../../helper/contract/evidence.ts'
import type { Figure, Leak } from '../../../contract/diagnosis.ts'
import { amount } from '../../amounts.ts'
import { durationText } from '../../report/format.ts'
import { above, figure } from '../figures.ts'
import type { Found, Rule } from '../rule.ts'
import { lastOf } from '../series.ts'
import { MB, mem, processSubject } from './kit.ts'
import { advice, command, limitAgents, page, suspendIdle } from './offers.ts'

/** Slow leaks: what the history says of growth over hours, as findings like all others. */

export const LEAKS_OF_HISTORY = 'leaks.history'

/** Points of a curve that goes with a finding: it is drawn small, and kept with each finding. */
const COURSE_POINTS = 60
/** Not written down for so long: the app did not run since, which is said. */
const STALE_MS = 10 * 60_000

type Limits = Readonly<{ bytesPerHour: number; percentPerHour: number }>
/** Those of `leakThresholdsSchema`, without its library. */
export const LEAK_LIMITS: Limits = { bytesPerHour: 10 * MB, percentPerHour: 10 }

const isProblem = ({ verdict, bytesPerHour, percentPerHour }: Leak, limit: Limits): boolean =>
  (verdict === 'leak' || verdict === 'suspected') && bytesPerHour >= limit.bytesPerHour && percentPerHour >= limit.percentPerHour

const agentOf = ({ subject }: Leak): string | null => subject.agentId
const isAgent = ({ subject }: Leak): boolean => subject.of === 'agent'

/** As other rules name them: "pid:start", or an agent's id. */
export const leakSubject = ({ subject }: Pick<Leak, 'subject'>): string => (subject.of === 'agent' ? subject.agentId : `${subject.pid}:${subject.startTicks}`)

/** Of an agent: its processes, those that grew and those that are there now; its own is named by its id. */
const aboutOf = (leak: Leak, leaks: readonly Leak[], look: Evidence): readonly string[] => {
  const id = agentOf(leak)
  if (!isAgent(leak) || id === null) return []
  return [
    id.slice(id.indexOf(':') + 1),
    ...leaks.flatMap((each) => (!isAgent(each) && agentOf(each) === id ? [leakSubject(each)] : [])),
    ...look.processes.flatMap((process) => (process.agentId === id ? [processSubject(process)] : [])),
  ]
}

/** The process that grows, or the agent's own, is still the one that was written down, in this boot. */
const runs = (look: Evidence, leak: Leak): boolean => {
  const lastMs = leak.curve.at(-1)?.atMs ?? 0
  if (lastMs < look.takenAtMs - look.uptimeS * 1000) return false
  const [start, pid] = leakSubject(leak).split(':').toReversed().map(Number)
  return look.processes.some(({ ref }) => ref.pid === pid && ref.startTimeTicks === start)
}

/** Of an agent and its processes that grow together, the process says more; the agent stays where they explain less than half of it. */
const closest = (leaks: readonly Leak[]): readonly Leak[] =>
  leaks.filter((leak) => {
    if (!isAgent(leak)) return true
    const ofProcesses = leaks.filter((each) => !isAgent(each) && agentOf(each) === agentOf(leak)).reduce((sum, each) => sum + each.bytesPerHour, 0)
    return ofProcesses < leak.bytesPerHour / 2
  })

const courseOf = ({ curve }: Leak): Figure['history'] => {
  const every = Math.max(1, Math.ceil(curve.length / COURSE_POINTS))
  const points = curve.flatMap(({ atMs, bytes }, i) => (i % every === 0 || i === curve.length - 1 ? [{ atMs, value: bytes }] : []))
  return points.length < 2 ? null : points
}

const whose = ({ subject }: Leak): string => (subject.of === 'agent' ? subject.title : `${subject.title} (process ${subject.pid})`)

const ofAgent = (leak: Leak): Found['solutions'] => {
  const scope = isAgent(leak) ? leak.subject.title : `The agent that ${whose(leak)} belongs to`
  return [
    page({
      id: 'restart-it',
      title: isAgent(leak) ? 'End it and start it anew' : 'End its agent and start it anew',
      what: 'Gives back all that it grew by, which nothing else does for sure. Most agents resume their conversation when they are started again.',
      tradeOff: 'What it is doing at the moment is interrupted: let it finish its turn first.',
      sideEffects: 'Its servers end with it. It grows again until its program is mended; look for an update.',
      scope,
    }, 'agents', 'Start the agent again and resume its conversation.'),
    { ...limitAgents(), id: 'limit-it', title: 'Give it a limit', scope },
    {
      ...suspendIdle(), id: 'suspend-it', title: 'Suspend it while you do not need it',
      what: 'Stops it, so that it grows no further, and pages it out: what leaked is never used again and stays compressed. It wakes at the first key you type into it.',
      scope,
    },
  ]
}

/** A quarter more than it holds, in whole 64 MB: room to work, none to grow for hours. */
const limitMb = (bytes: number): number => Math.max(4, Math.ceil((bytes * 1.25) / (64 * MB))) * 64

const ofProgram = (leak: Leak, availableBytes: number): Found['solutions'] => {
  const limit = limitMb(leak.nowBytes)
  const scope = whose(leak)
  const pace = Math.max(1, leak.bytesPerHour)
  return [
    advice({
      id: 'restart-it',
      title: 'End it and start it anew',
      what: `Gives back all that it grew by, which nothing else does for sure. At this pace it takes ${durationText((availableBytes / pace) * 3_600_000)} until all available memory is used.`,
      tradeOff: 'Its work is interrupted; save it first.',
      sideEffects: 'It grows again until it is mended: look for an update, and for what it was doing when it grew.',
      scope,
    }, 'Start it again.'),
    command({
      id: 'limit-it',
      title: 'Start it with a limit from now on',
      what: `Write its own command in place of PROGRAM. Beyond ${amount(limit * MB)} its idle memory goes to swap first, and it becomes slow instead of the machine.`,
      tradeOff: 'Where it really needs more, it is slow.',
      sideEffects: 'Needs a systemd of yours, and swap to be of use.',
      scope,
    }, `systemd-run --user --scope -p MemoryHigh=${limit}M -- PROGRAM`, false, 'Start it without the limit.'),
  ]
}

const foundOf = (leak: Leak, leaks: readonly Leak[], look: Evidence, limit: Limits): Found => {
  const available = mem(look, 'MemAvailable')
  const isSure = leak.verdict === 'leak'
  const source = isAgent(leak) ? 'history: what the agent cost (PSS + swap of its processes)' : 'history: RssAnon + VmSwap of /proc/PID/status, once a minute'
  const lastMs = leak.curve.at(-1)?.atMs ?? look.takenAtMs
  const old = look.takenAtMs - lastMs > STALE_MS ? ` This was last written down ${durationText(look.takenAtMs - lastMs)} ago, when the app ran.` : ''
  return {
    subject: leakSubject(leak),
    about: aboutOf(leak, leaks, look),
    severity: isSure ? 'warning' : 'advice',
    title: isSure ? `${leak.subject.title} leaks ${amount(leak.bytesPerHour)} an hour` : `${leak.subject.title} may leak ${amount(leak.bytesPerHour)} an hour`,
    explanation: `${whose(leak)} holds ${amount(leak.nowBytes)}. ${leak.why} ${isSure ? 'It keeps this memory and never uses it again: starting up, caches that fill, single steps and garbage that is collected look different.' : 'It is not beyond doubt yet: a cache that fills slowly looks like this as well.'}${old}`,
    figures: [
      figure({ what: 'Growth an hour', value: leak.bytesPerHour, unit: 'bytes', source, threshold: above(limit.bytesPerHour) }),
      figure({ what: 'Holds now', value: leak.nowBytes, unit: 'bytes', source, history: courseOf(leak) }),
      figure({ what: 'Growth an hour, of what it began with', value: leak.percentPerHour, unit: 'percent', source, threshold: above(limit.percentPerHour) }),
      figure({ what: 'At least, with 95 % certainty', value: leak.bytesPerHourLow, unit: 'bytes', source }),
      figure({ what: 'Watched for', value: durationText(leak.spanMs), unit: 'text', source: `${leak.points} points of the history` }),
    ],
    solutions: agentOf(leak) === null ? ofProgram(leak, available) : ofAgent(leak),
  }
}

/**
 * The rule over what was told from the history; null where it was not asked. With
 * `each`, an agent and its process that grow together are told of both; with
 * `ended`, also who does not run any more.
 */
export const leakRule = (leaks: readonly Leak[] | null, { each = false, ended = false, limits = LEAK_LIMITS }: { each?: boolean; ended?: boolean; limits?: Limits } = {}): Rule => ({
  id: LEAKS_OF_HISTORY,
  topic: 'leaks',
  title: 'A program leaks memory, hour by hour',
  needs: [() => {
    if (leaks === null) return 'who grew over the last hours: --detect-leaks asks the history'
    return leaks.some(({ verdict }) => verdict !== 'too-short') ? null : 'memory of agents and programs over twenty minutes or more, which is written down only while the app runs'
  }],
  thresholds: { ...limits },
  because: 'Both limits, by a robust slope (Theil-Sen) through what stays after each clean-up, over forty minutes and more of the last eight hours. Told apart from starting, caches that level off, single steps and garbage; checked on synthetic shapes and on real agents left running beside programs that leak by a known slope (diagnosis.md, "Leaks"). A sure one is a warning; where the interval reaches below the limits it is advice. Who has ended is left out.',
  find: (looks, given) => {
    const look = lastOf(looks)
    const limit = { ...limits, ...given }
    const there = (leaks ?? []).filter((leak) => isProblem(leak, limit) && (ended || runs(look, leak)))
    return (each ? there : closest(there)).map((leak) => foundOf(leak, leaks ?? [], look, limit))
  },
  // What a minute shows of the same growth.
  covers: ['leaks.process-grows'],
  lookDeeper: ['bpftrace.growth', 'perf.page-faults'],
})
