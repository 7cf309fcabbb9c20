import { randomBytes } from 'node:crypto'
import type { Cause } from '../../../helper/contract/cause.ts'
import type { Failure } from '../../../helper/contract/errors.ts'
import { missing } from '../../../helper/contract/known.ts'
import type { Plan } from '../../../helper/contract/plan.ts'
import type { Preset } from '../../../helper/contract/presets.ts'
import type { RunId, RunRecord } from '../../../helper/contract/runs.ts'
import { snapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { RunDetail, RunView } from '../../contract/views.ts'

/** "20261121T093005Z-" and 32 random bits: sorts by time, never meets another. */
export const newRunId = (nowMs: number): RunId =>
  `${new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d+/gu, '')}-${randomBytes(4).toString('hex')}`

/** What is stored before the helper is asked: evidence, should anything crash after. */
export const startedRecord = (input: {
  id: RunId
  nowMs: number
  preset: Preset
  plan: Plan
  cause: Cause
  treated: readonly string[]
  control: readonly string[]
}): RunRecord => ({
  version: 1,
  id: input.id,
  uid: process.getuid?.() ?? 0,
  presetId: input.preset.id,
  presetTitle: input.preset.title,
  cause: input.cause,
  state: 'started',
  startedAtMs: input.nowMs,
  endedAtMs: null,
  plan: input.plan,
  steps: [],
  treated: [...input.treated],
  control: [...input.control],
  before: [],
  after: null,
  confirmUntilMs: null,
  undo: [],
  undoCause: null,
  error: null,
})

/** A run that the helper refused or knows nothing of: nothing was changed. */
export const failedRecord = (record: RunRecord, error: Failure, nowMs: number): RunRecord => ({ ...record, state: 'failed', endedAtMs: nowMs, error })

/** The page of a run, from its whole record. */
export const detailOf = (record: RunRecord): RunDetail => {
  const { before, after, ...rest } = record
  const delta = after === null || before.length === 0 ? null : snapshotDelta({ before, after, treated: record.treated, control: record.control })
  return { record: rest, delta }
}

/** The line of a run in a list. */
export const viewOf = ({ record, delta }: RunDetail): RunView => {
  const { plan: _plan, steps: _steps, undo: _undo, ...summary } = record
  return { summary, gainBytes: delta === null ? missing('not-measured') : { value: delta.total.gainBytes }, noiseBytes: delta === null ? missing('not-measured') : delta.total.noiseBytes }
}
