import { z } from 'zod'
import type { Agent, AgentProcess } from './agents.ts'
import { valueOr } from './known.ts'
import { rateDelta, rateDeltaSchema } from './rate-delta.ts'
import { numberReading } from './reading.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * The one source of every chart, table and report about "before and after".
 * All figures in bytes; `change` is after minus before, so a gain is negative
 * there, while `gainBytes` is positive when memory was won.
 */

const sideSchema = z.object({ count: z.int(), beforeBytes: z.int(), afterBytes: z.int() })

export const deltaRowSchema = z.object({
  id: z.string(),
  label: z.string(),
  beforeBytes: numberReading,
  afterBytes: numberReading,
  changeBytes: numberReading,
  /** |second before - first before|; missing with a single before-snapshot. */
  noiseBytes: numberReading,
  /** The direction that helps: less of it, more of it, or neither. */
  better: z.enum(['less', 'more', 'neither']),
})
export type DeltaRow = z.infer<typeof deltaRowSchema>

export const processDeltaSchema = z.object({
  pid: z.int(),
  label: z.string(),
  role: z.string(),
  beforePssBytes: numberReading,
  afterPssBytes: numberReading,
  beforeSwapPssBytes: numberReading,
  afterSwapPssBytes: numberReading,
})

export const agentDeltaSchema = z.object({
  id: z.string(),
  kind: z.string(),
  title: z.string(),
  name: z.string(),
  group: z.enum(['treated', 'control', 'other']),
  beforeBytes: numberReading,
  afterBytes: numberReading,
  changeBytes: numberReading,
  changePercent: numberReading,
  noiseBytes: numberReading,
  beforeCompressedBytes: numberReading,
  afterCompressedBytes: numberReading,
  processes: z.array(processDeltaSchema),
})
export type AgentDelta = z.infer<typeof agentDeltaSchema>

export const kindDeltaSchema = z.object({
  kind: z.string(),
  title: z.string(),
  treated: sideSchema,
  control: sideSchema.nullable(),
  /** What the treated ones would cost now had they moved as the control did. */
  expectedAfterBytes: z.int(),
  gainBytes: z.int(),
  noiseBytes: numberReading,
})
export type KindDelta = z.infer<typeof kindDeltaSchema>

export const snapshotDeltaSchema = z.object({
  version: z.literal(1),
  fromMs: z.number(),
  toMs: z.number(),
  /** False when the two are of different boots or privileges: shown, never silently compared. */
  comparable: z.boolean(),
  incomparableReason: z.string().nullable(),
  machine: z.array(deltaRowSchema),
  agents: z.array(agentDeltaSchema),
  kinds: z.array(kindDeltaSchema),
  arrived: z.int(),
  left: z.int(),
  total: z.object({
    beforeBytes: z.int(),
    afterBytes: z.int(),
    expectedAfterBytes: z.int(),
    gainBytes: z.int(),
    gainPercent: numberReading,
    noiseBytes: numberReading,
    /** all: every treated kind has a control of its kind; some; none. */
    controlled: z.enum(['all', 'some', 'none']),
    verdict: z.enum(['gain', 'loss', 'within-noise', 'nothing-to-compare']),
  }),
  /** Of a run that watched for long enough before: how often programs had to wait. */
  rates: rateDeltaSchema.optional(),
})
export type SnapshotDelta = z.infer<typeof snapshotDeltaSchema>

export interface DeltaInput {
  /** One or two looks before, oldest first; the last one is the side compared. */
  before: readonly Snapshot[]
  after: Snapshot
  /** Ids of treated and control agents; empty sets compare every agent as treated. */
  treated: readonly string[]
  control: readonly string[]
}

type Num = { value: number } | { value: null; reason: 'not-measured' }
const gap: Num = { value: null, reason: 'not-measured' }
const num = (value: number | null): Num => (value === null ? gap : { value: Math.round(value) })

const agentsById = (snapshot: Snapshot | undefined): Map<string, Agent> =>
  new Map((snapshot?.agents ?? []).map((agent) => [agent.id, agent]))

const percent = (change: number, base: number): Num => (base === 0 ? gap : { value: Math.round((change / base) * 1000) / 10 })

const machineFigures: readonly { id: string; label: string; better: DeltaRow['better']; of: (s: Snapshot) => number | null }[] = [
  { id: 'agents', label: 'Agents together', better: 'less', of: (s) => s.agents.reduce((sum, a) => sum + a.cost.costBytes, 0) },
  { id: 'available', label: 'Available memory', better: 'more', of: (s) => s.machine.memory.availableBytes },
  { id: 'free', label: 'Free memory', better: 'neither', of: (s) => s.machine.memory.freeBytes },
  { id: 'anonymous', label: 'Anonymous memory', better: 'less', of: (s) => s.machine.memory.anonBytes },
  { id: 'cache', label: 'File cache', better: 'neither', of: (s) => s.machine.memory.cachedBytes },
  { id: 'pool', label: 'Compressed pool', better: 'neither', of: (s) => s.compressed.poolBytes },
  { id: 'stored', label: 'Held in the pool, uncompressed', better: 'neither', of: (s) => s.compressed.storedBytes },
  { id: 'swap-used', label: 'Swap used', better: 'neither', of: (s) => s.machine.memory.swapTotalBytes - s.machine.memory.swapFreeBytes },
  { id: 'ksm-profit', label: 'Saved by merging (KSM)', better: 'more', of: (s) => (s.machine.ksm.value === null ? null : valueOr(s.machine.ksm.value.generalProfitBytes, null)) },
]

