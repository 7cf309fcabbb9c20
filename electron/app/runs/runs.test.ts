import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import type { SystemMethod } from '../../../helper/contract/requests.ts'
import type { Outcome, Progress, RunRecord } from '../../../helper/contract/runs.ts'
import type { SystemClient } from '../helper-client/system-client.ts'
import { openHistory } from '../history/open.ts'
import type { History } from '../history/types.ts'
import { sampleRun } from '../report/sample-run.ts'
import type { ShownPlan } from './planner.ts'
import { newRunId } from './run-record.ts'
import { createRuns, type Runs } from './runs.ts'

const base = sampleRun('gain')
let watchMs: number | undefined
let steps = base.plan.steps
const shown = (simulation = false): ShownPlan => ({
  view: { presetId: base.presetId, plan: { ...base.plan, steps }, simulation, treated: base.treated, control: base.control, asksPassword: true },
  preset: { version: 1, id: base.presetId, title: base.presetTitle, description: '', settings: {}, settleMs: 0, confirmMs: 60_000, ...(watchMs === undefined ? {} : { watchMs }) },
  agents: [],
  control: [],
  from: { rule: 'swap.none', subject: '', solution: 'add-zram' },
})

/** A helper in memory: what it answers, and what it was asked with the state of history at that time. */
const fakeSystem = () => {
  const answers = new Map<SystemMethod, (request: never) => Result<unknown> | Promise<Result<unknown>>>()
  const heard: { method: SystemMethod; request: unknown }[] = []
  let progress: (value: Progress) => void = () => {}
  let outcome: (value: Outcome) => void = () => {}
  let gone: () => void = () => {}
  const client = {
    call: async (method: SystemMethod, request: never) => {
      heard.push({ method, request })
      return answers.get(method)?.(request) ?? fail('internal', `no answer to ${method} in this test`)
    },
    state: () => ({ system: 'ready', systemVersion: '0.1.0' }),
    refresh: async () => ({ system: 'ready', systemVersion: '0.1.0' }),
    onProgress: (listener: typeof progress) => { progress = listener; return () => {} },
    onOutcome: (listener: typeof outcome) => { outcome = listener; return () => {} },
    onGone: (listener: typeof gone) => { gone = listener; return () => {} },
    onState: () => () => {},
    close: () => {},
  } as SystemClient
  return { client, answers, heard, progress: (value: Progress) => { progress(value) }, outcome: (value: Outcome) => { outcome(value) }, gone: () => { gone() } }
}

const memory = (): History => {
  const made = openHistory(':memory:')
  if (!made.ok) throw new Error(made.error.message)
  return made.value
}

let system: ReturnType<typeof fakeSystem>
let history: History
let runs: Runs
let seen: (Progress | null)[] = []
const make = (simulation = false, polls = 60_000, bootedAtMs: number | null = null): Runs =>
  createRuns({
    system: system.client,
    planner: { plan: async () => fail('internal', 'not here'), shown: (_id, digest) => (digest === base.plan.digest ? shown(simulation) : null) },
    history,
    onProgress: (progress) => { seen.push(progress) },
    onChanged: () => {},
    now: () => base.startedAtMs,
    pollMs: polls,
    bootedAtMs: () => bootedAtMs,
  })
const press = (digest = base.plan.digest) => runs.apply({ presetId: base.presetId, digest, cause: 'user-preset' })
const as = (id: string, changes: Partial<RunRecord>): RunRecord => ({ ...base, id, ...changes })
const idOf = (request: unknown): string => (request as { runId: string }).runId
const stateOf = (id: string): string | undefined => history.reader.run(id)?.record.state

beforeEach(() => {
  watchMs = undefined
  steps = base.plan.steps
  system = fakeSystem()
  history = memory()
  seen = []
  runs = make()
})
afterEach(() => {
  runs.close()
  history.close()
})

