import { describe, expect, test } from 'vitest'
import type { Step } from '../../../helper/contract/plan.ts'
import { known } from '../../../helper/contract/known.ts'
import type { RateDelta } from '../../../helper/contract/rate-delta.ts'
import type { SnapshotDelta } from '../../../helper/contract/snapshot-delta.ts'
import type { RunDetail } from '../../contract/views.ts'
import { sampleRun, samplePlan } from '../report/sample-run.ts'
import { detailOf } from './run-record.ts'
import { outcomeEntry } from './run-journal.ts'

const MB = 1024 ** 2
const sample = detailOf(sampleRun())
if (sample.delta === null) throw new Error('the sample was measured')
const measured = sample.delta
const setting: Step = { number: 1, source: 'tunables', target: '/proc/sys/vm/swappiness', old: '60', new: '150', undoClass: 'now', operation: { op: 'write', path: '/proc/sys/vm/swappiness', value: '150' }, undo: '', why: '' }
const hugePages: Step = { ...setting, target: '/proc/sys/vm/nr_hugepages', old: '1024', new: '0' }

const ratesOf = (before: number, after: number, verdict: RateDelta['verdict']): RateDelta => ({
  beforeMs: 40_000, afterMs: 41_000, verdict, rows: [{ id: 'stalls', label: 'Requests that had to wait', unit: 'per-minute', before: known(before), after: known(after) }, { id: 'lost-time', label: 'Lost', unit: 'percent', before: known(0), after: known(0) }],
})

interface Told { verdict: SnapshotDelta['total']['verdict']; gain: number; rise?: number; riseNoise?: number; rates?: RateDelta; steps?: Step[]; state?: RunDetail['record']['state'] }
const detail = ({ verdict, gain, rise = 0, riseNoise = 0, rates, steps = samplePlan.steps, state = 'kept' }: Told): RunDetail => ({
  record: { ...sample.record, state, plan: { ...samplePlan, steps } },
  delta: {
    ...measured,
    ...(rates === undefined ? {} : { rates }),
    total: { ...measured.total, verdict, gainBytes: gain },
    machine: measured.machine.map((row) => (row.id === 'available' ? { ...row, changeBytes: known(rise), noiseBytes: known(riseNoise) } : row)),
  },
})
const told = (of: Told): [string | null | undefined, number | null | undefined] => {
  const entry = outcomeEntry(detail(of), null, 1)
  return [entry?.outcome, entry?.gainBytes]
}

describe('what came of a run', () => {
  test.each<[string, Told, [string, number | null]]>([
    ['agents cost less', { verdict: 'gain', gain: 500 * MB }, ['kept', 500 * MB]],
    ['paging out within the noise won nothing', { verdict: 'within-noise', gain: 3 * MB }, ['no-gain', 3 * MB]],
    ['paging out that lost', { verdict: 'loss', gain: -90 * MB }, ['no-gain', -90 * MB]],
    ['paging out that won less than anybody would notice', { verdict: 'gain', gain: MB - 1 }, ['no-gain', MB - 1]],
    ['a megabyte is a gain', { verdict: 'gain', gain: MB }, ['kept', MB]],
    ['a setting after which agents cost some kilobytes less has no figure', { verdict: 'gain', gain: 20 * 1024, steps: [setting], state: 'undone' }, ['undone', null]],
    ['nor one after which they cost some more', { verdict: 'loss', gain: -20 * 1024, steps: [setting] }, ['kept', null]],
    ['a setting frees nothing by itself, and keeping it is a word', { verdict: 'within-noise', gain: 3 * MB, steps: [setting] }, ['kept', null]],
    ['huge pages given back help the machine, not the agents', { verdict: 'within-noise', gain: 3 * MB, rise: 2048 * MB, riseNoise: 40 * MB, steps: [hugePages] }, ['kept', 2048 * MB]],
    ['a rise within its noise is chance', { verdict: 'within-noise', gain: 0, rise: 100 * MB, riseNoise: 120 * MB, steps: [hugePages] }, ['no-gain', 0]],
    ['so is a small one', { verdict: 'within-noise', gain: 0, rise: 63 * MB, steps: [hugePages] }, ['no-gain', 0]],
    ['without agents the machine counts', { verdict: 'nothing-to-compare', gain: 0, rise: 65 * MB, steps: [hugePages] }, ['kept', 65 * MB]],
    ['and else nobody knows', { verdict: 'nothing-to-compare', gain: 0 }, ['kept', null]],
    ['a setting after which programs wait less was worth it, without a figure in bytes', { verdict: 'within-noise', gain: 3 * MB, rates: ratesOf(84, 2, 'better'), steps: [setting] }, ['kept', null]],
    ['one after which they wait as before was not', { verdict: 'within-noise', gain: 3 * MB, rates: ratesOf(84, 80, 'no-difference'), steps: [setting] }, ['no-gain', null]],
    ['nor one after which they wait more', { verdict: 'nothing-to-compare', gain: 0, rates: ratesOf(8, 80, 'worse'), steps: [setting] }, ['no-gain', null]],
    ['where nobody waited, keeping it is a word', { verdict: 'within-noise', gain: 3 * MB, rates: ratesOf(0, 0, null), steps: [setting] }, ['kept', null]],
    ['undone keeps what it had won', { verdict: 'gain', gain: 500 * MB, state: 'undone' }, ['undone', 500 * MB]],
    ['failed has no figure', { verdict: 'gain', gain: 500 * MB, state: 'failed' }, ['failed', null]],
  ])('%s', (_, of, expected) => expect(told(of)).toEqual(expected))

  test('the words name both figures', () => {
    const entry = outcomeEntry(detail({ verdict: 'within-noise', gain: 3 * MB, rise: 2048 * MB, steps: [hugePages] }), null, 1)
    expect(entry?.text).toMatch(/^The change was kept\. No difference that can be told from noise: .* Available memory of the machine rose by 2\.0 GB\.$/u)
  })

  test('how often programs waited is told, not that agents cost the same', () => {
    const entry = outcomeEntry(detail({ verdict: 'within-noise', gain: 3 * MB, rates: ratesOf(1234, 2.25, 'better'), steps: [setting] }), null, 1)
    expect(entry?.text).toBe('The change was kept. Requests that had to wait: 1,234 a minute before, 2.3 a minute after. Watched for 40 s and 41 s. It helped.')
  })

  test('an open run has none, nor one that a restart ended', () => {
    expect(outcomeEntry(detail({ verdict: 'gain', gain: 1, state: 'waiting' }), null, 1)).toBeNull()
    const restarted = detail({ verdict: 'gain', gain: 1, state: 'undone' })
    expect(outcomeEntry({ ...restarted, record: { ...restarted.record, undoCause: 'restart' } }, null, 1)).toBeNull()
  })

  test('sides that cannot be compared give no figure', () => {
    const of = detail({ verdict: 'gain', gain: 5, rise: 900 * MB })
    const delta = of.delta === null ? null : { ...of.delta, comparable: false, incomparableReason: 'restarted' }
    expect(outcomeEntry({ ...of, delta }, null, 1)).toMatchObject({ outcome: 'kept', gainBytes: null })
  })
})
