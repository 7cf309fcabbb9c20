import { createHash } from 'node:crypto'
import type { StepDraft } from './draft.ts'

/** JSON with sorted keys and no space: the same value gives the same text everywhere. */
export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/**
 * sha256 over operations, targets and old values of a plan, in order. Words
 * (why, undo, notes) are left out, and so is everything that changes by
 * itself; files an ordinary user cannot read never enter a step's `old`, so
 * the plan shown by the app and the one made by root agree.
 */
export const planDigest = (steps: readonly StepDraft[]): string =>
  createHash('sha256')
    .update(canonicalJson(steps.map(({ operation, target, old }) => ({ operation, target, old }))))
    .digest('hex')