describe('applying', () => {
  it('stores the run as started before the helper is asked', async () => {
    let stored: string | undefined
    system.answers.set('Apply', (request) => { stored = stateOf(idOf(request)); return ok({ runId: idOf(request) }) })
    const answer = await press()
    expect(answer.ok).toBe(true)
    expect(stored).toBe('started')
  })

  it('tells the helper for how long to watch only where that was asked for: an older one does not know it', async () => {
    system.answers.set('Apply', (request) => ok({ runId: idOf(request) }))
    await press()
    expect(system.heard.at(-1)?.request).not.toHaveProperty('watchMs')
    watchMs = 40_000
    await press()
    expect(system.heard.filter(({ method }) => method === 'Apply').at(-1)?.request).toMatchObject({ settleMs: 0, watchMs: 40_000 })
  })

  it('follows it to waiting, reads it once whole, and shows the way back', async () => {
    system.answers.set('Apply', (request) => ok({ runId: idOf(request) }))
    const answer = await press()
    if (!answer.ok) throw new Error(answer.error.message)
    const { runId } = answer.value
    system.progress({ runId, state: 'settling', fraction: 0.5, text: 'Settling', confirmUntilMs: null, canCancel: true })
    expect(runs.progress()?.text).toBe('Settling')
    system.answers.set('Run', () => ok(as(runId, { state: 'waiting', confirmUntilMs: 99 })))
    system.outcome({ runId, state: 'waiting', cause: 'user-preset', error: null })
    await vi.waitFor(() => { expect(stateOf(runId)).toBe('waiting') }, 15_000)
    expect(runs.progress()).toMatchObject({ state: 'waiting', confirmUntilMs: 99 })
    expect(history.reader.run(runId)?.delta?.total.gainBytes).toBeGreaterThan(0)

    system.answers.set('Keep', () => ok(as(runId, { state: 'kept' })))
    system.answers.set('Run', () => ok(as(runId, { state: 'kept' })))
    expect(await runs.keep(runId)).toEqual(ok({}))
    expect(stateOf(runId)).toBe('kept')
    expect(runs.progress()).toBeNull()
    // The signal for what the answer has told already.
    system.outcome({ runId, state: 'kept', cause: 'user-preset', error: null })
    await vi.waitFor(() => { expect(system.heard.filter((call) => call.method === 'Run')).toHaveLength(3) }, 15_000)
    const kinds = history.reader.events({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 10 }).map((event) => event.kind)
    expect(kinds.toSorted()).toEqual(['run-kept', 'run-started', 'run-waiting'])
  })

  it.each([
    fail('busy', 'Another run is open.', { runId: '20261121T093005Z-1a2b3c4d' }),
    fail('authorization-dismissed', 'The password was not given.'),
    fail('authorization-denied', 'You may not.'),
    fail('plan-changed', 'The machine differs.'),
  ])('passes on what the helper says as it is: $error.code', async (refusal) => {
    system.answers.set('Apply', () => refusal)
    expect(await press()).toEqual(refusal)
    expect(history.reader.runs(5).map((run) => run.summary)).toMatchObject([{ state: 'failed', error: refusal.error }])
    expect(runs.progress()).toBeNull()
    const events = history.reader.events({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 10 })
    expect(events.map((event) => event.text)).toEqual([`${base.presetTitle} was not begun: ${refusal.error.message}`])
  })

  it('refuses a plan that changes nothing, and leaves no trace of it as a run that helped', async () => {
    system.answers.set('Apply', (request) => ok({ runId: idOf(request) }))
    steps = []
    expect(await press()).toMatchObject({ ok: false, error: { code: 'bad-request', message: expect.stringContaining('nothing to change') } })
    expect(system.heard).toEqual([])
    expect(history.reader.runs(5)).toEqual([])
    expect(history.reader.events({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 10 })).toEqual([])
    expect(history.reader.journal({ text: '', limit: 5, beforeId: null })).toMatchObject({ entries: [] })
  })

  it('refuses a plan that was never shown, and a simulation, without asking the helper', async () => {
    expect(await press('0'.repeat(64))).toMatchObject({ ok: false, error: { code: 'plan-changed' } })
    runs.close()
    runs = make(true)
    expect(await press()).toMatchObject({ ok: false, error: { code: 'helper-missing' } })
    expect(system.heard).toEqual([])
    expect(history.reader.runs(5)).toEqual([])
  })

  it('goes on when the disk is full: the run is shown, though history has nothing of it', async () => {
    const refuse = () => fail('disk-full', 'The disk is full.')
    history = { ...history, writer: { ...history.writer, startRun: refuse, updateRun: refuse, finishRun: refuse, addEvent: refuse } }
    runs.close()
    runs = make()
    system.answers.set('Apply', (request) => ok({ runId: idOf(request) }))
    const answer = await press()
    if (!answer.ok) throw new Error(answer.error.message)
    const { runId } = answer.value
    expect(runs.detail(runId)?.record.state).toBe('started')
    system.answers.set('Run', () => ok(as(runId, { state: 'waiting' })))
    system.outcome({ runId, state: 'waiting', cause: 'user-preset', error: null })
    await vi.waitFor(() => { expect(runs.detail(runId)?.record.state).toBe('waiting') }, 15_000)
    expect(runs.list(5)).toMatchObject([{ summary: { id: runId, state: 'waiting' }, gainBytes: { value: runs.detail(runId)?.delta?.total.gainBytes } }])
    expect(history.reader.runs(5)).toEqual([])
  })
})

