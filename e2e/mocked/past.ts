import type { HistoryEvent, RunView, Series, SnapshotInfo } from '../../electron/contract/views.ts'
import { fail } from '../../helper/contract/result.ts'
import type { Preset, PresetSettings } from '../../helper/contract/presets.ts'
import { known, missing } from '../../helper/contract/known.ts'
import type { RunRecord, RunState, StepOutcome, UndoLine } from '../../helper/contract/runs.ts'
import { snapshotDelta } from '../../helper/contract/snapshot-delta.ts'
import type { Snapshot } from '../../helper/contract/snapshot.ts'
import { makeFleet, MB } from './fleet.ts'
import { makeSnapshot } from './machine.ts'
import { makePlanFor } from './plan-data.ts'

const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:]/gu, '').replace(/\.\d{3}/u, '')

export const runIdAt = (ms: number, n: number): string => `${stamp(ms)}-${n.toString(16).padStart(8, '0')}`

export const undoLinesOf = (record: RunRecord, partly: boolean): UndoLine[] =>
  record.plan.steps
    .filter((step) => step.source !== 'reclaim' && record.steps.some((outcome) => outcome.number === step.number && outcome.outcome === 'done'))
    .toReversed()
    .map((step, i) =>
      partly && i === 0
        ? { target: step.target, old: step.old, found: '2', outcome: 'left-alone' as const, reason: 'Something else changed it since; it was left as it is.' }
        : { target: step.target, old: step.old, found: step.new, outcome: 'restored' as const, reason: '' },
    )

export const outcomesOf = (record: Pick<RunRecord, 'plan'>, upTo = Infinity): StepOutcome[] =>
  record.plan.steps.slice(0, upTo).map((step, i) => ({
    number: step.number,
    target: step.target,
    outcome: 'done',
    readBack: step.source === 'reclaim' ? `moved ${110 + ((i * 31) % 200)} MB of ${190 + ((i * 31) % 210)} MB out` : step.new,
    wonBytes: step.source === 'reclaim' ? (110 + ((i * 31) % 200)) * MB : null,
    tookMs: step.source === 'reclaim' ? 420 + i * 13 : 2,
    error: null,
  }))

interface PastOptions {
  id: string
  atMs: number
  preset: Pick<Preset, 'id' | 'title'> & { settings: PresetSettings }
  state: RunState
  agents: number
  paged: number
}

/** A run that is over, with looks at the fleet before and after it. */
const pastRun = (options: PastOptions): RunRecord => {
  const first = makeFleet(options.agents, 0, 0.004)
  const before = makeFleet(options.agents, 0)
  const after = makeFleet(options.agents, options.paged, -0.012)
  const { plan, treated, control } = makePlanFor(options.preset.settings, before, null, { ksm: true, swapPossible: true })
  const look = (agents: typeof before, offset: number): Snapshot => makeSnapshot(agents, options.atMs + offset)
  const base = { plan }
  const failed = options.state === 'failed'
  const record: RunRecord = {
    version: 1,
    id: options.id,
    uid: 1000,
    presetId: options.preset.id,
    presetTitle: options.preset.title,
    cause: 'user-preset',
    state: options.state,
    startedAtMs: options.atMs,
    endedAtMs: options.state === 'waiting' ? null : options.atMs + 95_000,
    plan,
    steps: failed ? outcomesOf(base, 2) : outcomesOf(base),
    treated: treated.map((agent) => agent.id),
    control: control.map((agent) => agent.id),
    before: [look(first, 0), look(before, 3000)],
    after: failed ? null : look(after, 80_000),
    confirmUntilMs: null,
    undo: [],
    undoCause: null,
    error: failed ? fail('read-back-differs', 'The kernel kept another compressor than the one written.', { about: '/sys/module/zswap/parameters/compressor', expected: 'zstd', got: 'lzo' }).error : null,
  }
  if (options.state === 'undone') return { ...record, undo: undoLinesOf(record, false), undoCause: 'confirm-timeout' }
  if (options.state === 'partly-undone') return { ...record, undo: undoLinesOf(record, true), undoCause: 'user-undo' }
  if (failed) return { ...record, undo: undoLinesOf(record, false), undoCause: 'step-failed' }
  return record
}

export const deltaOf = (record: RunRecord) =>
  record.after === null || record.before.length === 0 ? null : snapshotDelta({ before: record.before, after: record.after, treated: record.treated, control: record.control })

/** A run as its page shows it: the looks at the machine are only in the difference. */
export const detailOf = (whole: RunRecord) => {
  const { before: _before, after: _after, ...record } = whole
  return { record, delta: deltaOf(whole) }
}

export const viewOf = (record: RunRecord): RunView => {
  const delta = deltaOf(record)
  const { before: _before, after: _after, plan: _plan, steps: _steps, undo: _undo, ...summary } = record
  return { summary, gainBytes: delta === null ? missing('not-measured') : known(delta.total.gainBytes), noiseBytes: delta === null ? missing('not-measured') : delta.total.noiseBytes }
}

export interface StoredSnapshot {
  info: SnapshotInfo
  snapshot: Snapshot
}

export const storedOf = (id: number, snapshot: Snapshot, label: string, origin: SnapshotInfo['origin'], runId: string | null): StoredSnapshot => ({
  info: {
    id,
    takenAtMs: snapshot.takenAtMs,
    label,
    origin,
    runId,
    agents: snapshot.agents.length,
    agentsCostBytes: snapshot.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0),
    availableBytes: snapshot.machine.memory.availableBytes,
  },
  snapshot,
})

