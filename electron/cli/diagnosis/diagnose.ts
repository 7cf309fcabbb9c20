import { setTimeout as sleep } from 'node:timers/promises'
import { askDiagnosis } from '../../app/ask-diagnosis.ts'
import { appPaths } from '../../app/paths.ts'
import type { Answer } from '../../contract/channels.ts'
import type { Severity } from '../../contract/diagnosis.ts'
import { EXIT } from '../exit-codes.ts'
import { note, outJson, printFailure, say } from '../print.ts'
import { printDiagnosis } from './words.ts'

export interface DiagnoseOptions {
  json: boolean
  verbose: boolean
  detectLeaks: boolean
  /** Look again for so long: from two looks rates are known, from a minute on growth. */
  for?: number
  exitCode: boolean
}

const CODES: Partial<Record<Severity, number>> = { critical: EXIT.critical, warning: EXIT.warning }

/** Over a longer time several looks are taken: a leak is told from a start by more than two. */
const STEP_MS = 15_000

type Ask = (leaks: boolean) => Promise<Answer<'diagnosis.get'>>

const report = async (ask: Ask, first: Answer<'diagnosis.get'> | null, options: DiagnoseOptions): Promise<number> => {
  let answer = first ?? (await ask(options.detectLeaks))
  if (options.for !== undefined && answer.ok && !options.json) note(`Looking again for ${Math.round(options.for / 1000)} s...`)
  for (let leftMs = options.for ?? 0; leftMs > 0 && answer.ok; leftMs -= STEP_MS) {
    await sleep(Math.min(leftMs, STEP_MS))
    answer = await ask(options.detectLeaks)
  }
  if (!answer.ok) return printFailure(answer.error, options.json)
  if (options.json) outJson(answer.value)
  else printDiagnosis(answer.value, options.verbose)
  return options.exitCode ? (CODES[answer.value.findings[0]?.severity ?? 'information'] ?? EXIT.ok) : EXIT.ok
}

/** No app runs, and there is no time to begin what finds agents: this command looks itself. */
const lookAlone = async (options: DiagnoseOptions): Promise<number> => {
  const { openAlone } = await import('../../app/diagnose/alone.ts')
  const alone = await openAlone({ paths: appPaths(), uid: process.getuid?.() ?? 0, leaks: options.detectLeaks })
  try {
    const code = await report((leaks) => alone.get({ leaks }), null, options)
    if (!options.json) say('Agents were not looked at, since the app does not run; --for 5s begins what finds them, and looks at rates.', 0)
    return code
  } finally {
    alone.close()
  }
}

/**
 * Why memory is as it is, and what to do about it. The running app is asked,
 * which costs this command next to nothing; without one it looks itself, and
 * with all that the app would have begun where it was given the time.
 */
export const diagnose = async (options: DiagnoseOptions): Promise<number> => {
  const { runtimeDir } = appPaths()
  const first = await askDiagnosis(runtimeDir, options.detectLeaks)
  if (first !== null) return report(async (leaks) => (await askDiagnosis(runtimeDir, leaks)) ?? first, first, options)
  if (options.for === undefined) return lookAlone(options)
  const { withApp } = await import('../open-app.ts')
  return withApp((app) => report((leaks) => app.call('diagnosis.get', { leaks }), null, options))
}