describe('when the helper dies during Apply', () => {
  it('keeps following until the helper is back and tells what became of it', async () => {
    runs.close()
    runs = make(false, 5)
    system.answers.set('Apply', () => fail('helper-gone', 'The helper ended.'))
    system.answers.set('Runs', () => fail('helper-gone', 'Not back yet.'))
    expect(await press()).toMatchObject({ error: { code: 'helper-gone' } })
    const id = history.reader.runs(1)[0]?.summary.id ?? ''
    expect(stateOf(id)).toBe('started')
    system.answers.set('Runs', () => ok([]))
    system.answers.set('Run', () => ok(as(id, { state: 'undone', undoCause: 'startup-recovery' })))
    await vi.waitFor(() => { expect(stateOf(id)).toBe('undone') }, 15_000)
  })

  it('says so when the helper never heard of the run', async () => {
    runs.close()
    runs = make(false, 5)
    system.answers.set('Apply', () => fail('helper-gone', 'The helper ended.'))
    system.answers.set('Runs', () => ok([]))
    system.answers.set('Run', () => fail('no-such-run', 'Unknown.'))
    await press()
    const id = history.reader.runs(1)[0]?.summary.id ?? ''
    await vi.waitFor(() => { expect(history.reader.run(id)?.record).toMatchObject({ state: 'failed', error: { code: 'no-such-run' } }) }, 15_000)
  })
})

describe('after a restart of the app', () => {
  it('takes up a run that waits, and closes one that was never begun', async () => {
    const waiting = as(newRunId(base.startedAtMs), { state: 'waiting', confirmUntilMs: 5 })
    const never = as(newRunId(base.startedAtMs + 1_000), { state: 'started', before: [], after: null, startedAtMs: base.startedAtMs - 11 * 60_000 })
    const asking = as(newRunId(base.startedAtMs + 2_000), { state: 'started', before: [], after: null })
    for (const record of [never, asking]) history.writer.startRun(record)
    const { before: _before, after: _after, plan: _plan, steps: _steps, undo: _undo, ...summary } = waiting
    system.answers.set('Runs', () => ok([summary]))
    system.answers.set('Run', (request) => (idOf(request) === waiting.id ? ok(waiting) : fail('no-such-run', 'Unknown.')))
    await runs.adopt()
    expect(stateOf(waiting.id)).toBe('waiting')
    expect(runs.progress()).toMatchObject({ runId: waiting.id, state: 'waiting' })
    expect(stateOf(never.id)).toBe('failed')
    // Another program may still be at its password: not ours to close.
    expect(stateOf(asking.id)).toBe('started')
  })
})

describe('after a restart of the computer', () => {
  const kept = as(newRunId(base.startedAtMs), { state: 'kept', endedAtMs: base.startedAtMs, undo: [], undoCause: null })
  const events = () => history.reader.events({ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 10 }).map(({ text }) => text)
  beforeEach(() => {
    history.writer.finishRun(kept)
    runs.close()
    system.answers.set('Runs', () => ok([]))
  })

  it.each([
    ['the helper says so', () => ok(as(kept.id, { state: 'undone', undoCause: 'restart' }))],
    ['the helper knows nothing of it', () => fail('no-such-run', 'Unknown.')],
  ])('a kept run is shown as ended by it when %s', async (_, answer) => {
    runs = make(false, 60_000, base.startedAtMs + 1)
    system.answers.set('Run', answer)
    await runs.adopt(true)
    expect(history.reader.run(kept.id)?.record).toMatchObject({ state: 'undone', undoCause: 'restart' })
    expect(history.reader.run(kept.id)?.delta).not.toBeNull()
    expect(events()).toEqual([`${kept.presetTitle} ended with the restart of the computer`])
  })

  it('stays kept while the helper cannot be asked, and where the computer was not restarted', async () => {
    runs = make(false, 60_000, base.startedAtMs + 1)
    system.answers.set('Run', () => fail('helper-gone', 'It ended.'))
    await runs.adopt(true)
    expect(stateOf(kept.id)).toBe('kept')
    runs.close()
    system.heard.length = 0
    runs = make(false, 60_000, base.startedAtMs - 1)
    await runs.adopt(true)
    expect([stateOf(kept.id), system.heard]).toEqual(['kept', []])
  })
})

describe('looking for open runs', () => {
  it('leaves the helper asleep where there are none', async () => {
    await runs.adopt(true)
    expect(system.heard).toEqual([])
  })
})

