import { LEAST_LIMIT_BYTES, limitsSchema, type Limits } from '../../../helper/contract/limits.ts'

const MB = 1024 * 1024
export const LEAST_MB = LEAST_LIMIT_BYTES / MB

/** What is typed, in MB; empty is no limit. */
export type Draft = Record<Field, string>
export type Field = 'highBytes' | 'maxBytes' | 'lowBytes' | 'swapMaxBytes' | 'zswapMaxBytes' | 'toolsHighBytes'
export const fields: readonly Field[] = ['highBytes', 'maxBytes', 'lowBytes', 'swapMaxBytes', 'zswapMaxBytes', 'toolsHighBytes']

export const draftOf = (limits: Limits | null): Draft => {
  const text = (field: Field): string => {
    const value = limits?.[field] ?? null
    return value === null || (field === 'lowBytes' && value === 0) ? '' : String(Math.round(value / MB))
  }
  return { highBytes: text('highBytes'), maxBytes: text('maxBytes'), lowBytes: text('lowBytes'), swapMaxBytes: text('swapMaxBytes'), zswapMaxBytes: text('zswapMaxBytes'), toolsHighBytes: text('toolsHighBytes') }
}

/** Half of what it uses now, and never below the least: a place to start from, not a rule. */
export const suggestion = (presentBytes: number): number => Math.max(LEAST_LIMIT_BYTES, Math.floor(presentBytes / 2 / MB) * MB)

export type Parsed = { ok: true; limits: Limits; changes: number } | { ok: false; errors: Partial<Record<Field, string>> }

/** The request for what was typed: only what differs from the limits in force is in it. */
export const parse = (draft: Draft, present: Limits | null): Parsed => {
  const errors: Partial<Record<Field, string>> = {}
  const limits: Limits = {}
  let changes = 0
  for (const field of fields) {
    const text = draft[field].trim()
    const was = present?.[field] ?? null
    if (text === '') {
      // 0 is "none" for protection, null is "none" for a limit.
      if (was !== null && was !== 0) {
        limits[field] = field === 'lowBytes' ? 0 : null
        changes += 1
      }
      continue
    }
    const amount = Number(text.replace(',', '.'))
    const floor = field === 'highBytes' || field === 'maxBytes' || field === 'toolsHighBytes' ? LEAST_MB : 0
    if (!Number.isFinite(amount) || amount < 0) errors[field] = 'Type a number of MB, or leave it empty.'
    else if (amount < floor) errors[field] = `At least ${floor} MB: less would choke it.`
    else {
      const bytes = Math.round(amount * MB)
      if (bytes === was) continue
      limits[field] = bytes
      changes += 1
    }
  }
  const high = draft.highBytes.trim()
  const max = draft.maxBytes.trim()
  if (max !== '' && errors.maxBytes === undefined && errors.highBytes === undefined) {
    if (high === '') errors.highBytes = 'Needed with an end: it is slowed down before it is ended.'
    else if (Number(max.replace(',', '.')) < Number(high.replace(',', '.'))) errors.maxBytes = 'Not below the slow-down.'
    // The two are checked together, so they are sent together.
    else if (limits.maxBytes !== undefined && limits.highBytes === undefined) limits.highBytes = Math.round(Number(high.replace(',', '.')) * MB)
  }
  if (Object.keys(errors).length > 0) return { ok: false, errors }
  const checked = limitsSchema.safeParse(limits)
  return checked.success ? { ok: true, limits, changes } : { ok: false, errors: { highBytes: checked.error.issues[0]?.message ?? 'Not valid.' } }
}

/** Takes every limit in force away. */
export const nothing = (present: Limits): Limits => Object.fromEntries(fields.filter((field) => present[field] !== undefined).map((field) => [field, field === 'lowBytes' ? 0 : null]))
