import type { App } from '../../app/app.ts'
import type { Finding } from '../../contract/diagnosis.ts'
import { note, out } from '../print.ts'
import { printFinding } from './words.ts'

/** Why memory did not fall with a run, or not by more; empty where nothing explains it, or it fell. */
export const causesOf = async (app: Pick<App, 'call'>, runId: string): Promise<readonly Finding[]> => {
  const answer = await app.call('diagnosis.of-run', { runId })
  // What was measured is told all the same.
  if (!answer.ok) note(`Why memory did not fall cannot be told: ${answer.error.message}`)
  return answer.ok ? answer.value.findings.filter(({ topic }) => topic === 'did-not-fall') : []
}

export const printCauses = (causes: readonly Finding[]): void => {
  if (causes.length === 0) return
  out('')
  out('Why memory did not fall more:')
  for (const cause of causes) printFinding(cause, false)
}