const processDeltas = (before: Agent | undefined, after: Agent | undefined) => {
  const key = (p: AgentProcess) => `${p.pid}:${p.startTimeTicks}`
  const old = new Map((before?.processes ?? []).map((p) => [key(p), p]))
  const now = new Map((after?.processes ?? []).map((p) => [key(p), p]))
  const figure = (p: AgentProcess | undefined, of: 'pssBytes' | 'swapPssBytes'): Num =>
    p === undefined || p.memory.value === null ? gap : { value: p.memory.value[of] }
  return [...new Set([...old.keys(), ...now.keys()])].map((k) => {
    const p = (now.get(k) ?? old.get(k)) as AgentProcess
    return {
      pid: p.pid,
      label: p.label,
      role: p.role,
      beforePssBytes: figure(old.get(k), 'pssBytes'),
      afterPssBytes: figure(now.get(k), 'pssBytes'),
      beforeSwapPssBytes: figure(old.get(k), 'swapPssBytes'),
      afterSwapPssBytes: figure(now.get(k), 'swapPssBytes'),
    }
  })
}

const sumBy = <T>(rows: readonly T[], of: (row: T) => number): number => rows.reduce((sum, row) => sum + of(row), 0)

/** Compares two moments; see docs/measuring.md for the arithmetic. */
export const snapshotDelta = (input: DeltaInput): SnapshotDelta => {
  const base = input.before.at(-1)
  if (base === undefined) throw new RangeError('snapshotDelta needs at least one before-snapshot, got none')
  const first = input.before.length > 1 ? input.before[0] : undefined
  const { after } = input

  const incomparableReason =
    base.bootId !== after.bootId
      ? 'The machine was restarted in between: processes and counters are not the same ones.'
      : base.privileged !== after.privileged
        ? 'One side was taken with root privileges and the other without: they did not see the same processes.'
        : null

  const old = agentsById(base)
  const older = agentsById(first)
  const now = agentsById(after)
  const control = new Set(input.control)
  const everything = input.treated.length === 0 && control.size === 0
  const treated = new Set(input.treated)
  const groupOf = (id: string): AgentDelta['group'] =>
    control.has(id) ? 'control' : everything || treated.has(id) ? 'treated' : 'other'

  const machine = machineFigures.map(({ id, label, better, of }): DeltaRow => {
    const a = of(base)
    const b = of(after)
    const z0 = first === undefined ? null : of(first)
    return {
      id,
      label,
      better,
      beforeBytes: num(a),
      afterBytes: num(b),
      changeBytes: num(a === null || b === null ? null : b - a),
      noiseBytes: num(a === null || z0 === null ? null : Math.abs(a - z0)),
    }
  })

  const ids = [...new Set([...old.keys(), ...now.keys()])]
  const agents = ids.map((id): AgentDelta => {
    const a = old.get(id)
    const b = now.get(id)
    const z0 = older.get(id)
    const shown = (b ?? a) as Agent
    // A process that could be measured on one side only would look like a gain or a loss.
    const change = a === undefined || b === undefined || a.cost.unmeasured !== b.cost.unmeasured ? null : b.cost.costBytes - a.cost.costBytes
    return {
      id,
      kind: shown.kind,
      title: shown.title,
      name: shown.name,
      group: groupOf(id),
      beforeBytes: num(a?.cost.costBytes ?? null),
      afterBytes: num(b?.cost.costBytes ?? null),
      changeBytes: num(change),
      changePercent: change === null || a === undefined ? gap : percent(change, a.cost.costBytes),
      noiseBytes: num(a === undefined || z0 === undefined ? null : Math.abs(a.cost.costBytes - z0.cost.costBytes)),
      beforeCompressedBytes: num(a?.cost.compressedBytes ?? null),
      afterCompressedBytes: num(b?.cost.compressedBytes ?? null),
      processes: processDeltas(a, b),
    }
  })

  // Only agents seen and measured alike on both sides can have gained or lost anything.
  const both = agents.filter((row) => row.changeBytes.value !== null)
  const pick = (rows: readonly AgentDelta[]) => ({
    count: rows.length,
    beforeBytes: sumBy(rows, (row) => row.beforeBytes.value ?? 0),
    afterBytes: sumBy(rows, (row) => row.afterBytes.value ?? 0),
  })
  // The signed drift between the two looks before: summed first, then made
  // absolute, because agents' jitters cancel and a sum of noises would not.
  // Agents that only the second look saw are taken to drift like the others.
  const drift = (rows: readonly AgentDelta[]): number | null => {
    const seenTwice = rows.filter((row) => older.has(row.id))
    const knownBytes = sumBy(seenTwice, (row) => row.beforeBytes.value ?? 0)
    if (knownBytes === 0) return null
    const change = sumBy(seenTwice, (row) => (row.beforeBytes.value ?? 0) - (older.get(row.id)?.cost.costBytes ?? 0))
    return (change * sumBy(rows, (row) => row.beforeBytes.value ?? 0)) / knownBytes
  }
  const fileBytes = (rows: readonly AgentDelta[], side: ReadonlyMap<string, Agent>): number =>
    sumBy(rows, (row) => side.get(row.id)?.cost.fileBytes.value ?? 0)

  // What the treated would cost now had they moved as the control did. An
  // agent's own memory moves in proportion. File-backed pages are shared: once
  // the treated let go of them, more of them is charged to the control, which
  // is no gain, so a rise there is taken off; a fall is taken in proportion.
  const expectedAfter = (treatedRows: readonly AgentDelta[], controlRows: readonly AgentDelta[]): number => {
    const own = (rows: readonly AgentDelta[], side: ReadonlyMap<string, Agent>): number =>
      sumBy(rows, (row) => side.get(row.id)?.cost.costBytes ?? 0) - fileBytes(rows, side)
    const treatedOwn = own(treatedRows, old)
    const treatedFile = fileBytes(treatedRows, old)
    const controlOwn = own(controlRows, old)
    const controlFile = fileBytes(controlRows, old)
    const fileChange = fileBytes(controlRows, now) - controlFile
    const ownAfter = controlOwn === 0 ? treatedOwn : (treatedOwn * own(controlRows, now)) / controlOwn
    const fileAfter = fileChange > 0 ? treatedFile - fileChange : controlFile === 0 ? treatedFile : treatedFile * (1 + fileChange / controlFile)
    return Math.round(ownAfter + fileAfter)
  }

  const kinds = [...new Set(both.filter((row) => row.group === 'treated').map((row) => row.kind))].toSorted().map((kind): KindDelta => {
    const treatedRows = both.filter((row) => row.kind === kind && row.group === 'treated')
    const controlRows = both.filter((row) => row.kind === kind && row.group === 'control')
    const t = pick(treatedRows)
    const c = pick(controlRows)
    const controlled = c.count > 0 && c.beforeBytes > 0
    const expected = controlled ? expectedAfter(treatedRows, controlRows) : t.beforeBytes
    const treatedDrift = drift(treatedRows)
    const controlDrift = controlled ? drift(controlRows) : 0
    const perControlByte = controlled ? t.beforeBytes / c.beforeBytes : 0
    return {
      kind,
      title: treatedRows[0]?.title ?? kind,
      treated: t,
      control: controlled ? c : null,
      expectedAfterBytes: expected,
      gainBytes: expected - t.afterBytes,
      noiseBytes: num(treatedDrift === null || controlDrift === null ? null : Math.abs(treatedDrift) + Math.abs(controlDrift) * perControlByte),
    }
  })

  const beforeBytes = sumBy(kinds, (k) => k.treated.beforeBytes)
  const afterBytes = sumBy(kinds, (k) => k.treated.afterBytes)
  const expectedAfterBytes = sumBy(kinds, (k) => k.expectedAfterBytes)
  const gainBytes = expectedAfterBytes - afterBytes
  const noise = kinds.some((k) => k.noiseBytes.value === null) ? null : sumBy(kinds, (k) => k.noiseBytes.value ?? 0)
  const withControl = kinds.filter((k) => k.control !== null).length
  const rates = incomparableReason === null ? rateDelta(input.before, after) : null
  return {
    version: 1,
    fromMs: base.takenAtMs,
    toMs: after.takenAtMs,
    comparable: incomparableReason === null,
    incomparableReason,
    machine,
    agents,
    kinds,
    arrived: agents.filter((row) => row.beforeBytes.value === null).length,
    left: agents.filter((row) => row.afterBytes.value === null).length,
    total: {
      beforeBytes,
      afterBytes,
      expectedAfterBytes,
      gainBytes,
      gainPercent: percent(gainBytes, expectedAfterBytes),
      noiseBytes: num(kinds.length === 0 ? null : noise),
      controlled: kinds.length > 0 && withControl === kinds.length ? 'all' : withControl > 0 ? 'some' : 'none',
      // Without a second look before there is no noise to stay within: `noiseBytes` says so.
      verdict: kinds.length === 0 || incomparableReason !== null ? 'nothing-to-compare' : Math.abs(gainBytes) <= (noise ?? 0) ? 'within-noise' : gainBytes > 0 ? 'gain' : 'loss',
    },
    ...(rates === null ? {} : { rates }),
  }
}
