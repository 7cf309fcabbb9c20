import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../../../helper/contract/errors.ts'
import { defaultSettings, settingsSchema, type Settings } from '../../contract/settings.ts'
import { errnoOf, messageOf, writeAtomic } from '../files.ts'

export interface SettingsStore {
  /** `problem` is a sentence when the file is there and not usable: then the defaults hold. */
  get(): { settings: Settings; problem: string | null }
  /** Replaces the file; a bad one is kept beside it first, so that nothing is lost. */
  set(settings: Settings): Result<Settings>
}

const read = (path: string): { settings: Settings; problem: string | null; badText: string | null } => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const problem = errnoOf(error) === 'ENOENT' ? null : `${path} cannot be read (${messageOf(error)}); the defaults are used.`
    return { settings: defaultSettings, problem, badText: null }
  }
  const bad = (why: string) => ({ settings: defaultSettings, problem: `${path} is left as it is, the defaults are used: ${why}.`, badText: text })
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    return bad(`it is not JSON (${messageOf(error)})`)
  }
  const parsed = settingsSchema.safeParse(json)
  if (parsed.success) return { settings: parsed.data, problem: null, badText: null }
  const issue = parsed.error.issues[0]
  return bad(`"${issue?.path.join('.') ?? ''}" is not valid: ${issue?.message ?? 'unknown'}`)
}

export const createSettingsStore = (configDir: string): SettingsStore => {
  const path = join(configDir, 'settings.json')
  return {
    get() {
      const { settings, problem } = read(path)
      return { settings, problem }
    },
    set(settings) {
      const { badText } = read(path)
      if (badText !== null) {
        const kept = writeAtomic(`${path}.bad`, badText)
        if (!kept.ok) return kept
      }
      const written = writeAtomic(path, `${JSON.stringify(settings, null, 2)}\n`)
      return written.ok ? { ok: true, value: settings } : written
    },
  }
}
