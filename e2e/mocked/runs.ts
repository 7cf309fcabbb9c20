import type { Answer } from '../../electron/contract/channels.ts'
import { nothingToUndo } from '../../helper/contract/plan.ts'
import type { Preset } from '../../helper/contract/presets.ts'
import { fail, ok } from '../../helper/contract/result.ts'
import type { Progress, RunRecord, RunState } from '../../helper/contract/runs.ts'
import type { Snapshot } from '../../helper/contract/snapshot.ts'
import { makeFleet } from './fleet.ts'
import type { Emit, HandlersOf } from './handlers.ts'
import { makeSnapshot, waitedBy } from './machine.ts'
import { detailOf, outcomesOf, runIdAt, undoLinesOf } from './past.ts'
import { makePlanFor } from './plan-data.ts'
import type { createPresets } from './presets.ts'
import type { Scenario } from './scenarios.ts'
import type { Switched } from './static-data.ts'

interface Parts {
  scenario: Scenario
  presets: ReturnType<typeof createPresets>
  /** Runs of the past, newest first. */
  past: readonly RunRecord[]
  emit: Emit
  after: (ms: number, work: () => void) => void
  sleep: (ms: number) => Promise<void>
  /** Nothing can be changed: the helper is not there. */
  simulation: () => boolean
}

const WATCHED_MS = 40_000

/** As a setting of the kernel's is measured: over two equal times, in which programs wait less and less. */
const watched = ([first, second]: readonly Snapshot[], after: Snapshot): Pick<RunRecord, 'before' | 'after'> => ({
  before: [...(first === undefined ? [] : [waitedBy(first, -2 * WATCHED_MS, 100)]), ...(second === undefined ? [] : [waitedBy(second, -WATCHED_MS, 1426)])],
  after: waitedBy(after, 0, 1458),
})

const isOpen = (record: RunRecord | undefined): boolean => record !== undefined && ['started', 'applying', 'settling', 'waiting', 'undoing'].includes(record.state)

