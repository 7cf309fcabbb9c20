import type { Limits } from '../../contract/limits.ts'
import { LEAST_LIMIT_BYTES } from '../../contract/limits.ts'
import { LIMIT_FILES, type LimitField } from './files.ts'

/** Bytes; null is "max". */
export type Amount = number | null

export interface LimitWrite {
  readonly field: LimitField | 'toolsHighBytes'
  /** Below the agent's cgroup. */
  readonly file: string
  readonly bytes: Amount
}

const PAGE_BYTES = 4096

/** The kernel counts pages and shows what it keeps: asking for whole ones lets reading back be exact. */
export const wholePages = (bytes: Amount): Amount => (bytes === null ? null : Math.floor(bytes / PAGE_BYTES) * PAGE_BYTES)

/** As cgroup v2 writes and shows it. */
export const amountText = (bytes: Amount): string => (bytes === null ? 'max' : String(bytes))

/** null for "max"; undefined for text that is no amount. */
export const parseAmount = (text: string): Amount | undefined => (text === 'max' ? null : /^\d{1,16}$/u.test(text) ? Number(text) : undefined)

const above = (a: Amount, b: Amount): boolean => (a === null ? b !== null : b !== null && a > b)

/**
 * The writes of a change of limits, in an order in which `high` never stands
 * above `max`: an agent that grows is slowed down before it is ended. What
 * protects comes first, what ends last; where limits are raised, `max` goes
 * up before `high`.
 */
export const limitWrites = (limits: Limits, now: Partial<Record<LimitField, Amount>>): LimitWrite[] => {
  const write = (field: LimitField): LimitWrite[] => {
    const bytes = limits[field]
    // No protection is 0, not "max", which would protect all of it.
    return bytes === undefined ? [] : [{ field, file: LIMIT_FILES[field], bytes: wholePages(field === 'lowBytes' ? (bytes ?? 0) : bytes) }]
  }
  const raisesMax = limits.maxBytes !== undefined && above(limits.maxBytes, now.maxBytes ?? null)
  const tools: LimitWrite[] = limits.toolsHighBytes === undefined ? [] : [{ field: 'toolsHighBytes', file: 'tools/memory.high', bytes: wholePages(limits.toolsHighBytes) }]
  const swap = [...write('swapMaxBytes'), ...write('zswapMaxBytes')]
  return [...write('lowBytes'), ...swap, ...(raisesMax ? [...write('maxBytes'), ...write('highBytes')] : [...write('highBytes'), ...write('maxBytes')]), ...tools]
}

/** True when a limit given alone would stand above one that is there: `high` above the present `max`, or `max` below the present `high`. */
export const isOutOfOrder = (limits: Limits, now: Partial<Record<LimitField, Amount>>): boolean => {
  const high = limits.highBytes === undefined ? (now.highBytes ?? null) : limits.highBytes
  const max = limits.maxBytes === undefined ? (now.maxBytes ?? null) : limits.maxBytes
  return max !== null && above(high, max)
}

/**
 * A careful first limit for an agent that uses so much now: throttled at half
 * of it, never ended. A suggestion only; nobody sets it unasked.
 */
export const suggestLimits = (currentBytes: number): Limits => ({ highBytes: Math.max(LEAST_LIMIT_BYTES, wholePages(currentBytes / 2) ?? LEAST_LIMIT_BYTES) })
