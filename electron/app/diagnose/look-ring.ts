import type { Evidence } from '../../../helper/contract/evidence.ts'
import type { Result } from '../../../helper/contract/errors.ts'
import type { History } from '../history/types.ts'
import type { Looks } from './rule.ts'
import { lastOf, seriesOf, spanMs } from './series.ts'

/** Older looks say what was, not what is; some rules ask for ten minutes. */
export const LOOKS_FOR_MS = 15 * 60_000
/** So long every look is kept; of older ones (each some hundred kB) one a minute. */
const DENSE_MS = 60_000
const SPARSE_MS = 60_000
/** As many as that can be, should somebody look every second. */
const MOST_LOOKS = 60
/** What another program finds: enough for rates, without writing to the disk with every look. */
const STORE_MS = 30_000
/** Rates over less than this are chance. */
export const RATE_SPAN_MS = 2_500
/** Nobody presses faster than this for news. */
const FRESH_MS = 1_000
/** Upper share of one core for looks that are taken again and again. */
const SHARE = 0.02

export interface LookRingDeps {
  readonly look: () => Promise<Result<Evidence>>
  readonly history: { readonly reader: Pick<History['reader'], 'looks'>; readonly writer: Pick<History['writer'], 'addLook'> }
  readonly now: () => number
}

export interface LookRing {
  /** The looks of the last minutes, with a new one unless the last is fresh or looking again would cost too much. */
  recent(): Promise<Result<Looks>>
  /** As they are; null before the first. */
  known(): Looks | null
}

/** All of the last minute, one of each minute before; oldest first. */
export const thinned = (looks: readonly Evidence[], nowMs: number): Evidence[] => {
  const kept: Evidence[] = []
  for (const look of looks) {
    const ageMs = nowMs - look.takenAtMs
    if (ageMs >= LOOKS_FOR_MS) continue
    const last = kept.at(-1)
    if (ageMs <= DENSE_MS || last === undefined || look.takenAtMs - last.takenAtMs >= SPARSE_MS) kept.push(look)
  }
  return kept.slice(-MOST_LOOKS)
}

/**
 * The looks that rules get. The first question in a process takes in those
 * that another left: two looks give rates, also to a command that ends at once.
 */
export const createLookRing = ({ look, history, now }: LookRingDeps): LookRing => {
  let looks: readonly Evidence[] = []
  let pending: Promise<Result<Looks>> | null = null
  let askedHistory = false
  let storedAtMs = -Infinity

  /** Two looks far enough apart are always taken; from then on their cost sets the pace. */
  const isFresh = (series: Looks | null): series is Looks => {
    if (series === null) return false
    const last = lastOf(series)
    const ageMs = now() - last.takenAtMs
    if (ageMs < 0) return false
    const waitMs = spanMs(series) < RATE_SPAN_MS ? FRESH_MS : Math.max(FRESH_MS, last.tookMs / SHARE)
    return ageMs < waitMs
  }

  const take = async (): Promise<Result<Looks>> => {
    const taken = await look()
    if (!taken.ok) return taken
    if (!askedHistory) {
      askedHistory = true
      looks = history.reader.looks(taken.value.bootId, now() - LOOKS_FOR_MS, MOST_LOOKS)
      storedAtMs = looks.at(-1)?.takenAtMs ?? -Infinity
    }
    if (taken.value.takenAtMs - storedAtMs >= STORE_MS) {
      // A full disk is told by history's own trouble(); the looks go on in memory.
      history.writer.addLook(taken.value)
      storedAtMs = taken.value.takenAtMs
    }
    looks = thinned([...looks, taken.value], now())
    const series = seriesOf(looks) ?? [taken.value]
    return { ok: true, value: series }
  }

  return {
    async recent() {
      const series = seriesOf(looks)
      if (isFresh(series)) return { ok: true, value: series }
      pending ??= take().finally(() => { pending = null })
      return pending
    },
    known: () => seriesOf(looks),
  }
}
