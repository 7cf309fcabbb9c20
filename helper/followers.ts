import type { Caller } from './authorize.ts'
import type { Outcome, Progress, RunId } from './contract/runs.ts'

export interface Followers {
  /** Apply of this caller is under way: the next run of this user is the caller's. The function returned ends that. */
  expect(caller: Caller): () => void
  /** This caller applied the run: it goes back when the caller leaves without an answer. */
  own(runId: RunId, caller: Caller): void
  /** This caller decides about the run, and hears of it. */
  follow(runId: RunId, caller: Caller): void
  progress(uid: number, progress: Progress): void
  outcome(uid: number, outcome: Outcome): void
  /** The caller left the bus. Answers with the runs it applied. */
  drop(sender: string): RunId[]
}

interface Run {
  /** Who pressed Apply: the run waits for this one's answer. */
  owner: string | null
  listeners: Set<string>
}

/**
 * Who hears of which run: whoever applied it and whoever of the same user
 * decides about it, each by unique bus name. `send` reaches one caller alone.
 */
export const createFollowers = (send: (sender: string, signal: 'Progress' | 'Outcome', payload: Progress | Outcome) => void): Followers => {
  const runs = new Map<RunId, Run>()
  const callers = new Map<string, Caller>()
  const expected = new Map<number, Caller>()

  const add = (runId: RunId, caller: Caller): Run => {
    callers.set(caller.sender, caller)
    const run = runs.get(runId) ?? { owner: null, listeners: new Set() }
    runs.set(runId, run)
    run.listeners.add(caller.sender)
    return run
  }

  const tell = (uid: number, runId: RunId, signal: 'Progress' | 'Outcome', payload: Progress | Outcome): void => {
    const coming = expected.get(uid)
    // Progress may be told before Apply has answered with the run's id.
    if (!runs.has(runId) && coming !== undefined) add(runId, coming).owner = coming.sender
    for (const sender of runs.get(runId)?.listeners ?? []) {
      // A run id of another user may be known or guessed; it gives nothing to hear.
      if (callers.get(sender)?.uid === uid) send(sender, signal, payload)
    }
  }

  return {
    expect: (caller) => {
      expected.set(caller.uid, caller)
      return () => {
        if (expected.get(caller.uid) === caller) expected.delete(caller.uid)
      }
    },
    own: (runId, caller) => {
      add(runId, caller).owner = caller.sender
    },
    follow: (runId, caller) => {
      add(runId, caller)
    },
    progress: (uid, progress) => tell(uid, progress.runId, 'Progress', progress),
    outcome: (uid, outcome) => tell(uid, outcome.runId, 'Outcome', outcome),
    drop: (sender) => {
      callers.delete(sender)
      for (const [uid, caller] of expected) if (caller.sender === sender) expected.delete(uid)
      const orphaned: RunId[] = []
      for (const [runId, run] of runs) {
        run.listeners.delete(sender)
        if (run.owner === sender) orphaned.push(runId)
        if (run.owner === sender) run.owner = null
        if (run.listeners.size === 0) runs.delete(runId)
      }
      return orphaned
    },
  }
}
