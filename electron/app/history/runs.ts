import type Database from 'better-sqlite3'
import { known, missing } from '../../../helper/contract/known.ts'
import { runRecordSchema, runSummarySchema, type RunRecord } from '../../../helper/contract/runs.ts'
import { snapshotDelta, type SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import { snapshotSchema, type Snapshot } from '../../../helper/contract/snapshot.ts'
import type { RunDetail, RunView, SnapshotInfo } from '../../contract/views.ts'
import { pack, unpack } from './pack.ts'
import { queries } from './queries.ts'

const storedRecord = runRecordSchema.omit({ before: true, after: true })
type Sides = Pick<RunRecord, 'before' | 'after' | 'treated' | 'control'>

/** The comparison of a run; null until both sides are there. */
const deltaOf = ({ before, after, treated, control }: Sides): SnapshotDelta | null =>
  before.length === 0 || after === null ? null : snapshotDelta({ before, after, treated, control })

/** Runs and snapshots; every writing function runs inside a transaction of its caller. */
export const createRunStore = (db: Database.Database) => {
  const insertSnapshot = db.prepare(
    `INSERT INTO snapshot (taken_at_ms, label, origin, run_id, side, agents, agents_cost_bytes, available_bytes, body)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (run_id, side) DO UPDATE SET taken_at_ms = excluded.taken_at_ms, label = excluded.label, agents = excluded.agents,
       agents_cost_bytes = excluded.agents_cost_bytes, available_bytes = excluded.available_bytes, body = excluded.body`,
  )
  const upsertRun = db.prepare(
    `INSERT INTO run (id, started_at_ms, state, summary, gain_bytes, noise_bytes, record) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET started_at_ms = excluded.started_at_ms, state = excluded.state, summary = excluded.summary,
       gain_bytes = excluded.gain_bytes, noise_bytes = excluded.noise_bytes, record = excluded.record`,
  )
  const selectRuns = db.prepare<[number], { summary: string; gainBytes: number | null; noiseBytes: number | null }>(queries.runs)
  const selectRun = db.prepare<[string], { record: Buffer }>(queries.run)
  const selectSides = db.prepare<[string], { side: number; body: Buffer }>(queries.runSides)
  const selectSnapshots = db.prepare<[number], SnapshotInfo>(queries.snapshots)
  const selectInfo = db.prepare<[number], SnapshotInfo>(queries.snapshotInfo)
  const selectSnapshot = db.prepare<[number], { body: Buffer }>(queries.snapshot)
  const oldRuns = db.prepare<[number], { id: string }>(queries.oldRuns)
  const dropRun = db.prepare('DELETE FROM run WHERE id = ?')
  const dropRunSnapshots = db.prepare(queries.dropRunSnapshots)
  const dropSnapshots = db.prepare(queries.dropSnapshots)

  const addSnapshot = (snapshot: Snapshot, label: string, origin: SnapshotInfo['origin'], runId: string | null, side: number | null = null): number =>
    Number(
      insertSnapshot.run(
        Math.round(snapshot.takenAtMs),
        label,
        origin,
        runId,
        side,
        snapshot.agents.length,
        snapshot.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0),
        snapshot.machine.memory.availableBytes,
        pack(snapshot),
      ).lastInsertRowid,
    )

  const sidesOf = (runId: string): Pick<RunRecord, 'before' | 'after'> => {
    const rows = selectSides.all(runId).map(({ side, body }) => ({ side, snapshot: snapshotSchema.parse(unpack(body)) }))
    return { before: rows.filter((row) => row.side < 2).map((row) => row.snapshot), after: rows.find((row) => row.side === 2)?.snapshot ?? null }
  }

  /** Stores what the record has; sides it no longer carries stay as stored. */
  const storeRun = (record: RunRecord): void => {
    const { before, after, ...rest } = record
    before.forEach((snapshot, side) => addSnapshot(snapshot, `Before ${record.presetTitle}`, 'run-before', record.id, side))
    if (after !== null) addSnapshot(after, `After ${record.presetTitle}`, 'run-after', record.id, 2)
    const total = deltaOf({ ...record, ...sidesOf(record.id) })?.total
    const measured = total !== undefined && total.verdict !== 'nothing-to-compare'
    upsertRun.run(
      record.id,
      Math.round(record.startedAtMs),
      record.state,
      JSON.stringify(runSummarySchema.parse(record)),
      measured ? total.gainBytes : null,
      measured ? total.noiseBytes.value : null,
      pack(rest),
    )
  }

  const reading = (value: number | null): RunView['gainBytes'] => (value === null ? missing('not-measured') : known(value))

  const runs = (limit: number): RunView[] =>
    selectRuns.all(limit).map((row) => ({ summary: runSummarySchema.parse(JSON.parse(row.summary)), gainBytes: reading(row.gainBytes), noiseBytes: reading(row.noiseBytes) }))

  const run: (id: string) => RunDetail | null = db.transaction((id: string): RunDetail | null => {
    const row = selectRun.get(id)
    if (row === undefined) return null
    const record = storedRecord.parse(unpack(row.record))
    return { record, delta: deltaOf({ ...record, ...sidesOf(id) }) }
  })

  const snapshot = (id: number): Snapshot | null => {
    const row = selectSnapshot.get(id)
    return row === undefined ? null : snapshotSchema.parse(unpack(row.body))
  }

  const runSnapshot = (runId: string, side: 'before' | 'after'): Snapshot | null => {
    const sides = sidesOf(runId)
    return side === 'after' ? sides.after : (sides.before.at(-1) ?? null)
  }

  const prune = (beforeMs: number): void => {
    for (const { id } of oldRuns.all(beforeMs)) {
      dropRunSnapshots.run(id)
      dropRun.run(id)
    }
    dropSnapshots.run(beforeMs)
  }

  return { addSnapshot, storeRun, runs, run, snapshots: (limit: number) => selectSnapshots.all(limit), snapshotInfo: (id: number) => selectInfo.get(id) ?? null, snapshot, runSnapshot, prune }
}
