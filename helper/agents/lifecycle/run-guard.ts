import type { Result } from '../../contract/errors.ts'
import { ok } from '../../contract/result.ts'
import type { RunGuard } from '../../change/open-run.ts'
import type { GuardLink } from './guard-link.ts'
import { readWords } from './held.ts'

const none = (result: Result<unknown>): Result<null> => (result.ok ? ok(null) : result)

/** The guard as runs need it. What it undid it has said aloud, and left in its file of words. */
export const guardForRuns = (link: GuardLink, wordsPath: string): RunGuard => {
  const undone = new Set<string>()
  link.onWord((word) => {
    if (word.what === 'undone' && word.runId !== null) undone.add(word.runId)
  })
  return {
    ready: async () => none(await link.get()),
    arm: async (run) => link.use(async (guard) => guard.armRun(run)),
    done: async (runId) => {
      const guard = await link.running()
      await guard?.doneRun(runId)
    },
    undid: (runId) => undone.has(runId) || readWords(wordsPath).some((word) => word.what === 'undone' && word.runId === runId),
  }
}
