import { askDiagnosis } from '../../app/ask-diagnosis.ts'
import { appPaths, type AppPaths } from '../../app/paths.ts'
import type { Answer } from '../../contract/channels.ts'
import type { Severity } from '../../contract/diagnosis.ts'
import { EXIT } from '../exit-codes.ts'
import { note, outJson, printFailure, say } from '../print.ts'
import { lookAgain } from './again.ts'
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

type Ask = (leaks: boolean) => Promise<Answer<'diagnosis.get'>>

const report = async (ask: Ask, first: Answer<'diagnosis.get'> | null, options: DiagnoseOptions): Promise<number> => {
  const begin = first ?? (await ask(options.detectLeaks))
  if (options.for !== undefined && begin.ok && !options.json) note(`Looking again for ${Math.round(options.for / 1000)} s...`)
  const answer = await lookAgain(begin, () => ask(options.detectLeaks), options.for ?? 0)
  if (!answer.ok) return printFailure(answer.error, options.json)
  if (options.json) {
    // How long it took is of the moment, not of the machine: the same machine gives the same bytes.
    const { tookMs: _tookMs, ...told } = answer.value
    outJson('diagnosis', told)
  } else printDiagnosis(answer.value, options.verbose)
  return options.exitCode ? (CODES[answer.value.findings[0]?.severity ?? 'information'] ?? EXIT.ok) : EXIT.ok
}

/** No app runs, and there is no time to begin what finds agents: this command looks itself. */
const lookAlone = async (options: DiagnoseOptions, paths: AppPaths): Promise<number> => {
  const { openAlone } = await import('../../app/diagnose/alone.ts')
  const alone = await openAlone({ paths, uid: process.getuid?.() ?? 0, leaks: options.detectLeaks })
  try {
    const code = await report((leaks) => alone.get({ leaks }), null, options)
    if (!options.json && !options.detectLeaks) say('Who grew over hours was not asked of the history: --detect-leaks does.', 0)
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
export const diagnose = async (options: DiagnoseOptions, paths = appPaths()): Promise<number> => {
  const { runtimeDir } = paths
  const first = await askDiagnosis(runtimeDir, options.detectLeaks)
  if (first !== null) return report(async (leaks) => (await askDiagnosis(runtimeDir, leaks)) ?? first, first, options)
  if (options.for === undefined) return lookAlone(options, paths)
  const { withApp } = await import('../open-app.ts')
  return withApp((app) => report((leaks) => app.call('diagnosis.get', { leaks }), null, options))
}