/** Five runs of the last three days, newest first. */
export const pastRuns = (startMs: number, preset: (id: string) => Preset): RunRecord[] => {
  const hours = (n: number): number => startMs - n * 3600_000
  return [
    pastRun({ id: runIdAt(hours(3), 1), atMs: hours(3), preset: preset('more-agents'), state: 'kept', agents: 22, paged: 0.8 }),
    pastRun({ id: runIdAt(hours(21), 2), atMs: hours(21), preset: preset('balanced'), state: 'undone', agents: 14, paged: 0.5 }),
    pastRun({ id: runIdAt(hours(27), 3), atMs: hours(27), preset: preset('battery'), state: 'kept', agents: 9, paged: 0 }),
    pastRun({ id: runIdAt(hours(49), 4), atMs: hours(49), preset: preset('more-agents'), state: 'failed', agents: 18, paged: 0.5 }),
    pastRun({ id: runIdAt(hours(72), 5), atMs: hours(72), preset: preset('balanced'), state: 'partly-undone', agents: 16, paged: 0.6 }),
  ]
}

/** The snapshots of these runs, and one of the user's own, newest first. */
export const pastSnapshots = (runs: readonly RunRecord[], agents: number, startMs: number): StoredSnapshot[] => {
  const snapshots: StoredSnapshot[] = []
  let id = 40
  for (const run of runs.toReversed()) {
    const last = run.before.at(-1)
    if (last !== undefined) snapshots.unshift(storedOf(id++, last, `Before ${run.presetTitle}`, 'run-before', run.id))
    if (run.after !== null) snapshots.unshift(storedOf(id++, run.after, `After ${run.presetTitle}`, 'run-after', run.id))
  }
  return [storedOf(id, makeSnapshot(makeFleet(agents, 0, 0.02), startMs - 25 * 60_000), 'Before lunch', 'manual', null), ...snapshots]
}

const labels: Record<string, string> = { 'machine.available': 'Available', 'machine.agents': 'Agents', 'machine.compressed': 'Compressed', 'machine.free': 'Free', 'machine.pressure': 'Pressure' }

/** Waves that look like a working day; `agents` bytes now is where they end. */
export const wave = (ids: readonly string[], fromMs: number, toMs: number, maxPoints: number, agentsBytes: number, totalBytes: number): Series => {
  const span = toMs - fromMs
  const resolutionMs = span <= 15 * 60_000 ? 1000 : span <= 36 * 3600_000 ? 10_000 : 300_000
  const step = Math.max(resolutionMs, Math.ceil(span / maxPoints / resolutionMs) * resolutionMs)
  const length = Math.max(1, Math.floor(span / step))
  const atMs = Array.from({ length }, (_, i) => toMs - (length - 1 - i) * step)
  const level = (t: number, i: number): number => {
    const age = toMs - t
    const slow = Math.sin(t / 3.1e6) * 0.06 + Math.sin(t / 4.7e5) * 0.03
    const noise = Math.sin(i * 12.9898) * 0.006
    return agentsBytes * (1 + (age === 0 ? 0 : slow * Math.min(1, age / 6e4)) + noise)
  }
  const night = (t: number): boolean => span > 30 * 3600_000 && new Date(t).getHours() < 7
  const of = (id: string): (number | null)[] =>
    atMs.map((t, i) => {
      if (night(t)) return null
      const agents = level(t, i)
      if (id === 'machine.agents') return Math.round(agents)
      if (id === 'machine.available') return Math.round(Math.max(0.4e9, totalBytes - agents - 3.3e9))
      if (id === 'machine.compressed') return Math.round(agents * 0.03)
      if (id === 'machine.pressure') return Math.max(0, Math.sin(t / 9e5) * 3)
      if (id === 'machine.free') return Math.round(totalBytes * 0.2)
      if (id.startsWith('agent:')) return Math.round(agents / 20)
      return null
    })
  return { resolutionMs: step, atMs, series: ids.map((id) => ({ id, label: labels[id] ?? id, unit: id === 'machine.pressure' ? 'percent' : 'bytes', values: of(id) })) }
}

const eventsOfRun = (run: RunRecord): Omit<HistoryEvent, 'id'>[] => {
  const start = { atMs: run.startedAtMs, kind: 'run-started' as const, text: `${run.presetTitle} applied`, runId: run.id, agentId: null }
  if (run.endedAtMs === null) return [start]
  const kind = run.state === 'kept' ? ('run-kept' as const) : run.state === 'failed' ? ('run-failed' as const) : ('run-undone' as const)
  return [start, { atMs: run.endedAtMs, kind, text: `${run.presetTitle} ${run.state === 'kept' ? 'kept' : run.state === 'failed' ? 'failed and was taken back' : 'undone'}`, runId: run.id, agentId: null }]
}

/** Everything that happened, newest first; `more` is what was no run. */
export const eventsOf = (runs: readonly RunRecord[], more: readonly Omit<HistoryEvent, 'id'>[]): HistoryEvent[] =>
  [...more, ...runs.flatMap(eventsOfRun)].toSorted((a, b) => b.atMs - a.atMs).map((event, i) => ({ ...event, id: 1000 - i }))
