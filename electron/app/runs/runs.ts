import type { Cause } from '../../../helper/contract/cause.ts'
import type { Failure, Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { changesNothing } from '../../../helper/contract/plan.ts'
import { isOpen, type Progress, type RunId, type RunRecord, type RunState, type RunSummary } from '../../../helper/contract/runs.ts'
import type { HistoryEvent, RunDetail, RunView } from '../../contract/views.ts'
import type { SystemClient } from '../helper-client/system-client.ts'
import type { History } from '../history/types.ts'
import type { Planner } from './planner.ts'
import { actionEntry, outcomeEntry } from './run-journal.ts'
import { detailOf, failedRecord, newRunId, startedRecord, viewOf } from './run-record.ts'

export interface RunsDeps {
  readonly system: SystemClient
  readonly planner: Planner
  readonly history: History
  readonly onProgress: (progress: Progress | null) => void
  readonly onChanged: (runId: RunId) => void
  readonly now: () => number
  /** Unix time of the last start of the computer; null where it is not known. */
  readonly bootedAtMs?: () => number | null
  /** Between two looks at an open run whose signals go to somebody else, or got lost. */
  readonly pollMs?: number
}

export interface Runs {
  apply(request: { presetId: string; digest: string; cause: Cause }): Promise<Result<{ runId: RunId }>>
  keep(runId: RunId): Promise<Result<Record<string, never>>>
  undo(runId: RunId | null): Promise<Result<RunDetail>>
  rollback(): Promise<Result<RunDetail[]>>
  cancel(runId: RunId): Promise<Result<Record<string, never>>>
  /** The open run, if any. */
  progress(): Progress | null
  /** As last heard; also when a full disk keeps history from storing it. */
  detail(runId: RunId): RunDetail | null
  /** Newest first: those of history, and those of this session that it could not store. */
  list(limit: number): RunView[]
  /** Another program of this user started or changed a run: follow it as our own. */
  heardOf(runId: RunId): void
  /**
   * Looks for runs left open by an app that ended, and follows them.
   * `onlyIfOpen` leaves the helper asleep where history knows of none.
   */
  adopt(onlyIfOpen?: boolean): Promise<void>
  close(): void
}

/** What history notes for a state; open states other than these are progress, not events. */
const eventOf: Partial<Record<RunState, { kind: HistoryEvent['kind']; text: string }>> = {
  waiting: { kind: 'run-waiting', text: 'is measured and waits for keep or undo' },
  kept: { kind: 'run-kept', text: 'was kept' },
  undone: { kind: 'run-undone', text: 'was undone' },
  'partly-undone': { kind: 'run-undone', text: 'was undone except for what others have changed since' },
  failed: { kind: 'run-failed', text: 'failed and was taken back' },
}

/** A kept run lasts until the computer is restarted. */
const endedByRestart = { kind: 'run-undone', text: 'ended with the restart of the computer' } as const

/** The longest that anybody is taken to look for a password; after that a run still "started" was never begun. */
const ASKING_MS = 10 * 60_000

/** Words and place of a run whose own signals go to another program. */
const stages: Partial<Record<RunState, { fraction: number; text: string }>> = {
  started: { fraction: 0, text: 'Measuring before the change' },
  applying: { fraction: 0.1, text: 'Applying' },
  settling: { fraction: 0.5, text: 'Settling' },
  undoing: { fraction: 0.5, text: 'Taking everything back' },
}
const progressOf = (run: RunSummary): Progress => ({
  runId: run.id,
  state: run.state,
  fraction: 0.5,
  text: run.state,
  ...stages[run.state],
  confirmUntilMs: run.confirmUntilMs,
  canCancel: run.state !== 'undoing',
})

export const createRuns = (deps: RunsDeps): Runs => {
  const pollMs = deps.pollMs ?? 3_000
  const { system, history } = deps
  const following = new Map<RunId, RunState>()
  /** The state History was last told of: signal, answer and poll may bring the same one. */
  const told = new Map<RunId, RunState>()
  /** Runs that history could not take; lost when the app ends, and said so by its trouble(). */
  const unstored = new Map<RunId, RunDetail>()
  let current: Progress | null = null
  let timer: NodeJS.Timeout | null = null
  let polling = false
  let ended = false

  const setProgress = (progress: Progress | null): void => {
    current = progress
    deps.onProgress(progress)
  }

  /** In one transaction; a failing store never stops the run itself. */
  const store = (record: RunRecord): void => {
    if (history.writer.finishRun(record).ok) unstored.delete(record.id)
    else unstored.set(record.id, detailOf(record))
    const event = record.undoCause === 'restart' && record.state === 'undone' ? endedByRestart : eventOf[record.state]
    if (event !== undefined && told.get(record.id) !== record.state) {
      // Refused before any step: nothing had to be taken back.
      const text = record.state === 'failed' && record.before.length === 0 ? `was not begun: ${record.error?.message ?? 'unknown'}` : event.text
      history.writer.addEvent({ atMs: deps.now(), kind: event.kind, text: `${record.presetTitle} ${text}`, runId: record.id, agentId: null })
    }
    const outcome = outcomeEntry(detailOf(record), history.reader.originOf(record.id), deps.now())
    if (outcome !== null && told.get(record.id) !== record.state) history.writer.addToJournal(outcome)
    told.set(record.id, record.state)
    if (isOpen(record.state)) following.set(record.id, record.state)
    else {
      following.delete(record.id)
      if (current?.runId === record.id) setProgress(null)
    }
    if (record.state === 'waiting') {
      setProgress({ runId: record.id, state: 'waiting', fraction: 1, text: 'Measured: keep it, or undo', confirmUntilMs: record.confirmUntilMs, canCancel: false })
    }
    deps.onChanged(record.id)
  }

  const fetchAndStore = async (runId: RunId): Promise<Result<RunRecord>> => {
    const answer = await system.call('Run', { runId })
    if (answer.ok) store(answer.value)
    return answer
  }

  /** The helper has no record of it: nothing of it can be open, and saying so beats a run that never ends. */
  const orphan = (runId: RunId): void => {
    const known = unstored.get(runId) ?? history.reader.run(runId)
    following.delete(runId)
    if (current?.runId === runId) setProgress(null)
    if (known === null || !isOpen(known.record.state)) return
    const error: Failure = { code: 'no-such-run', message: 'The app ended before the helper took this run up; nothing was changed by it.' }
    store(failedRecord({ ...known.record, before: [], after: null }, error, deps.now()))
  }

  /** What history still holds as kept although the computer was restarted since: the helper knows what came of it. */
  const keptBeforeRestart = (): RunSummary[] => {
    const bootedAtMs = deps.bootedAtMs?.() ?? null
    if (bootedAtMs === null) return []
    return history.reader.runs(50).map((run) => run.summary).filter((run) => run.state === 'kept' && (run.endedAtMs ?? run.startedAtMs) < bootedAtMs)
  }

  const settleRestarted = async (kept: readonly RunSummary[], helperThere: boolean): Promise<void> => {
    for (const { id } of kept) {
      const answer = helperThere ? await system.call('Run', { runId: id }) : null
      if (answer?.ok === true) {
        if (answer.value.state !== 'kept') store(answer.value)
        continue
      }
      // Without the helper, or without its record, nothing of an earlier start can be in force.
      const known = history.reader.run(id)
      if (known === null || (answer !== null && answer.error.code !== 'no-such-run')) continue
      // Sides that a record does not carry stay as stored.
      store({ ...known.record, before: [], after: null, state: 'undone', undoCause: 'restart', endedAtMs: deps.now() })
    }
  }

  const poll = async (): Promise<void> => {
    if (polling || ended) return
    polling = true
    try {
      const list = await system.call('Runs', {})
      if (!list.ok) return
      for (const [runId, state] of following) {
        const now = list.value.find((run) => run.id === runId)
        if (now !== undefined && now.state === state) continue
        if (now !== undefined && isOpen(now.state) && now.state !== 'waiting') {
          following.set(runId, now.state)
          setProgress(progressOf(now))
          continue
        }
        const record = await fetchAndStore(runId)
        if (!record.ok && record.error.code === 'no-such-run') orphan(runId)
      }
    } finally {
      polling = false
    }
  }

  const schedule = (): void => {
    if (timer !== null || ended) return
    timer = setTimeout(() => {
      timer = null
      if (following.size === 0) return
      void poll().catch(() => {}).finally(schedule)
    }, pollMs)
  }

  const follow = (runId: RunId, state: RunState): void => {
    following.set(runId, state)
    schedule()
  }

  const stops = [
    system.onProgress((progress) => {
      // "waiting" is taken from the record alone: until that is read, polling goes on looking for it.
      if (progress.state !== 'waiting') following.set(progress.runId, progress.state)
      schedule()
      setProgress(progress)
    }),
    system.onOutcome((outcome) => { void fetchAndStore(outcome.runId).catch(() => {}) }),
    // A helper that died is started again by the bus with the next poll, and takes back what was open.
    system.onGone(() => {
      if (following.size > 0) {
        if (current !== null) setProgress({ ...current, text: 'The helper ended; it is started again and takes back what was open', canCancel: false })
        schedule()
      }
    }),
  ]

  return {
    async apply({ presetId, digest, cause: asked }) {
      const shown = deps.planner.shown(presetId, digest)
      if (shown === null) return fail('plan-changed', 'This plan was not shown here, or is too old.', { about: presetId, advice: 'Look at the plan again, then apply it.' })
      if (shown.view.simulation) {
        return fail('helper-missing', 'Without the helper nothing can be changed: this plan is a simulation.', { advice: 'Install the helper in Settings, then apply the preset.' })
      }
      // As a run it would be measured and kept, and count as something that helped.
      if (changesNothing(shown.view.plan)) {
        return fail('bad-request', `There is nothing to change for "${shown.preset.title}": this plan has no steps.`, { about: presetId, expected: 'a plan with at least one step', got: 'a plan without steps', advice: 'The plan says of each part why it is left out.' })
      }
      const cause = asked === 'user-preset' && shown.preset.scope === 'layer' ? 'user-layer' : asked
      const id = newRunId(deps.now())
      const record = startedRecord({ id, nowMs: deps.now(), preset: shown.preset, plan: shown.view.plan, cause, treated: shown.view.treated, control: shown.view.control })
      if (!history.writer.startRun(record).ok) unstored.set(id, detailOf(record))
      deps.onChanged(id)
      const answer = await system.call('Apply', {
        runId: id,
        presetId: shown.preset.id,
        presetTitle: shown.preset.title,
        settings: shown.preset.settings,
        digest,
        cause,
        agents: shown.agents,
        control: shown.control,
        settleMs: shown.preset.settleMs,
        ...(shown.preset.watchMs === undefined ? {} : { watchMs: shown.preset.watchMs }),
        confirmMs: shown.preset.confirmMs,
      })
      if (!answer.ok) {
        // After helper-gone it may still be found in the journal: keep following until the helper says.
        if (answer.error.code === 'helper-gone') follow(id, 'started')
        else store(failedRecord(record, answer.error, deps.now()))
        return answer
      }
      const { runId } = answer.value
      if (runId !== id) {
        store(failedRecord(record, { code: 'too-old', message: `The helper gave this run another number: ${runId}.` }, deps.now()))
        history.writer.startRun({ ...record, id: runId })
      }
      history.writer.addEvent({ atMs: deps.now(), kind: 'run-started', text: `${shown.preset.title} was started`, runId, agentId: null })
      history.writer.addToJournal(actionEntry(runId, shown, deps.now()))
      follow(runId, 'started')
      return ok({ runId })
    },
    async keep(runId) {
      const answer = await system.call('Keep', { runId })
      if (!answer.ok) return answer
      await fetchAndStore(runId)
      return ok({})
    },
    async undo(runId) {
      const answer = await system.call('Undo', { runId, cause: 'user-undo' })
      if (!answer.ok) return answer
      store(answer.value)
      return ok(detailOf(answer.value))
    },
    async rollback() {
      const answer = await system.call('Rollback', {})
      if (!answer.ok) return answer
      for (const record of answer.value) store(record)
      return ok(answer.value.map(detailOf))
    },
    async cancel(runId) {
      const answer = await system.call('Cancel', { runId })
      if (!answer.ok) return answer
      await fetchAndStore(runId)
      return ok({})
    },
    progress: () => current,
    detail: (runId) => unstored.get(runId) ?? history.reader.run(runId),
    list(limit) {
      const stored = history.reader.runs(limit)
      const ids = new Set(unstored.keys())
      return [...[...unstored.values()].map(viewOf), ...stored.filter((run) => !ids.has(run.summary.id))]
        .toSorted((a, b) => b.summary.startedAtMs - a.summary.startedAtMs)
        .slice(0, limit)
    },
    heardOf(runId) {
      follow(runId, following.get(runId) ?? 'started')
      void poll().catch(() => {})
    },
    async adopt(onlyIfOpen = false) {
      const openHere = history.reader.runs(50).filter((run) => isOpen(run.summary.state))
      const kept = keptBeforeRestart()
      if (onlyIfOpen && openHere.length === 0 && kept.length === 0) return
      const state = await system.refresh()
      if (state.system === 'ready' || state.system === 'not-installed') await settleRestarted(kept, state.system === 'ready')
      if (state.system !== 'ready') return
      const list = await system.call('Runs', {})
      if (!list.ok) return
      for (const run of list.value) if (isOpen(run.state)) follow(run.id, 'started')
      for (const { summary } of openHere) {
        // Another program may be asking for a password right now: the helper hears of its run only after that.
        const maybeAsking = summary.state === 'started' && deps.now() - summary.startedAtMs < ASKING_MS
        if (!maybeAsking || list.value.some((run) => run.id === summary.id)) follow(summary.id, summary.state)
      }
      await poll()
      for (const run of list.value) if (following.has(run.id) && current === null) setProgress(progressOf(run))
    },
    close() {
      ended = true
      if (timer !== null) clearTimeout(timer)
      for (const stop of stops) stop()
    },
  }
}
