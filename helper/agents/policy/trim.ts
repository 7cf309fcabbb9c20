/**
 * Trimming by feedback, as senpai does it: a little at a time, more while
 * nothing comes back, less and later when it does. One state an agent.
 */
export interface TrimState {
  /** Share of the resident anonymous memory asked for in one step. */
  readonly share: number
  readonly nextAtMs: number
  /** Counters at the last step. */
  readonly faults: number
  readonly refaults: number
  /** Bytes the last step took out. */
  readonly lastWonBytes: number
  /** Steps in a row that won next to nothing. */
  readonly dry: number
  readonly text: string
}

export interface TrimSigns {
  readonly nowMs: number
  /** RssAnon of the tree. */
  readonly residentAnonBytes: number
  /** Major faults of the tree since its processes began. */
  readonly faults: number
  /** workingset_refault_anon of the machine, or pages swapped in where the kernel does not count it. */
  readonly refaults: number
  /** PSI memory some avg10; null without PSI. */
  readonly psiPercent: number | null
}

const FIRST_SHARE = 0.01
const LEAST_SHARE = 0.0025
const MOST_SHARE = 0.04
const GROWTH = 1.5
const STEP_MS = 15_000
const PAUSE_MS = 90_000
/** Nothing more to win, or it fits into its working set: looked at again after this long. */
const REST_MS = 10 * 60_000
const PAGE_BYTES = 4096
/** Not below: small agents gain nothing, and the last pages are the ones in use. */
const LEAST_RESIDENT_BYTES = 24 * 1024 * 1024
const LEAST_STEP_BYTES = 256 * 1024
const PSI_PERCENT = 5
/** A step is too much when more than this share of it comes back before the next one. */
const RETURNED_SHARE = 0.1
/** Refaults of the whole machine, a second, above which somebody else needs what is there. */
const REFAULTS_PER_SECOND = 200
const DRY_STEPS = 3

export const firstTrim = ({ nowMs, faults, refaults }: TrimSigns): TrimState => ({ share: FIRST_SHARE, nextAtMs: nowMs, faults, refaults, lastWonBytes: 0, dry: 0, text: '' })

/** What to do now: `askBytes` null means wait. The caller adds what was won by `trimmed`. */
export const nextTrim = (state: TrimState, signs: TrimSigns): { state: TrimState; askBytes: number | null } => {
  if (signs.nowMs < state.nextAtMs) return { state, askBytes: null }
  const { faults, refaults, psiPercent, residentAnonBytes, nowMs } = signs
  const counters = { faults, refaults }
  const wait = (ms: number, text: string, share = state.share): { state: TrimState; askBytes: null } => ({
    state: { ...state, ...counters, share, nextAtMs: nowMs + ms, lastWonBytes: 0, dry: 0, text },
    askBytes: null,
  })
  if (psiPercent !== null && psiPercent > PSI_PERCENT) return wait(PAUSE_MS, `memory pressure is ${psiPercent.toFixed(1)} %`, Math.max(LEAST_SHARE, state.share / 2))
  if (residentAnonBytes < LEAST_RESIDENT_BYTES) return wait(REST_MS, 'little is left to page out', FIRST_SHARE)
  if (state.dry >= DRY_STEPS) return wait(REST_MS, 'nothing more was to be won', FIRST_SHARE)
  const returnedBytes = Math.max(0, faults - state.faults) * PAGE_BYTES
  if (state.lastWonBytes > 0 && returnedBytes > Math.max(LEAST_STEP_BYTES, state.lastWonBytes * RETURNED_SHARE)) {
    return wait(PAUSE_MS, `${Math.round(returnedBytes / 1024)} KiB came back`, Math.max(LEAST_SHARE, state.share / 2))
  }
  const sinceS = Math.max(1, (nowMs - state.nextAtMs + STEP_MS) / 1000)
  if (state.lastWonBytes > 0 && (refaults - state.refaults) / sinceS > REFAULTS_PER_SECOND) return wait(PAUSE_MS, 'others page in', Math.max(LEAST_SHARE, state.share / 2))
  const share = state.lastWonBytes > 0 ? Math.min(MOST_SHARE, state.share * GROWTH) : state.share
  const askBytes = Math.max(LEAST_STEP_BYTES, Math.floor((residentAnonBytes * share) / PAGE_BYTES) * PAGE_BYTES)
  return { state: { ...state, ...counters, share, nextAtMs: nowMs + STEP_MS, text: '' }, askBytes }
}

/** After a step: what it won, with the counters as they are now, since paging out itself may fault. */
export const trimmed = (state: TrimState, wonBytes: number, signs: Pick<TrimSigns, 'faults' | 'refaults'>): TrimState => ({
  ...state,
  ...signs,
  lastWonBytes: Math.max(0, wonBytes),
  dry: wonBytes < LEAST_STEP_BYTES / 4 ? state.dry + 1 : 0,
})
