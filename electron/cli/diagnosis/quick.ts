import { join } from 'node:path'
import type { Evidence } from '../../../helper/contract/evidence.ts'
import { openAlone } from '../../app/diagnose/alone.ts'
import { askDiagnosis } from '../../app/ask-diagnosis.ts'
import { openBriefHistory, type BriefHistory } from '../../app/history/brief.ts'
import { appPaths } from '../../app/paths.ts'
import type { Answer } from '../../contract/channels.ts'

/** What the running app knows; without one, what this command sees by itself: without agents, and what root alone can read. */
export const askQuickly = async (): Promise<Answer<'diagnosis.get'>> => {
  const paths = appPaths()
  const first = await askDiagnosis(paths.runtimeDir, false)
  if (first !== null) return first
  const alone = await openAlone({ paths, uid: process.getuid?.() ?? 0, leaks: false })
  try {
    return await alone.get({ leaks: false })
  } finally {
    alone.close()
  }
}

const noLook = (_look: unknown): _look is Evidence => false

/** The history's file, for what was found lately; null where there is none, or none of this version. Its looks are not read. */
export const withBriefHistory = <T>(work: (history: BriefHistory | null) => T): T => {
  const history = openBriefHistory(join(appPaths().stateDir, 'history.db'), noLook)
  try {
    return work(history)
  } finally {
    history?.close()
  }
}
