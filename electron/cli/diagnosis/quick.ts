import { openAlone } from '../../app/diagnose/alone.ts'
import { askDiagnosis } from '../../app/ask-diagnosis.ts'
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