describe('a run of another program of this user', () => {
  it('is shown here as it goes on, by polling', async () => {
    runs.close()
    runs = make(false, 5)
    const id = newRunId(base.startedAtMs)
    const summaryOf = (state: RunRecord['state']) => {
      const { before: _before, after: _after, plan: _plan, steps: _steps, undo: _undo, ...summary } = as(id, { state })
      return ok([summary])
    }
    system.answers.set('Runs', () => summaryOf('settling'))
    runs.heardOf(id)
    await vi.waitFor(() => { expect(runs.progress()).toMatchObject({ runId: id, state: 'settling', text: 'Settling' }) }, 15_000)
    system.answers.set('Runs', () => summaryOf('waiting'))
    system.answers.set('Run', () => ok(as(id, { state: 'waiting', confirmUntilMs: 7 })))
    await vi.waitFor(() => { expect(runs.progress()).toMatchObject({ state: 'waiting', confirmUntilMs: 7 }) }, 15_000)
    system.answers.set('Runs', () => ok([]))
    system.answers.set('Run', () => ok(as(id, { state: 'undone' })))
    await vi.waitFor(() => { expect(runs.progress()).toBeNull() }, 15_000)
    expect(stateOf(id)).toBe('undone')
  })
})

describe('undoing', () => {
  it('stores what came back and answers with it', async () => {
    const id = newRunId(base.startedAtMs)
    system.answers.set('Undo', () => ok(as(id, { state: 'partly-undone' })))
    expect(await runs.undo(null)).toMatchObject({ ok: true, value: { record: { id, state: 'partly-undone' } } })
    expect(system.heard).toEqual([{ method: 'Undo', request: { runId: null, cause: 'user-undo' } }])
    expect(stateOf(id)).toBe('partly-undone')
  })

  it('passes on that it does not fit', async () => {
    const refusal = fail('does-not-fit', 'Undoing needs 3.1 GB more.')
    system.answers.set('Undo', () => refusal)
    expect(await runs.undo(null)).toEqual(refusal)
  })
})

describe('the journal', () => {
  const entries = () => history.reader.journal({ text: '', limit: 10, beforeId: null }).entries.map(({ kind, rule, solution, outcome, gainBytes }) => ({ kind, rule, solution, outcome, gainBytes: gainBytes.value }))

  it('keeps that a solution was tried and what came of it, with the gain, once for each end', async () => {
    system.answers.set('Apply', (request) => ok({ runId: idOf(request) }))
    const answer = await press()
    if (!answer.ok) throw new Error(answer.error.message)
    const { runId } = answer.value
    const of = { rule: 'swap.none', solution: 'add-zram' }
    expect(entries()).toEqual([{ kind: 'action', ...of, outcome: null, gainBytes: null }])
    system.answers.set('Keep', () => ok(as(runId, { state: 'kept' })))
    system.answers.set('Run', () => ok(as(runId, { state: 'kept' })))
    await runs.keep(runId)
    system.outcome({ runId, state: 'kept', cause: 'user-preset', error: null })
    await vi.waitFor(() => { expect(system.heard.filter((call) => call.method === 'Run')).toHaveLength(2) }, 15_000)
    const gainBytes = history.reader.run(runId)?.delta?.total.gainBytes
    expect(gainBytes).toBeGreaterThan(0)
    expect(history.reader.outcomesOf('swap.none', 'add-zram', null, 9)).toMatchObject([{ outcome: 'kept', gainBytes: { value: gainBytes }, text: expect.stringMatching(/won from \d+ agents/u) }])
    system.answers.set('Undo', () => ok(as(runId, { state: 'undone', undoCause: 'user-undo', endedAtMs: base.startedAtMs + 1e6 })))
    await runs.undo(runId)
    expect(entries()).toHaveLength(3)
    expect(history.reader.outcomesOf('swap.none', 'add-zram', null, 9)).toMatchObject([{ outcome: 'undone' }])
  })

  it.each([
    ['within-noise', 'no-gain'],
    ['gain', 'kept'],
  ] as const)('of a kept run that measured "%s" says %s', async (kind, outcome) => {
    const record = { ...sampleRun(kind), id: newRunId(1) }
    system.answers.set('Keep', () => ok(record))
    system.answers.set('Run', () => ok(record))
    await runs.keep(record.id)
    expect(entries()).toMatchObject([{ kind: 'outcome', rule: null, outcome }])
  })

  it('says nothing of a run that was refused, or that a restart ended', async () => {
    system.answers.set('Apply', () => fail('authorization-dismissed', 'Not given.'))
    await press()
    const record = as(newRunId(2), { state: 'undone', undoCause: 'restart' })
    system.answers.set('Keep', () => ok(record))
    system.answers.set('Run', () => ok(record))
    await runs.keep(record.id)
    expect(entries()).toEqual([])
  })
})
