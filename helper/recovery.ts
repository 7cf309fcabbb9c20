import { fail, ok } from './contract/result.ts'
import type { Failure, Result } from './contract/errors.ts'

/** Stands before everything that changes something: what an interrupted run left behind is taken back first. */
export interface Recovery {
  /** Settles when the first try is over, whichever way it went. */
  readonly first: Promise<void>
  running(): boolean
  /** Why it failed; null while it runs and once it is done. */
  problem(): Failure | null
  /** Whether changes may be made. After a failure this tries once more, and waits for it. */
  ready(): Promise<Result<null>>
}

const RUNNING = fail('busy', 'The helper is taking back what an interrupted run left behind.', { advice: 'Try again in a moment.' })

const failureOf = (error: unknown): Failure =>
  fail('journal-unusable', 'What an interrupted run left behind could not be taken back, so nothing is changed until it is.', {
    about: '/var/lib/agentmem',
    got: error instanceof Error ? error.message : String(error),
    advice: 'Try again: it is tried anew each time. If this stays, look at "journalctl -u agentmem-helper"; restarting the computer brings every kernel setting back.',
  }).error

/** Begins at once. `recover` rejects where nothing could be done about it; what it did it tells by itself. */
export const createRecovery = (recover: () => Promise<void>): Recovery => {
  let under: Promise<void> | null = null
  let problem: Failure | null = null
  const start = (): Promise<void> => {
    problem = null
    under = recover()
      .catch((error: unknown) => {
        problem = failureOf(error)
        console.error(`recovery: ${problem.got ?? ''}`)
      })
      .finally(() => {
        under = null
      })
    return under
  }
  const first = start()
  return {
    first,
    running: () => under !== null,
    problem: () => problem,
    ready: async () => {
      if (under !== null) return RUNNING
      if (problem !== null) await start()
      // Read anew: the try has changed it.
      const now: Failure | null = problem
      return now === null ? ok(null) : { ok: false, error: now }
    },
  }
}
