import type { Diagnosis, Leak } from '../../../electron/contract/diagnosis.ts'
import type { HeldLine } from './process-memory.ts'

/** A process that leaks because it was told to. */
export interface Leaker {
  readonly name: string
  readonly pid: number
  readonly startTicks: number
  readonly bytesPerHour: number
  /** How far the slope that is found may be from that, in percent of it. */
  readonly errorPercent: number
}

/** Something that was called a leak and is none. `rule`: by the rule over a few looks. */
export interface Alarm {
  readonly atMs: number
  readonly what: 'process' | 'agent' | 'rule'
  readonly subject: string
  readonly why: string
}

export interface Held {
  readonly atMs: number
  readonly lines: readonly HeldLine[]
}

const MB = 1024 ** 2
const mb = (bytes: number): string => (bytes / MB).toFixed(1)
const isAlarm = ({ verdict }: Leak): boolean => verdict === 'leak' || verdict === 'suspected'
const isLeaker = (leakers: readonly Leaker[], { subject }: Leak): boolean =>
  subject.of === 'process' && leakers.some(({ pid, startTicks }) => pid === subject.pid && startTicks === subject.startTicks)
const nameOf = ({ subject }: Leak): string => (subject.of === 'agent' ? `agent ${subject.title} ${subject.agentId.split(':')[1] ?? ''}` : `process ${subject.title} ${subject.pid}`)

export const countAlarms = (diagnosis: Diagnosis, leakers: readonly Leaker[], atMs: number): Alarm[] => [
  ...(diagnosis.leaks ?? []).filter((leak) => isAlarm(leak) && !isLeaker(leakers, leak)).map((leak) => ({ atMs, what: leak.subject.of, subject: nameOf(leak), why: `${leak.verdict}: ${leak.why}` })),
  ...diagnosis.findings
    .filter(({ rule, subject }) => rule.startsWith('leaks.') && !leakers.some(({ pid }) => subject.split(/\D+/u).includes(String(pid))))
    .map(({ rule, subject, explanation }) => ({ atMs, what: 'rule' as const, subject: `${rule} ${subject}`, why: explanation })),
]

/** Was it found, and is its slope what was put in? */
export const leakerLine = (leaks: readonly Leak[], leaker: Leaker): { readonly isRight: boolean; readonly text: string } => {
  const found = leaks.find((leak) => isLeaker([leaker], leak))
  if (found === undefined) return { isRight: false, text: `leaker "${leaker.name}": not among what was watched` }
  const errorPercent = (found.bytesPerHour / leaker.bytesPerHour - 1) * 100
  const isRight = found.verdict === 'leak' && Math.abs(errorPercent) <= leaker.errorPercent
  return { isRight, text: `leaker "${leaker.name}": ${found.verdict}, ${mb(found.bytesPerHour)} MB an hour (${mb(found.bytesPerHourLow)} to ${mb(found.bytesPerHourHigh)}) where ${mb(leaker.bytesPerHour)} was put in: ${errorPercent.toFixed(1)} % off, ${leaker.errorPercent} allowed` }
}

export const tableOf = (leaks: readonly Leak[], leakers: readonly Leaker[]): string =>
  leaks
    .map((leak) => `${leak.verdict.padEnd(10)} ${mb(leak.bytesPerHour).padStart(8)} MB/h ${mb(leak.nowBytes).padStart(8)} MB ${String(Math.round(leak.spanMs / 60_000)).padStart(4)} min ${String(leak.points).padStart(4)} points  ${nameOf(leak)}${isLeaker(leakers, leak) ? '  (leaks)' : ''}`)
    .join('\n')

const SECOND_MS = 1000
/** Held in pieces of 64 KiB: far below what matters, and short to write. */
const PIECE = 64 * 1024
const pieces = (bytes: number | null): number | null => (bytes === null ? null : Math.round(bytes / PIECE))

export interface RecordingOf {
  readonly startedAtMs: number
  readonly minutes: number
  readonly versions: Readonly<Record<string, string>>
  readonly leaks: readonly Leak[]
  readonly leakers: readonly Leaker[]
  readonly held: readonly Held[]
}

/**
 * Curves as history kept them, and what each process held every 20 s, as JSON
 * with a curve a line: seconds since the beginning, bytes in pieces of 64 KiB.
 */
export const recordingOf = ({ startedAtMs, minutes, versions, leaks, leakers, held }: RecordingOf): string => {
  const since = (atMs: number): number => Math.round((atMs - startedAtMs) / SECOND_MS)
  const curves = leaks.map((leak) => {
    const leaker = leakers.find((each) => isLeaker([each], leak))
    // An agent's own folder and numbers say nothing here.
    const title = leak.subject.title.replaceAll(/\s+/gu, ' ').slice(0, 80)
    const known = leak.curve.filter(({ bytes }) => bytes !== null)
    return { of: leak.subject.of, title, leaksBytesPerHour: leaker?.bytesPerHour ?? null, s: known.map(({ atMs }) => since(atMs)), pieces: known.map(({ bytes }) => pieces(bytes)) }
  })
  const processes = new Map<string, { name: string; s: number[]; pieces: (number | null)[] }>()
  for (const { atMs, lines } of held) {
    for (const { pid, startTicks, name, bytes } of lines) {
      const key = `${pid}:${startTicks}`
      const known = processes.get(key) ?? { name, s: [], pieces: [] }
      known.s.push(since(atMs))
      known.pieces.push(pieces(bytes))
      processes.set(key, known)
    }
  }
  const told = [...processes.keys()].flatMap((key, at) => (leakers.some(({ pid, startTicks }) => key === `${pid}:${startTicks}`) ? [at] : []))
  const lines = (values: readonly object[]): string => values.map((value) => `    ${JSON.stringify(value)}`).join(',\n')
  return `{\n  "minutes": ${minutes},\n  "leakers": ${JSON.stringify(told)},\n  "versions": ${JSON.stringify(versions)},\n  "curves": [\n${lines(curves)}\n  ],\n  "processes": [\n${lines([...processes.values()])}\n  ]\n}\n`
}
