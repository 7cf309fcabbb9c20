import type { Caller } from './authorize.ts'
import type { Outcome, Progress, RunId } from './contract/runs.ts'

export interface Followers {
  /** Apply of this caller is under way: the next run of this user is the caller's. */
  expect(caller: Caller): void
  follow(runId: RunId, caller: Caller): void
  progress(uid: number, progress: Progress): void
  outcome(uid: number, outcome: Outcome): void
  /** The caller left the bus. Answers with the run it was the only one to apply, if that is so. */
  drop(sender: string): RunId[]
}

interface Run {
  /** Who pressed Apply: the run waits for this one's answer. */
  owner: string
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

  const add = (runId: RunId, caller: Caller): void => {
    callers.set(caller.sender, caller)
    const run = runs.get(runId)
    if (run === undefined) runs.set(runId, { owner: caller.sender, listeners: new Set([caller.sender]) })
    else run.listeners.add(caller.sender)
  }

  const tell = (uid: number, runId: RunId, signal: 'Progress' | 'Outcome', payload: Progress | Outcome): void => {
    const coming = expected.get(uid)
    // Progress may be told before Apply has answered with the run's id.
    if (!runs.has(runId) && coming !== undefined) add(runId, coming)
    for (const sender of runs.get(runId)?.listeners ?? []) {
      // A run id of another user may be known or guessed; it gives nothing to hear.
      if (callers.get(sender)?.uid === uid) send(sender, signal, payload)
    }
  }

  return {
    expect: (caller) => {
      expected.set(caller.uid, caller)
    },
    follow: (runId, caller) => {
      expected.delete(caller.uid)
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
        if (run.owner === sender) {
          orphaned.push(runId)
          runs.delete(runId)
        }
      }
      return orphaned
    },
  }
}
