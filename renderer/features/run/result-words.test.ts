import { describe, expect, it } from 'vitest'
import type { RunDetail } from '../../../electron/contract/views.ts'
import type { Operation, Step } from '../../../helper/contract/plan.ts'
import { known, missing } from '../../../helper/contract/known.ts'
import type { RateDelta } from '../../../helper/contract/rate-delta.ts'
import type { RunState } from '../../../helper/contract/runs.ts'
import { endWords } from './end-words.ts'
import { resultWords } from './result-words.ts'

const MB = 1024 ** 2
type Verdict = NonNullable<RunDetail['delta']>['total']['verdict']

const step = (number: number, source: Step['source'], operation: Operation): Step => ({ number, source, operation, target: 't', old: null, new: 'n', undoClass: 'now', undo: '', why: '' })
const prune = step(1, 'prune-cache', { op: 'prune-cache', level: 1 })
const pageOut = step(1, 'reclaim', { op: 'reclaim', agentId: 'a', title: 'Codex', processes: [{ pid: 1, startTimeTicks: 1 }], cgroup: null })
const swapOn = step(1, 'compressed-swap', { op: 'swap-on', path: '/dev/zram0', priority: 100 })
const swapOff = step(1, 'compressed-swap', { op: 'swap-off', path: '/dev/zram0' })

const detail = (steps: Step[], verdict: Verdict, gainMb: number, availableMb = 0): RunDetail => ({
  record: {
    version: 1, id: '20261121T093005Z-1a2b3c4d', uid: 1000, presetId: 'x', presetTitle: 'X', cause: 'user-preset', state: 'kept', startedAtMs: 0, endedAtMs: 1,
    plan: { version: 1, digest: '0'.repeat(64), kernelRelease: '6.12', steps, skipped: [], notes: [] },
    steps: [], treated: [], control: [], confirmUntilMs: null, undo: [], undoCause: null, error: null,
  },
  delta: {
    version: 1, fromMs: 0, toMs: 1, comparable: true, incomparableReason: null, agents: [], kinds: [], arrived: 0, left: 0,
    machine: [{ id: 'available', label: 'Available memory', beforeBytes: known(0), afterBytes: known(availableMb * MB), changeBytes: known(availableMb * MB), noiseBytes: known(20 * MB), better: 'more' }],
    total: { beforeBytes: 1, afterBytes: 1, expectedAfterBytes: 1, gainBytes: gainMb * MB, gainPercent: known(0), noiseBytes: known(5 * MB), controlled: 'none', verdict },
  },
})
const ended = (of: RunDetail, state: RunState = 'kept') => endWords(state, of)

describe('what a single action or layer won', () => {
  it('is available memory for dropped caches, never the cost of agents', () => {
    expect(resultWords(detail([prune], 'within-noise', 0, 800))).toMatchObject({ tone: 'gain', title: expect.stringMatching(/^800\sMB \(±\s20\) more available$/u) })
    expect(resultWords(detail([prune], 'gain', 300, 10))).toMatchObject({ tone: 'info', title: 'Nothing won beyond the noise of the measurement' })
  })

  it('is how often programs wait, for a setting that was watched', () => {
    const setting = step(1, 'tunables', { op: 'write', path: '/proc/sys/vm/watermark_scale_factor', value: '100' })
    const of = detail([setting], 'within-noise', 1)
    const rows: RateDelta['rows'] = [{ id: 'stalls', label: 'Requests', unit: 'per-minute', before: missing('not-supported'), after: missing('not-supported') }, { id: 'lost-time', label: 'Lost time', unit: 'percent', before: known(12), after: known(1) }]
    const watched = (verdict: RateDelta['verdict']) => resultWords({ ...of, delta: of.delta === null ? null : { ...of.delta, rates: { beforeMs: 1, afterMs: 1, rows, verdict } } })
    expect(watched('better')).toEqual({ tone: 'gain', title: 'Programs wait less for memory', text: expect.stringMatching(/^Lost time: 12\s%.* before, 1\s%.* after\.$/u) })
    expect(watched('worse').tone).toBe('problem')
    expect(watched(null).title).toBe('No gain beyond the noise of the measurement')
  })

  it('claims nothing for compressed swap that is only switched on', () => {
    expect(resultWords(detail([swapOn], 'gain', 40)).title).toBe('Compressed swap is on')
    expect(resultWords(detail([swapOn, { ...pageOut, number: 2 }], 'gain', 400)).title).toMatch(/^Won/u)
  })

  it('claims nothing for a kernel module that no agent uses yet', () => {
    expect(resultWords(detail([step(1, 'kernel-module', { op: 'module-load', compressor: 'zstd' })], 'gain', 40)).title).toBe('Kernel module is loaded')
    expect(resultWords(detail([step(1, 'kernel-module', { op: 'module-unload' })], 'loss', -40)).title).toBe('Kernel module is unloaded')
    expect(resultWords(detail([step(1, 'kernel-module', { op: 'module-backing', sizeBytes: 2 ** 32 })], 'gain', 40)).title).toBe('Kernel module has its backing file')
    expect(resultWords(detail([step(1, 'kernel-module', { op: 'module-backing', sizeBytes: 0 })], 'loss', -40)).title).toBe('Kernel module has no backing file')
  })

  it('does not advise to undo what turning off costs', () => {
    const off = resultWords(detail([swapOff], 'loss', -500))
    expect(off).toMatchObject({ tone: 'info', title: expect.stringMatching(/^Off; agents use 500\sMB more again$/u) })
    expect(resultWords(detail([swapOn, { ...pageOut, number: 2 }], 'loss', -500)).text).toMatch(/^Undo is advised/u)
    expect(resultWords(detail([pageOut], 'loss', -500)).text).not.toMatch(/undo/iu)
  })

  it('is done, not kept, where nothing stays on', () => {
    expect(ended(detail([pageOut], 'gain', 400))).toMatchObject({ title: expect.stringMatching(/^Done\. Won 400/u), text: expect.not.stringMatching(/undo/iu) })
    expect(ended(detail([swapOn], 'gain', 400))).toMatchObject({ title: 'Kept. Compressed swap is on', text: expect.stringMatching(/until you undo it/u) })
  })
})