/** Plans, and runs as the helper does them: a step after the other, settling, waiting for Keep, undoing. */
export const createRuns = ({ scenario, presets, past, emit, after, sleep, simulation }: Parts) => {
  const runs: RunRecord[] = [...past]
  /** Runs of this window: those of the past have nothing in force. */
  const begun = new Set<string>()
  let progress: Progress | null = null
  /** Share of idle memory that runs have moved out. */
  let paged = 0
  let applied = 0

  /** What runs that are still in force have switched on or off. */
  const switched = (): Switched => {
    const now: Switched = { swapOn: scenario.swapOn || paged > 0, ksmOn: false, module: scenario.module }
    for (const record of runs.filter((run) => begun.has(run.id) && (run.state === 'kept' || run.state === 'waiting')).toReversed()) {
      const set = presets.find(record.presetId)?.settings
      if (set?.compressedSwap !== undefined) now.swapOn = set.compressedSwap.mode !== 'off'
      if (set?.kernelModule !== undefined && (now.module === 'off' || now.module === 'idle')) now.module = set.kernelModule.mode === 'load' ? 'idle' : 'off'
      if (set?.ksm !== undefined) now.ksmOn = set.ksm.mode === 'merge'
    }
    return now
  }
  const planFor = (settings: Preset['settings'], agentIds: readonly string[] | null) =>
    makePlanFor(settings, makeFleet(scenario.agents, paged, 0, scenario.unreadable), agentIds, { ksm: scenario.ksm, swapPossible: scenario.swapPossible, ...switched() })

  const planView = (presetId: string, agentIds: readonly string[] | null): Answer<'plan.make'> => {
    if (scenario.planFails !== null) return { ok: false, error: scenario.planFails }
    const found = presets.find(presetId)
    if (found === undefined) return fail('bad-request', 'There is no such preset.')
    const { plan, treated, control } = planFor(found.settings, agentIds)
    return ok({ presetId, plan, simulation: simulation(), treated: treated.map((agent) => agent.id), control: control.map((agent) => agent.id), asksPassword: true })
  }

  const find = (id: string): RunRecord | undefined => runs.find((run) => run.id === id)
  const replace = (record: RunRecord): void => {
    runs[runs.findIndex((run) => run.id === record.id)] = record
  }
  const show = (next: Progress): void => {
    progress = next
    emit('progress', next)
    if (['kept', 'undone', 'partly-undone', 'failed'].includes(next.state)) progress = null
  }
  const finish = (record: RunRecord, text: string): void => {
    replace(record)
    show({ runId: record.id, state: record.state, fraction: 1, text, confirmUntilMs: null, canCancel: false })
    emit('changed', { what: 'runs', runId: record.id })
    emit('changed', { what: 'machine', runId: null })
  }
  const undone = (record: RunRecord, cause: NonNullable<RunRecord['undoCause']>): RunRecord => {
    paged = 0
    const undo = undoLinesOf(record, scenario.undoPartly)
    const state: RunState = scenario.undoPartly ? 'partly-undone' : 'undone'
    return { ...record, state, undo, undoCause: cause, confirmUntilMs: null, endedAtMs: Date.now() }
  }

  const waitForKeep = (record: RunRecord): void => {
    const confirmUntilMs = Date.now() + scenario.confirmMs
    const waiting: RunRecord = { ...record, state: 'waiting', confirmUntilMs }
    replace(waiting)
    show({ runId: record.id, state: 'waiting', fraction: 1, text: 'Waiting for you to keep or undo.', confirmUntilMs, canCancel: false })
    emit('changed', { what: 'runs', runId: record.id })
    emit('changed', { what: 'snapshots', runId: record.id })
    after(scenario.confirmMs, () => {
      const now = find(record.id)
      if (now?.state === 'waiting') finish(undone(now, 'confirm-timeout'), 'Undone: nobody pressed Keep.')
    })
  }

  const measured = (record: RunRecord): RunRecord => {
    const before = [makeSnapshot(makeFleet(scenario.agents, 0, 0.003), record.startedAtMs), makeSnapshot(makeFleet(scenario.agents, 0), record.startedAtMs + 3000)]
    if (record.plan.steps.some((step) => step.source === 'reclaim')) paged = scenario.paged
    const last = makeSnapshot(makeFleet(scenario.agents, paged, paged === 0 ? 0.001 : -0.008), Date.now())
    const isTuned = record.plan.steps.some((step) => step.source === 'tunables')
    return { ...record, ...(isTuned ? watched(before, last) : { before, after: last }), steps: outcomesOf(record) }
  }

  /** The helper was killed and started again: it put back what had been changed. */
  const killed = (record: RunRecord): void => {
    const { error } = fail('helper-gone', 'The helper stopped while the preset was being applied.', { advice: 'It was started again and put back what had been changed.' })
    finish({ ...record, state: 'failed', error, undo: undoLinesOf(record, false), undoCause: 'startup-recovery', endedAtMs: Date.now() }, 'The helper stopped.')
  }

  const work = async (id: string): Promise<void> => {
    const steps = find(id)?.plan.steps ?? []
    for (const [i, step] of steps.entries()) {
      const record = find(id)
      if (record === undefined || record.state === 'undone' || record.state === 'partly-undone') return
      replace({ ...record, state: 'applying', steps: outcomesOf(record, i) })
      show({ runId: id, state: 'applying', fraction: (i / steps.length) * 0.6, text: `Step ${i + 1} of ${steps.length}: ${step.target}`, confirmUntilMs: null, canCancel: true })
      await sleep(scenario.stepMs)
      const now = find(id)
      if (scenario.killedAfterSteps !== null && i + 1 >= scenario.killedAfterSteps && now !== undefined) {
        killed(now)
        return
      }
    }
    const settling = find(id)
    if (settling === undefined || !isOpen(settling)) return
    replace({ ...settling, state: 'settling' })
    show({ runId: id, state: 'settling', fraction: 0.8, text: 'Letting the machine settle before measuring.', confirmUntilMs: null, canCancel: true })
    await sleep(scenario.stepMs * 3)
    const record = find(id)
    if (record === undefined || !isOpen(record)) return
    if (nothingToUndo(record.plan)) finish({ ...measured(record), state: 'kept', endedAtMs: Date.now() }, 'Done')
    else waitForKeep(measured(record))
  }

  const begin = (presetId: string, agentIds: readonly string[] | null): RunRecord => {
    const chosen = presets.findOrFirst(presetId)
    const { plan, treated, control } = planFor(chosen.settings, agentIds)
    const now = Date.now()
    const record: RunRecord = {
      version: 1, id: runIdAt(now, 0xfeed + runs.length), uid: 1000, presetId: chosen.id, presetTitle: chosen.title, cause: 'user-preset', state: 'started', startedAtMs: now, endedAtMs: null,
      plan, steps: [], treated: treated.map((agent) => agent.id), control: control.map((agent) => agent.id), before: [], after: null, confirmUntilMs: null, undo: [], undoCause: null, error: null,
    }
    runs.unshift(record)
    begun.add(record.id)
    return record
  }

  const handlers: HandlersOf<'plan.make' | `run.${'apply' | 'keep' | 'undo' | 'cancel'}`> = {
    'plan.make': async ({ presetId, agentIds }) => {
      await sleep(60)
      return planView(presetId, agentIds)
    },
    'run.apply': async ({ presetId, agentIds }) => {
      await sleep(40)
      applied += 1
      const failure = scenario.applyFails(applied)
      if (failure !== null) return { ok: false, error: failure }
      const open = runs.find(isOpen)
      if (open !== undefined) return fail('busy', 'Another run is open.', { runId: open.id })
      const record = begin(presetId, agentIds)
      emit('changed', { what: 'runs', runId: record.id })
      void work(record.id)
      return ok({ runId: record.id })
    },
    'run.keep': ({ runId }) => {
      const record = find(runId)
      if (scenario.keepFails !== null) return { ok: false, error: scenario.keepFails }
      if (record?.state !== 'waiting') return fail('no-such-run', 'This run is not waiting any more.')
      finish({ ...record, state: 'kept', confirmUntilMs: null, endedAtMs: Date.now() }, 'Kept.')
      return ok({})
    },
    'run.undo': async ({ runId }) => {
      const record = runId === null ? runs.find((run) => run.state === 'kept' || isOpen(run)) : find(runId)
      if (record === undefined) return fail('no-such-run', 'There is no such run.')
      if (scenario.undoFails !== null) return { ok: false, error: scenario.undoFails }
      replace({ ...record, state: 'undoing' })
      show({ runId: record.id, state: 'undoing', fraction: 0.4, text: 'Taking pages back out of compressed swap.', confirmUntilMs: null, canCancel: false })
      await sleep(scenario.stepMs * 3)
      const next = undone(record, 'user-undo')
      finish(next, 'Undone.')
      return ok(detailOf(next))
    },
    'run.cancel': async ({ runId }) => {
      const record = find(runId)
      if (record === undefined || !isOpen(record)) return fail('no-such-run', 'This run is not under way any more.')
      await sleep(30)
      finish({ ...undone(record, 'user-cancel'), error: fail('cancelled', 'You cancelled it.').error }, 'Cancelled.')
      return ok({})
    },
  }

  /** Another program undoes the newest run that is kept: this app hears of it by the record alone. */
  const undoElsewhere = (): void => {
    const kept = runs.find((run) => run.state === 'kept')
    if (kept === undefined) throw new Error('no run is kept')
    replace(undone(kept, 'user-undo'))
    emit('changed', { what: 'runs', runId: kept.id })
  }

  /** The run that the scenario begins with. */
  const seed = (): void => {
    if (scenario.run === 'none') return
    const record = begin('more-agents', null)
    if (scenario.run === 'waiting') {
      waitForKeep(measured(record))
      return
    }
    const { steps } = record.plan
    replace({ ...record, state: 'applying', steps: outcomesOf(record, 6) })
    show({ runId: record.id, state: 'applying', fraction: 0.34, text: `Step 7 of ${steps.length}: ${steps[6]?.target ?? ''}`, confirmUntilMs: null, canCancel: true })
  }

  return { handlers, seed, undoElsewhere, find, switched, planView, all: (): readonly RunRecord[] => runs, progress: () => progress, paged: () => paged }
}
