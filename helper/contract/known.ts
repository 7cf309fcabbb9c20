import type { Missing, MissingReason, Reading } from './reading.ts'

// Apart from the schemas, so that a reader of /proc that a short command runs does not load what checks texts from outside.

export const known = <T>(value: T): { value: T } => ({ value })

export const missing = (reason: MissingReason, detail?: string): Missing =>
  detail === undefined ? { value: null, reason } : { value: null, reason, detail }

/** The value, or `fallback` where the caller has decided what a gap means. */
export const valueOr = <T, F>(reading: Reading<T>, fallback: F): T | F =>
  reading.value === null ? fallback : reading.value
