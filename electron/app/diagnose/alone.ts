import { join } from 'node:path'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import { ok } from '../../../helper/contract/result.ts'
import { readEvidence } from '../../../helper/observe/evidence/read.ts'
import type { Diagnosis, Leak } from '../../contract/diagnosis.ts'
import { openBriefHistory } from '../history/brief.ts'
import type { AppPaths } from '../paths.ts'
import { kernelFeatures } from './features.ts'
import { createFinder, type FindHistory } from './find.ts'
import { rules } from './rules/all.ts'
import { LEAK_LIMITS } from './rules/leaks-of-history.ts'

export interface Alone {
  readonly get: (wish: { leaks: boolean }) => Promise<Result<Diagnosis>>
  readonly close: () => void
}

export interface AloneOptions {
  readonly paths: Pick<AppPaths, 'root' | 'stateDir'>
  readonly uid: number
  /** Whether it will be asked for leaks, whose curves need the whole history. */
  readonly leaks: boolean
  readonly now?: () => number
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const hasFieldsOf = (value: unknown, now: object): boolean => isObject(value) && Object.keys(now).every((name) => name in value)

/** Written by this version of the program: the same fields as in the look just taken, down to those of a process. */
export const isLikeLook = (value: unknown, now: Evidence): value is Evidence => {
  if (!isObject(value) || !hasFieldsOf(value, now)) return false
  const [process] = now.processes
  return Array.isArray(value['processes']) && (process === undefined || value['processes'].every((each) => hasFieldsOf(each, process)))
}

interface Opened {
  readonly history: FindHistory
  readonly leaks: (mostAgeMs: number) => readonly Leak[] | null
  readonly close: () => void
}

/** All of the history, as the app opens it: the first time, after an update, and for curves. */
const openWhole = async (path: string, leaks: boolean, now: () => number): Promise<Opened> => {
  const { openHistory, openHistoryInMemory } = await import('../history/open.ts')
  const opened = openHistory(path, { now })
  const history = opened.ok ? opened.value : openHistoryInMemory(opened.error)
  const close = (): void => { history.close() }
  if (!leaks) return { history, leaks: () => null, close }
  const { createLeakWatch } = await import('./growth.ts')
  return { history, leaks: createLeakWatch(history.reader, now, LEAK_LIMITS), close }
}

/**
 * A diagnosis where no app runs: the same look, rules and journal, without the
 * parts that take seconds to start. Agents are left out, which the session role
 * finds, and what root alone can read; the rules that need these say so.
 */
export const openAlone = async ({ paths, uid, leaks, now = Date.now }: AloneOptions): Promise<Alone> => {
  let taken: Evidence | null = null
  const path = join(paths.stateDir, 'history.db')
  const isLikeNow = (look: unknown): look is Evidence => taken !== null && isLikeLook(look, taken)
  const brief = leaks ? null : openBriefHistory(path, isLikeNow)
  const opened: Opened = brief === null ? await openWhole(path, leaks, now) : { history: brief, leaks: () => null, close: brief.close }
  const finder = createFinder({
    look: async () => {
      taken = await readEvidence(paths.root, { uid: uid === 0 ? null : uid, privileged: uid === 0 })
      return ok(taken)
    },
    rules,
    features: kernelFeatures,
    leaks: opened.leaks,
    history: opened.history,
    onChanged: () => {},
    now,
  })
  return { get: finder.get, close: opened.close }
}
