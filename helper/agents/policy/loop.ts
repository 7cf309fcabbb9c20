/** How long until the next look, by what there is to look at. */
export interface Pace {
  /** Agents that run, suspended ones not counted. */
  readonly running: number
  /** The policy may act on those that run. */
  readonly acts: boolean
}

/** Idle agents are suspended within seconds of their limit. */
const ACTING_MS = 5_000
/** New agents are found, and ones that the guard woke are noticed, within this time; keys wake without anybody here. */
const RESTING_MS = 15_000

export const nextLookMs = ({ running, acts }: Pace): number => (acts && running > 0 ? ACTING_MS : RESTING_MS)

export interface Loop {
  /** Looks as soon as the present look is over. */
  readonly soon: () => void
  readonly stop: () => void
}

/** Calls `look` again and again, never twice at a time; an error of one look is told and ends nothing. */
export const startLoop = (look: () => Promise<number>, tell: (error: unknown) => void): Loop => {
  let timer: NodeJS.Timeout | undefined
  let running = false
  let again = false
  let stopped = false

  const run = async (): Promise<void> => {
    running = true
    again = false
    let waitMs = RESTING_MS
    try {
      waitMs = await look()
    } catch (error) {
      tell(error)
    }
    running = false
    if (!stopped) timer = setTimeout(() => void run(), again ? 0 : waitMs)
  }
  void run()
  return {
    soon: () => {
      again = true
      if (running || stopped) return
      clearTimeout(timer)
      timer = setTimeout(() => void run(), 0)
    },
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
