import { z } from 'zod'
import { agentIdSchema, type AgentId, type ProcessRef } from '../contract/agents.ts'
import { guardWordSchema, lifecycleCauseSchema, type GuardWord, type LifecycleCause } from '../contract/lifecycle.ts'

/**
 * The lines between a helper and `native/privileged/guard`, see docs/guard.md.
 * Each request is one line and gets one answer line, in order: `ok ...` or
 * `error CODE TEXT`. Lines that begin with `word`, `woke`, `gone` or `bye` come unasked.
 */
export const GUARD_PROTOCOL_VERSION = 1

/** The longest line the guard takes, its line feed included. */
export const GUARD_LINE_BYTES = 4096

/** What the guard holds at most; beyond that it answers `error full`. */
export const GUARD_MOST = { agents: 128, processesEach: 16, rangesEach: 512, runs: 16, filesEach: 32, holders: 32 } as const

/** One stretch of memory: start and end address as in /proc/PID/maps, hexadecimal without 0x, end not included, below 2^48. */
export type AddressRange = readonly [start: string, end: string]

export interface HoldRequest {
  id: AgentId
  uid: number
  /** `cgroup.freeze` of the agent's own cgroup, absolute. */
  freezePath: string
  /** The process whose standard input is the terminal; null where it has none. */
  terminalOf: number | null
  /** All of the tree, 16 at most: more are not prefaulted but thawed all the same. */
  processes: readonly ProcessRef[]
  /** What to bring back before thawing, the most wanted first; only the first 512 ranges count. */
  prefault: readonly { pid: number; ranges: readonly AddressRange[] }[]
}

/** An agent that the guard thawed, whoever asked for it. */
export interface Woken {
  agentId: AgentId
  cause: LifecycleCause
  prefaultedBytes: number
  /** From what woke it (a key, a request) until it ran again. */
  tookMs: number
}

export interface ArmRunRequest {
  /** The run's id, or for a limit of one agent any name of letters, digits and `.:_-`. */
  runId: string
  /** Whose run it is: named in the words left about it. */
  uid?: number
  /** The open journal, already made. */
  journalPath: string
  /** Files that the run may change: opened now, so that undoing needs no memory for it. */
  paths: readonly string[]
}

export interface HolderRequest extends ProcessRef {
  uid: number
}

/** The answer to `status`, after `ok `. */
export const guardStatusAnswerSchema = z.object({
  pid: z.int(),
  pssBytes: z.int().nullable(),
  runs: z.int().min(0),
  /** Armed ones, those it has taken back included. */
  runIds: z.array(z.string()),
  held: z.array(z.string()),
  words: z.array(guardWordSchema),
})
export type GuardStatusAnswer = z.infer<typeof guardStatusAnswerSchema>

// The same escaping as in the journal: paths may hold spaces.
const escapePath = (path: string): string =>
  [...Buffer.from(path, 'utf8')]
    .map((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x25 ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`))
    .join('')

/** Range lines of one process, each short enough for the guard. */
const rangeLines = (id: string, pid: number, ranges: readonly AddressRange[]): string[] => {
  const lines: string[] = []
  for (let at = 0; at < ranges.length; at += 64) lines.push(['range', id, pid, ...ranges.slice(at, at + 64).map(([start, end]) => `${start}-${end}`)].join(' '))
  return lines
}

/** The lines of one hold: nothing is held before the last of them is answered `ok`. */
export const holdLines = (request: HoldRequest): string[] => {
  const { id, uid, freezePath, terminalOf, processes, prefault } = request
  // The guard takes the terminal from a process it knows: that one must be among them.
  const kept = [...processes.filter(({ pid }) => pid === terminalOf), ...processes.filter(({ pid }) => pid !== terminalOf)].slice(0, GUARD_MOST.processesEach)
  let left: number = GUARD_MOST.rangesEach
  const ranges = prefault
    .filter(({ pid }) => kept.some((process) => process.pid === pid))
    .flatMap(({ pid, ranges: all }) => {
      const some = all.slice(0, left)
      left -= some.length
      return rangeLines(id, pid, some)
    })
  return [
    `hold ${id} ${uid} ${terminalOf ?? '-'} ${escapePath(freezePath)}`,
    ...kept.map(({ pid, startTimeTicks }) => `process ${id} ${pid} ${startTimeTicks}`),
    ...ranges,
    `held ${id}`,
  ]
}

export const runLines = ({ runId, uid, journalPath, paths }: ArmRunRequest): string[] => [
  `run ${runId} ${uid ?? '-'} ${escapePath(journalPath)}`,
  ...paths.slice(0, GUARD_MOST.filesEach).map((path) => `file ${runId} ${escapePath(path)}`),
  `armed ${runId}`,
]

/** What a line from the guard is. */
export type GuardLine =
  | { kind: 'ok'; rest: string }
  | { kind: 'error'; code: string; text: string }
  | { kind: 'word'; word: GuardWord }
  | { kind: 'woke'; woken: Woken }
  | { kind: 'gone'; agentId: AgentId }
  | { kind: 'bye' }
  | { kind: 'unknown'; line: string }

const parseWord = (text: string): GuardWord | null => {
  try {
    const parsed = guardWordSchema.safeParse(JSON.parse(text))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}

/** "BYTES MICROSECONDS", as in the answer to `wake` and at the end of `woke`. */
export const parseCost = (text: string): { prefaultedBytes: number; tookMs: number } | null => {
  const match = /^(\d{1,16}) (\d{1,16})$/u.exec(text)
  return match === null ? null : { prefaultedBytes: Number(match[1]), tookMs: Number(match[2]) / 1000 }
}

const parseWoke = (text: string): Woken | null => {
  const [id = '', cause = '', ...cost] = text.split(' ')
  const agentId = agentIdSchema.safeParse(id)
  const knownCause = lifecycleCauseSchema.safeParse(cause)
  const figures = parseCost(cost.join(' '))
  return agentId.success && knownCause.success && figures !== null ? { agentId: agentId.data, cause: knownCause.data, ...figures } : null
}

export const parseGuardLine = (line: string): GuardLine => {
  const [head = '', ...parts] = line.split(' ')
  const rest = parts.join(' ')
  if (head === 'ok') return { kind: 'ok', rest }
  if (head === 'error') return { kind: 'error', code: parts[0] ?? '', text: parts.slice(1).join(' ') }
  if (head === 'bye') return { kind: 'bye' }
  const gone = head === 'gone' ? agentIdSchema.safeParse(rest) : null
  if (gone?.success === true) return { kind: 'gone', agentId: gone.data }
  const word = head === 'word' ? parseWord(rest) : null
  if (word !== null) return { kind: 'word', word }
  const woken = head === 'woke' ? parseWoke(rest) : null
  return woken === null ? { kind: 'unknown', line } : { kind: 'woke', woken }
}
