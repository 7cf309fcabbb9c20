import { afterEach, beforeEach, expect, test } from 'vitest'
import { isOpen } from '../../../helper/contract/runs.ts'
import { sampleDelta, sampleRun } from '../report/sample-run.ts'
import { openHistoryInMemory } from './open.ts'
import type { History } from './types.ts'

let history: History
beforeEach(() => {
  history = openHistoryInMemory({ code: 'internal', message: 'test' })
})
afterEach(() => history.close())

test('a run is stored whole: record, both sides, gain and noise', () => {
  const record = sampleRun()
  expect(history.writer.finishRun(record).ok).toBe(true)
  const { before, after, ...rest } = record
  const detail = history.reader.run(record.id)
  expect(detail?.record).toEqual(rest)
  expect(detail?.delta).toEqual(sampleDelta(record))
  const [view] = history.reader.runs(10)
  expect(view?.gainBytes).toEqual({ value: detail?.delta?.total.gainBytes })
  expect(view?.noiseBytes).toEqual(detail?.delta?.total.noiseBytes)
  const infos = history.reader.snapshots(10)
  expect(infos.map((info) => info.origin)).toEqual(['run-after', 'run-before', 'run-before'])
  expect(infos.every((info) => info.runId === record.id)).toBe(true)
  expect(history.reader.snapshot(infos[0]?.id ?? 0)).toEqual(after)
  expect(history.reader.snapshot(infos[2]?.id ?? 0)).toEqual(before[0])
})

test('a run just begun is evidence: no comparison, no gain, never a zero', () => {
  const record = { ...sampleRun(), state: 'started' as const, before: [], after: null, endedAtMs: null }
  history.writer.startRun(record)
  const [view] = history.reader.runs(1)
  expect(view && isOpen(view.summary.state)).toBe(true)
  expect(view?.gainBytes).toEqual({ value: null, reason: 'not-measured' })
  expect(history.reader.run(record.id)?.delta).toBeNull()
})

test('updating replaces, keeps ids of snapshots, and does not lose sides that a later record lacks', () => {
  const record = sampleRun()
  history.writer.startRun({ ...record, state: 'settling', after: null })
  const ids = history.reader.snapshots(10).map((info) => info.id)
  history.writer.updateRun({ ...record, state: 'waiting' })
  history.writer.finishRun({ ...record, state: 'undone', before: [], after: null })
  expect(history.reader.runs(10)).toHaveLength(1)
  expect(history.reader.snapshots(10).map((info) => info.id).filter((id) => ids.includes(id))).toEqual(ids)
  expect(history.reader.snapshots(10)).toHaveLength(3)
  expect(history.reader.run(record.id)?.record.state).toBe('undone')
  expect(history.reader.run(record.id)?.delta).toEqual(sampleDelta(record))
})

test('runs and snapshots come newest first and end at the limit', () => {
  for (let i = 0; i < 5; i += 1) history.writer.startRun({ ...sampleRun(), id: `20261120T14031${i}Z-5b1c09de`, startedAtMs: 1000 + i, before: [], after: null })
  expect(history.reader.runs(3).map((run) => run.summary.startedAtMs)).toEqual([1004, 1003, 1002])
})

test('an unknown run or snapshot is null', () => {
  expect(history.reader.run('20261120T140312Z-00000000')).toBeNull()
  expect(history.reader.snapshot(404)).toBeNull()
  expect(history.reader.snapshotInfo(404)).toBeNull()
})

test('a snapshot by hand has its own line and figures', () => {
  const { after } = sampleRun()
  if (after === null) throw new Error('the sample has an after-snapshot')
  const id = history.writer.addSnapshot(after, 'before lunch', 'manual', null)
  if (!id.ok) throw new Error(id.error.message)
  expect(history.reader.snapshotInfo(id.value)).toEqual({
    id: id.value, takenAtMs: after.takenAtMs, label: 'before lunch', origin: 'manual', runId: null, agents: 12,
    agentsCostBytes: after.agents.reduce((sum, agent) => sum + agent.cost.costBytes, 0), availableBytes: after.machine.memory.availableBytes,
  })
})

test('pruning keeps a run that can still be undone, and drops a finished one with its snapshots', () => {
  const kept = sampleRun()
  const undone = { ...sampleRun('undone'), id: '20261120T140312Z-00000001' }
  history.writer.finishRun(kept)
  history.writer.finishRun(undone)
  history.writer.addEvent({ atMs: 1, kind: 'run-kept', text: 'old', runId: kept.id, agentId: null })
  expect(history.writer.prune(Date.now() + 400 * 86_400_000, 90)).toEqual({ ok: true, value: undefined })
  expect(history.reader.runs(10).map((run) => run.summary.id)).toEqual([kept.id])
  expect(history.reader.run(kept.id)?.delta).not.toBeNull()
  expect(history.reader.snapshots(10)).toHaveLength(3)
  expect(history.reader.events({ fromMs: 0, toMs: 10, limit: 10 })).toEqual([])
})
