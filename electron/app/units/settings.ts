import { existsSync, readFileSync } from 'node:fs'
import type { Result } from '../../../helper/contract/errors.ts'
import { fail, ok } from '../../../helper/contract/result.ts'
import { unitSettingsSchema, type UnitSettings } from '../../contract/units.ts'
import { errnoOf, messageOf, writeAtomic } from '../files.ts'

/** What the broker does where broker.conf says nothing: am_policy_default of kmod/core/policy.c. */
export const defaultUnitSettings: UnitSettings = {
  enabled: true,
  cold: true,
  warmAfterMs: 5 * 60_000,
  coldAfterMs: 2 * 24 * 3_600_000,
  thoroughAfterMs: 3_600_000,
  hotMostBytes: 0,
  warmMostBytes: 0,
  coldMostBytes: 0,
  quotaBytes: 0,
}

/** Names in broker.conf, in the order in which they are written. */
const names = {
  enabled: 'enabled', cold: 'cold', warmAfterMs: 'warm_after_ms', coldAfterMs: 'cold_after_ms', thoroughAfterMs: 'thorough_after_ms',
  hotMostBytes: 'hot_most_bytes', warmMostBytes: 'warm_most_bytes', coldMostBytes: 'cold_most_bytes', quotaBytes: 'quota_bytes',
} as const satisfies Record<keyof UnitSettings, string>
const keys = Object.keys(names).filter((name): name is keyof UnitSettings => name in names)

interface Line { readonly text: string; readonly key: keyof UnitSettings | null; readonly value: string }

const lineOf = (text: string): Line => {
  const [name = '', value] = (text.split('#')[0] ?? '').split('=').map((word) => word.trim())
  return { text, key: value === undefined ? null : keys.find((key) => names[key] === name) ?? null, value: value ?? '' }
}

const valueOf = (text: string): boolean | number | null =>
  text === 'yes' ? true : text === 'no' ? false : /^\d{1,18}$/u.test(text) ? Number(text) : null

/** As the broker reads it: a line that is not understood is told, and its default holds. */
export const parseUnitSettings = (text: string): { settings: UnitSettings; problems: string[] } => {
  let settings = defaultUnitSettings
  const problems: string[] = []
  for (const [at, raw] of text.split('\n').entries()) {
    const { key, value } = lineOf(raw)
    if ((raw.split('#')[0] ?? '').trim() === '') continue
    const next = key === null ? null : unitSettingsSchema.safeParse({ ...settings, [key]: valueOf(value) })
    if (next?.success === true) settings = next.data
    else problems.push(`line ${at + 1}: expected a known name, = and a value in its range, got "${raw.trim().slice(0, 80)}"`)
  }
  return { settings, problems }
}

/** What others wrote stays: comments, and lines that are not understood. */
export const printUnitSettings = (settings: UnitSettings, before: string): string => {
  const write = (key: keyof UnitSettings): string => {
    const value = settings[key]
    return `${names[key]}=${typeof value === 'boolean' ? (value ? 'yes' : 'no') : value}`
  }
  const written = new Set<keyof UnitSettings>()
  const kept = before.split('\n').flatMap((text) => {
    const { key } = lineOf(text)
    if (key === null) return [text]
    if (written.has(key)) return []
    written.add(key)
    return [write(key)]
  })
  while (kept.at(-1) === '') kept.pop()
  const more = keys.filter((key) => !written.has(key) && settings[key] !== defaultUnitSettings[key]).map(write)
  return [...kept, ...more].map((line) => `${line}\n`).join('')
}

export interface UnitSettingsStore {
  readonly path: string
  /** `problem`: a sentence where the file, or a line of it, cannot be used. */
  get(): { settings: UnitSettings; problem: string | null }
  /** Replaces the file, never half of it. */
  set(settings: UnitSettings): Result<UnitSettings>
}

export const createUnitSettings = (path: string): UnitSettingsStore => ({
  path,
  get() {
    try {
      const { settings, problems } = parseUnitSettings(readFileSync(path, 'utf8'))
      return { settings, problem: problems.length === 0 ? null : `${path}, ${problems.join('; ')}. The defaults are used for ${problems.length === 1 ? 'it' : 'them'}.` }
    } catch (error) {
      return { settings: defaultUnitSettings, problem: errnoOf(error) === 'ENOENT' ? null : `${path} cannot be read (${messageOf(error)}); the defaults are used.` }
    }
  },
  set(settings) {
    let before = ''
    try {
      if (existsSync(path)) before = readFileSync(path, 'utf8')
    } catch (error) {
      return fail('internal', `${path} is there and cannot be read: ${messageOf(error)}`, { about: path, advice: 'Check that it is yours, then try again; it was not changed.' })
    }
    const written = writeAtomic(path, printUnitSettings(settings, before))
    return written.ok ? ok(settings) : written
  },
})
